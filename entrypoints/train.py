"""Train a network on a task."""

from typing import Any

import click

from entrypoints.common import SETTINGS, device_option, finish, force_option, study_option
from entrypoints.render import main as render_command


@click.command(**SETTINGS)
@click.option("--task", required=True, help="distance, translation, rotation, category, identity, joined by +, or all.")
@click.option("--dataset", default="spatial117", help="Name, id or folder of a rendered dataset.")
@click.option("--arch", default="resnet18", help="Architecture.")
@click.option("--seed", type=int, default=0, help="Of the initial weights and the order of the images.")
@click.option("--batches", type=int, default=300, help="Steps of training; 0 registers an untrained network.")
@click.option("--batch_size", type=int, default=64, help="Images a step.")
@click.option("--lr", type=float, default=1e-3, help="Learning rate of Adam.")
@click.option("--input_size", type=int, default=0, show_default="the dataset's, at most 224", help="Pixels.")
@click.option("--checkpoints", default="", help="Comma list of batch numbers at which the network is registered too.")
@click.option("--fraction", type=float, default=1.0, help="Share of the training set that is used.")
@device_option
@click.option("--precision", default="float32", help="float32 or bfloat16.")
@click.option("--workers", type=int, default=2, help="Threads that decode images.")
@click.option("--resume", type=bool, default=True, help="Go on from the last saved state of a killed run.")
@study_option
@force_option
def main(**parameters: object) -> None:
    """Train a network on a task and register it at every checkpoint.

    The default dataset is rendered first where it does not exist yet.
    """
    finish("train", with_dataset, **parameters)


def with_dataset(**parameters: Any) -> str:
    """Render the default dataset if it is asked for and missing, then train."""
    from mlspatial.registry import datasets, runs
    from mlspatial.steps.progress import say
    from mlspatial.steps.render import render
    from mlspatial.steps.train import train

    options = render_command.make_context("render", []).params
    if parameters["dataset"] == options["dataset"] and not datasets.is_known(options["dataset"]):
        say(f"train: dataset {options['dataset']} is not there yet; rendering it first, with render's defaults")
        with runs.project_run_reserved():
            render(**options)
    return train(**parameters)


if __name__ == "__main__":
    main()
