"""Decode latents from the layers of networks."""

import click

from entrypoints.common import SETTINGS, device_option, finish, force_option, study_option


@click.command(**SETTINGS)
@click.option("--models", required=True, help="Selector or URI of networks.")
@click.option("--layers", default="auto", help="auto (pixels, first blocks, avgpool, fc), or module names and pixels.")
@click.option("--latents", default="auto", help="auto (x, y, z, rot_0-2, category), or names with commas between.")
@click.option("--stimuli", default="heldout:2000", help="SPLIT:N images of the dataset.")
@click.option("--dataset", default="spatial117", help="Name, id or folder of a rendered dataset.")
@click.option("--folds", type=int, default=5, help="Number of train/test splits.")
@click.option("--split", default="random", help="random (80/20, as published) or kfold.")
@click.option("--classifier", default="svc", help="svc (linear, squared hinge) or logistic.")
@device_option
@click.option("--seed", type=int, default=0, help="Of the splits and the random projection.")
@click.option("--activations", default="none", help="Also kept as artifacts: none, float16 or float32.")
@study_option
@force_option
def main(**parameters: object) -> None:
    """Accuracy or correlation of linear read-outs for every network, layer, latent and fold."""
    from mlspatial.steps.decode import decode

    finish("decode", decode, **parameters)


if __name__ == "__main__":
    main()
