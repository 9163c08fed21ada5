"""What all entry points share: how options look, how mistakes are told, the last line."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from mlspatial.core.errors import UserError

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch's tensors in large pages: a quarter less time in networks

SETTINGS: dict[str, Any] = {
    "context_settings": {
        "show_default": True,
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: name.replace("-", "_"),
    }
}

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

study_option = click.option("--study", default="", help="Name that the run is found by, beside its other names.")
force_option = click.option("--force", type=bool, default=False, help="Make it again even if a finished run answers.")
device_option = click.option("--device", default="auto", help="auto, cpu, cuda or cuda:N.")


def finish(entry: str, work: Callable[..., str | list[str]], **parameters: Any) -> None:
    """Do the work of an entry point and print `run ID` as the last line.

    A user's mistake becomes one line on standard error and exit code 2, a stop by SIGTERM exit code 143; anything
    else keeps its traceback and exits 1.
    """
    from mlspatial.registry.runs import Terminated

    try:
        run_ids = work(**parameters)
    except UserError as error:
        click.echo(f"{entry}: {' '.join(str(error).split())}", err=True)
        sys.exit(error.exit_code)
    except Terminated:
        click.echo(f"{entry}: stopped; the same command goes on where it was", err=True)
        sys.exit(143)
    except KeyboardInterrupt:
        click.echo(f"{entry}: interrupted; the same command goes on where it was", err=True)
        sys.exit(130)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            click.echo(f"{entry}: no space left for {error.filename or 'a file'}; make room and run it again", err=True)
            sys.exit(UserError.exit_code)
        traceback.print_exc()
        sys.exit(1)
    for run_id in [run_ids] if isinstance(run_ids, str) else run_ids:
        click.echo(f"run {run_id}")


def rendered_first(entry: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The work, after rendering the default dataset with render's defaults if it is asked for and not there yet."""

    def with_dataset(**parameters: Any) -> Any:
        from entrypoints.render import main as render_command
        from mlspatial.core.progress import say
        from mlspatial.registry import datasets, runs
        from mlspatial.steps.render import render

        options = render_command.make_context("render", []).params
        name = options["dataset"]
        if parameters["dataset"].removeprefix("live:") == name and not datasets.is_known(name):
            say(f"{entry}: dataset {name} is not there yet; rendering it first, with render's defaults")
            with runs.project_run_reserved():
                render(**options)
        return work(**parameters)

    return with_dataset
