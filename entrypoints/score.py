"""Score networks against neural data."""

import click

from entrypoints.common import SETTINGS, device_option, finish, force_option, study_option


@click.command(**SETTINGS)
@click.option("--models", required=True, help="A selector (task=translation,seed=0|1) or a models:/ or runs:/ address.")
@click.option("--benchmarks", default="cowley2023_v4?,simulated_v1", help="Comma list; NAME? is left out without data.")
@click.option("--layers", default="auto", help="auto (the architecture's candidates), names; fMRI: also all.")
@click.option(
    "--metrics", default="own", help="own (each benchmark's) and others: pls, ridge, rsa, cka, one_to_one, crsa, versa."
)
@click.option("--engine", default="fast", help="fast, or reference: Brain-Score's own code, for its benchmarks.")
@click.option("--selection", default="auto", help="Of the layer: auto (as Brain-Score), raw (raw features), half.")
@click.option("--variant", default="paper", help="Of the fMRI study where text and code differ: paper, published_code.")
@click.option("--download", type=bool, default=False, help="Whether Brain-Score may download what is missing.")
@device_option
@study_option
@force_option
def main(**parameters: object) -> None:
    """Score every selected network at every candidate layer; one run a network."""
    from mlspatial.steps.score import score

    finish("score", score, **parameters)


if __name__ == "__main__":
    main()
