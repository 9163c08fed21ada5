"""The command line: options from the parameters of an entry point, mistakes in one line, the last line of every run."""

from __future__ import annotations

import atexit
import errno
import inspect
import multiprocessing
import os
import random
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep, time
from typing import Any, NoReturn

import click

from mlspatial.console import summary, tools
from mlspatial.core.errors import BadValue, Busy, Refuted, UserError
from mlspatial.core.parameters import ENTRIES, WAIT, Entry, Parameter
from mlspatial.core.progress import say
from mlspatial.core.secrets import shown
from mlspatial.core.stopping import stop_behind, stoppable

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch's tensors in large pages: a quarter less time in networks

SETTINGS: dict[str, Any] = {
    "show_default": True,
    "help_option_names": ["-h", "--help"],
    "token_normalize_func": lambda name: name.replace("-", "_"),
}
NAMES = {str: "text", int: "integer", float: "number", bool: "boolean"}
POSITIONAL = {"show": "selector", "library": "folder"}  # what these take without an option's name
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # of a terminal, in names that others gave
LONG_TO_ANSWER = ("score", "similarity", "decode", "tuning")  # whose steps look at networks and images first
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
WORD_SECONDS = 60.0  # between two words about what is waited for
LEAST_PAUSE, MOST_PAUSE = 0.5, 5.0  # seconds between looks; two that wait for each other's parts must not keep step


class Typed(click.ParamType):
    """What a parameter takes."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter, self.name = parameter, NAMES[parameter.kind]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.parameter.convert(value)
        except BadValue as error:
            raise click.UsageError(str(error)) from error


class Mistake(click.UsageError):
    """What is wrong with the words of a command, told as a step tells what is wrong with its work."""

    def __init__(self, entry: str, error: click.UsageError) -> None:
        super().__init__(f"{entry}: {' '.join(error.format_message().split())}")

    def show(self, file: Any = None) -> None:
        click.echo(self.message, file=file, err=file is None)


class Command(click.Command):
    """A command that tells a mistake in one line, and ends when it is done. examples: what may be typed behind it;
    first: the parameter that a first word without an option's name is."""

    examples: tuple[str, ...] = ()
    first: str = ""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = [f"--{self.first}"] if self.first and args and not args[0].startswith("-") else []
        return super().parse_args(ctx, [*named, *args])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write_text(f"{ctx.command_path} {example}")

    def make_context(self, *arguments: Any, **settings: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **settings)
        except click.UsageError as error:
            raise Mistake(str(self.name), error) from error

    def main(self, args: Sequence[str] | None = None, *others: Any, **settings: Any) -> Any:
        if args is not None:
            return super().main(args, *others, **settings)
        try:
            super().main(None, *others, **settings)
        except SystemExit as ended:
            leave(ended.code if isinstance(ended.code, int) else 0)


def leave(code: int) -> NoReturn:
    """End this process, and those it has started, at once: Python itself takes its modules apart first, which takes
    seconds on busy cores."""
    for child in multiprocessing.active_children():
        child.kill()
    with suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def command(entry: Entry, positional: str = "") -> Command:
    """The command of an entry point. positional: the parameter that stands behind its name without an option's."""
    options: list[click.Parameter] = [
        click.Option(
            [f"--{parameter.name}"],
            type=Typed(parameter),
            help=parameter.text,
            show_default=parameter.shown or True,
            **({"required": True} if parameter.required else {"default": parameter.default}),
        )
        for parameter in entry.parameters
        if parameter.name != positional
    ]
    if positional:
        last = entry[positional]
        rest = {} if last.required else {"required": False, "default": last.default}
        options.append(click.Argument([positional], type=Typed(last), metavar=positional.upper(), **rest))

    def work(**parameters: Any) -> None:
        finish(entry.name, entry.run, **parameters)

    made = Command(entry.name, params=options, help=entry.help, callback=work, context_settings=SETTINGS)
    made.examples, made.first = entry.examples, entry.first
    return made


def entries() -> list[Entry]:
    """All entry points, by name."""
    from mlspatial import study, verify
    from mlspatial.steps import load_entries

    load_entries()
    assert {study.ENTRY.name, verify.ENTRY.name} <= set(ENTRIES)
    return [ENTRIES[name] for name in ENTRIES]


class Entries(click.Group):
    """`mlspatial ENTRY`: every entry point is a command, and so are those that look at a registry and a machine."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*(entry.name for entry in entries()), *tools()]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in tools():
            return command(tools()[name], POSITIONAL.get(name, ""))
        found = {entry.name: entry for entry in entries()}
        return command(found[name]) if name in found else None


def finish(entry: str, work: Callable[..., str | list[str]], **parameters: Any) -> None:
    """Do the work of an entry point, tell its summary and print `run ID` as the last line, also of a run whose result
    is that something does not hold, which exits 1.

    A user's mistake becomes one line on standard error and exit code 2, a stop the code 128 + its signal; anything
    else keeps its traceback and exits 1. What another process is making is waited for; with wait=False among the
    parameters it is such a mistake.
    """
    wait = bool(parameters.pop(WAIT.name, True))
    if WAIT.name in inspect.signature(work).parameters:
        parameters[WAIT.name] = wait
    try:
        with stoppable():
            began, refuted = time(), None
            try:
                made = _answered(entry, parameters) or _patiently(entry, work, parameters, wait)
                _remember(entry, parameters, made)
            except Refuted as error:
                made, refuted = error.runs, error
            run_ids = [made] if isinstance(made, str) else made
            summary.tell(entry, run_ids, began)
            for run_id in run_ids:
                click.echo(f"run {run_id}")
            if refuted is None:
                return
            raise refuted
    except BaseException as error:
        if not isinstance(error, Exception) and not stop_behind(error):
            raise
        code, text = _last_word(entry, error)
        text = CONTROL.sub("?", shown(text))
    with suppress(OSError):
        click.echo(text, err=True)
    sys.exit(code)  # out here nothing holds on to what the work had open


def _answered(entry: str, parameters: dict[str, Any]) -> list[str] | None:
    """The runs that the same command made before, where its step would take long to find that out."""
    if entry not in LONG_TO_ANSWER:
        return None
    from mlspatial.study import answers

    return answers.recall(entry, parameters)


def _remember(entry: str, parameters: dict[str, Any], made: str | list[str]) -> None:
    if entry not in LONG_TO_ANSWER:
        return
    from mlspatial.registry.patience import mlflow_errors
    from mlspatial.study import answers

    try:
        answers.remember(entry, parameters, [made] if isinstance(made, str) else made)
    except mlflow_errors(OSError, UserError):
        pass  # the runs are there: the next command asks its step for them


def _last_word(entry: str, error: BaseException) -> tuple[int, str]:
    """Exit code and text for what the work ended with."""
    from mlspatial.registry.patience import not_allowed

    if stop := stop_behind(error):
        word = "interrupted" if isinstance(stop, KeyboardInterrupt) else "stopped"
        code = getattr(stop, "exit_code", 128 + signal.SIGINT)
        return code, f"{entry}: {word}; the same command goes on where it was"
    if isinstance(error, UserError):
        return error.exit_code, f"{entry}: {' '.join(str(error).split())}"
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        place = error.filename or "a file"
        return UserError.exit_code, f"{entry}: no space left for {place}; make room and run it again"
    if forbidden := not_allowed(error):
        return UserError.exit_code, f"{entry}: {forbidden}"
    return 1, "".join(traceback.format_exception(error)).rstrip()


def _patiently(
    entry: str, work: Callable[..., str | list[str]], parameters: dict[str, Any], wait: bool
) -> str | list[str]:
    """What the work returns, asked again when others have made what it needs, or have died over it, unless wait=False.

    All work is found by its spec, so that asking again costs nothing of what was done before.
    """
    while True:
        try:
            return work(**parameters)
        except Busy as busy:
            if not wait:
                raise UserError(busy.refusal) from busy
            others = busy
        _wait_for(entry, others)


def _wait_for(entry: str, busy: Busy) -> None:
    """Wait until nobody makes that result any more, with a word at once and one now and then."""
    from mlspatial.registry import runs

    began = monotonic()
    told, due = "", began
    while True:
        maker = runs.maker(busy.entry, busy.spec)
        now = monotonic()
        if maker and (now >= due or (told and maker != told)):
            so_far = f" ({(now - began) / 60:.0f} min so far)" if told else ""
            say(f"{entry}: {busy.what} is being made by {maker}; waiting for it{so_far}")
            told, due = maker, now + WORD_SECONDS
        sleep(random.uniform(0.5, 1) * min(MOST_PAUSE, max(LEAST_PAUSE, (now - began) / 10)))
        if not maker:
            return


main = Entries(
    "mlspatial",
    help="Train vision networks on where and what; compare them with the brain and with each other, all in MLflow.",
    context_settings=SETTINGS,
)
