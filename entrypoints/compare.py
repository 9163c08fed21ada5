"""Make tables, figures and the report from finished runs."""

import click

from entrypoints.common import SETTINGS, finish, force_option, study_option


@click.command(**SETTINGS)
@click.option("--items", default="all", help="all, or ids of tables and figures with commas between.")
@click.option("--out", default="", help="Folder to write to [reports/STUDY].")
@click.option("--format", default="all", help="all, or some of html,csv,md,tex,svg,png.")
@study_option
@force_option
def main(**parameters: object) -> None:
    """Draw every requested table and figure and report.html from the runs of a study, or from all finished runs."""
    from mlspatial.steps.compare import compare

    finish("compare", compare, **parameters)


if __name__ == "__main__":
    main()
