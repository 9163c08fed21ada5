"""Run a grid of conditions from a YAML file."""

import click

from entrypoints.common import SETTINGS, finish

FILE = "the file's, or"


@click.command(**SETTINGS)
@click.option("--config", required=True, help="A YAML file, such as studies/quick.yaml.")
@click.option("--jobs", type=int, default=-1, show_default=f"{FILE} 1", help="At the same time; 0: one a core.")
@click.option("--backend", default="", show_default=f"{FILE} loky", help="loky (this machine) or dask (a cluster too).")
@click.option("--scheduler", default="", help="Address of a dask scheduler that is running, such as tcp://HOST:8786.")
@click.option(
    "--together",
    type=int,
    default=-1,
    show_default=f"{FILE} 0: 8 with one job, else 1",
    help="Networks, alike but for task and seed, that are trained on the same batches.",
)
@click.option("--dry_run", type=bool, default=False, help="Print the plan with time and disk; make no run.")
def main(**parameters: object) -> None:
    """Render, train, score and compare what a study file lists, skipping what the registry already has.

    What fails does not stop the rest; the same command tries it again.
    """
    from mlspatial.study import study

    finish("study", study, **parameters)


if __name__ == "__main__":
    main()
