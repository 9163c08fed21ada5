"""Search the training parameters of a task."""

import click

from entrypoints.common import SETTINGS, finish, rendered_first, study_option
from entrypoints.train import main as train_command

TASK = click.Option(["--task"], required=True, help="Parts joined by +, such as distance+rotation, or all.")
OWN = {"task", "seeds", "checkpoints", "evaluations", "resume", "lr", "batch_size", "weight_decay", "augment"}
AS_IN_TRAIN = [option for option in train_command.params if option.name not in OWN | {"study", "force"}]
SEARCHED = "one value, choices A|B, a range on a log scale LOW,HIGH, or both as 0|LOW,HIGH."


@click.command(**SETTINGS, params=[TASK, *AS_IN_TRAIN])
@click.option("--trials", type=int, default=20, help="Finished and pruned ones, in the whole study.")
@click.option("--lr", default="1e-4,1e-2", help=f"Learning rate: {SEARCHED}")
@click.option("--batch_size", default="32|64|128", help=f"Images a step: {SEARCHED}")
@click.option("--weight_decay", default="0|1e-6,1e-2", help=f"Weight decay: {SEARCHED}")
@click.option("--augment", default="none", help="One value, or choices such as none|colour.")
@click.option("--evaluations", type=int, default=5, help="Evaluations of a trial; after each it may be pruned.")
@click.option("--timeout", type=float, default=0.0, help="Seconds after which no trial begins; 0 for no limit.")
@click.option(
    "--storage",
    default="",
    show_default="optuna.db beside the tracking database",
    help="Optuna's database, such as postgresql://HOST/optuna; machines with the same one share the trials.",
)
@click.option("--name", default="", show_default="hash of the search", help="Of the study in the storage.")
@study_option
@click.option("--force", type=bool, default=False, help="Write the summary again; for new trials give another name.")
def main(**parameters: object) -> None:
    """Search learning rate, batch size, weight decay and augmentation; every trial is a train run.

    The trials are found by study=NAME. The same command goes on where it was stopped; more trials continue the study.
    """
    from mlspatial.steps.tune import tune

    finish("tune", rendered_first("tune", tune), **parameters)


if __name__ == "__main__":
    main()
