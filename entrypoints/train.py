"""Train a network on a task."""

import click

from entrypoints.common import SETTINGS, device_option, finish, force_option, rendered_first, study_option


@click.command(**SETTINGS)
@click.option("--task", required=True, help="Parts joined by +, or all; several tasks with | between share batches.")
@click.option(
    "--dataset", default="spatial117", help="Name, id or folder of a dataset; live:NAME renders fresh images."
)
@click.option("--arch", default="resnet18", help="Architecture.")
@click.option("--seed", type=int, default=0, help="Of the initial weights.")
@click.option("--seeds", default="", help="Several seeds that share batches, such as 0-5; instead of seed.")
@click.option("--order_seed", type=int, default=0, help="Of the order of the images.")
@click.option("--batches", type=int, default=300, help="Steps of training; 0 registers an untrained network.")
@click.option("--batch_size", type=int, default=64, help="Images a step.")
@click.option("--lr", type=float, default=1e-3, help="Learning rate of Adam.")
@click.option("--weight_decay", type=float, default=0.0, help="Weight decay of Adam.")
@click.option("--augment", default="none", help="none, or colour (changes of brightness, contrast and saturation).")
@click.option("--input_size", type=int, default=0, show_default="the dataset's, at most 224", help="Pixels.")
@click.option("--checkpoints", default="", help="Comma list of batch numbers at which the network is registered too.")
@click.option("--evaluations", default="", help="Comma list of batch numbers at which it is only evaluated.")
@click.option("--fraction", type=float, default=1.0, help="Share of the training set that is used.")
@click.option("--init", default="random", help="random, or imagenet (torchvision's trunk with a new head).")
@device_option
@click.option("--precision", default="float32", help="float32, bfloat16, or on a GPU float16.")
@click.option("--compile", type=bool, default=False, help="Use torch.compile.")
@click.option(
    "--deterministic", type=bool, default=False, help="Only deterministic algorithms (CPUs need no such word)."
)
@click.option("--cache", default="auto", help="auto, none, memory or device: where decoded images are kept.")
@click.option("--workers", type=int, default=2, help="Threads that decode images, or processes that render live ones.")
@click.option("--resume", type=bool, default=True, help="Go on from the last saved state of a killed run.")
@study_option
@force_option
def main(**parameters: object) -> None:
    """Train a network on a task and register it at every checkpoint.

    The default dataset is rendered first where it does not exist yet.
    """
    from mlspatial.steps.train import train

    finish("train", rendered_first("train", train), **parameters)


if __name__ == "__main__":
    main()
