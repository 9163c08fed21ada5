"""Compare networks with each other."""

import click

from entrypoints.common import SETTINGS, device_option, finish, force_option, study_option


@click.command(**SETTINGS)
@click.option("--models", required=True, help="Selector or URI of two networks or more.")
@click.option("--layers", default="auto", help="auto (first block of each stage), or names; * and ? allowed.")
@click.option("--stimuli", default="heldout:2000", help="SPLIT:N images of the dataset.")
@click.option("--dataset", default="spatial117", help="Name, id or folder of a rendered dataset.")
@click.option("--metric", default="cka", help="cka, cka_debiased, rsa, rsa_spearman, procrustes; commas between.")
@device_option
@click.option("--seed", type=int, default=0, help="Of the bootstrap over networks.")
@click.option("--activations", default="none", help="Also kept as artifacts: none, float16 or float32.")
@study_option
@force_option
def main(**parameters: object) -> None:
    """Model-by-model similarity at every layer, with a table of groups, heat maps and a map of the models."""
    from mlspatial.steps.similarity import similarity

    finish("similarity", similarity, **parameters)


if __name__ == "__main__":
    main()
