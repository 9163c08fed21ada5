"""Train a network on a task."""

import click

from entrypoints.common import SETTINGS, device_option, finish, force_option, study_option


@click.command(**SETTINGS)
@click.option("--task", required=True, help="distance, translation, rotation, category, identity, joined by +, or all.")
@click.option("--dataset", default="spatial117", help="Name, id or folder of a rendered dataset.")
@click.option("--arch", default="resnet18", help="Architecture.")
@click.option("--seed", type=int, default=0, help="Of the initial weights and the order of the images.")
@click.option("--batches", type=int, default=500, help="Steps of training; 0 registers an untrained network.")
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
    """Train a network on a task and register it at every checkpoint."""
    from mlspatial.steps.train import train

    finish("train", train, **parameters)


if __name__ == "__main__":
    main()
