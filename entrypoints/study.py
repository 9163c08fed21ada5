"""Run a grid of conditions from a YAML file."""

import click

from entrypoints.common import SETTINGS, finish


@click.command(**SETTINGS)
@click.option("--config", required=True, help="A YAML file, such as studies/quick.yaml.")
def main(**parameters: object) -> None:
    """Render, train, score and compare what a study file lists, skipping what the registry already has."""
    from mlspatial.study import study

    finish("study", study, **parameters)


if __name__ == "__main__":
    main()
