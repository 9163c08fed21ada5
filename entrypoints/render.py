"""Render a dataset of images with exact spatial latents."""

import click

from entrypoints.common import SETTINGS, finish, force_option, study_option


@click.command(**SETTINGS)
@click.option("--dataset", default="spatial117", help="Name of the dataset.")
@click.option("--n_train", type=int, default=6000, help="Training images.")
@click.option("--n_heldout", type=int, default=1000, help="Held-out images.")
@click.option("--size", type=int, default=64, help="Width and height in pixels (the study: 256).")
@click.option("--seed", type=int, default=0, help="Of every random draw.")
@click.option("--categories", default="117", help="117, a number N of categories, or names with commas between.")
@click.option("--translation", default="full", help="full, or none (the camera points at the object's centre).")
@click.option("--rotation", default="clamped45", help="clamped45 (45 degrees about each axis) or uniform.")
@click.option("--objects", default="procedural", help="procedural, or a folder category/identity.{obj,glb}.")
@click.option("--environments", default="procedural", help="procedural, or a folder of panoramas.")
@click.option("--renderer", default="auto", help="auto, or the name of a renderer.")
@click.option("--encoding", default="jpeg", help="jpeg (quality 95, full colour resolution) or png.")
@click.option("--device", default="cpu", help="cpu, or cuda (the bytes, and so the dataset_id, may differ).")
@click.option("--workers", type=int, default=0, help="Processes; 0: one a core.")
@click.option("--out", default="", help="Folder to write to [data/DATASET].")
@study_option
@force_option
def main(**parameters: object) -> None:
    """Render a dataset and log its manifest, contact sheet and latent histograms."""
    from mlspatial.steps.render import render

    finish("render", render, **parameters)


if __name__ == "__main__":
    main()
