"""What can be said about training: the parameters of `train`, and of `tune`, which searches some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlspatial.core.parameters import DEVICE, FORCE, STUDY, Parameter, changed

TASK = "distance, translation, rotation, category, identity (of clips velocity, heading), joined by +, or all;"

TRAIN = (
    Parameter("task", str, f"{TASK} A|B share batches."),
    Parameter("dataset", str, "Name, id or folder of a dataset; live:NAME renders fresh images.", "spatial117"),
    Parameter("arch", str, "resnet18, resnet34, resnet50, resnet18wN (34, 50) of width N, or your own.", "resnet18"),
    Parameter("seed", int, "Of the initial weights.", 0, "draw"),
    Parameter("seeds", str, "Several seeds that share batches, such as 0-5; instead of seed.", "", "draw"),
    Parameter("order_seed", int, "Of the order of the images.", 0),
    Parameter("batches", int, "Steps of training; 0 registers an untrained network.", 300),
    Parameter("batch_size", int, "Images a step.", 64),
    Parameter("lr", float, "Learning rate of Adam.", 0.001),
    Parameter("schedule", str, "Of the learning rate: constant, or one_cycle (up to lr, then down to 0).", "constant"),
    Parameter("weight_decay", float, "Weight decay of Adam.", 0.0),
    Parameter(
        "augment",
        str,
        "none, colour (changes of brightness, contrast, saturation), grey (three images in ten without colour).",
        "none",
    ),
    Parameter("input_size", int, "Pixels.", 0, shown="the dataset's, at most 224"),
    Parameter("checkpoints", str, "Comma list of batch numbers at which the network is registered too.", "", "draw"),
    Parameter("evaluations", str, "Comma list of batch numbers at which it is only evaluated.", "", "draw"),
    Parameter("fraction", float, "Share of the training set that is used.", 1.0),
    Parameter("init", str, "random, or imagenet (torchvision's trunk with a new head).", "random"),
    DEVICE,
    Parameter("precision", str, "float32, bfloat16, or on a GPU tf32 or float16.", "float32"),
    Parameter(
        "stacked",
        str,
        "auto (where it is known to be faster), true or false: step several networks in one pass.",
        "auto",
    ),
    Parameter("compile", bool, "Use torch.compile.", False),
    Parameter("deterministic", bool, "Only deterministic algorithms (CPUs need no such word).", False),
    Parameter("cache", str, "auto, none, memory or device: where decoded images are kept.", "auto", "nothing"),
    Parameter("workers", int, "Threads that decode images, or processes that render live ones.", 2, "nothing"),
    Parameter("hidden", bool, "Make a network for simulated brains, which selectors and compare leave out.", False),
    Parameter("resume", bool, "Go on from the last saved state of a killed run.", True, "nothing"),
    STUDY,
    FORCE,
)

#: Parameters that came when there were registries already. A run does not state them while they have these values, so
#: that it has the name it always had and stands with the runs made before.
LATER: dict[str, Any] = {"schedule": "constant", "hidden": False, "stacked": "auto"}

SEARCHED = "one value, choices A|B, a range on a log scale LOW,HIGH, or both as 0|LOW,HIGH."
OF_TUNE = {
    "seeds",
    "hidden",
    "stacked",
    "checkpoints",
    "evaluations",
    "resume",
    "lr",
    "batch_size",
    "weight_decay",
    "augment",
}

TUNE = (
    *changed(
        [parameter for parameter in TRAIN if parameter.name not in {*OF_TUNE, "study", "force"}],
        task={"help": TASK.replace(";", ".")},
    ),
    Parameter("trials", int, "Finished and pruned ones, in the whole study.", 20),
    Parameter("lr", str, f"Learning rate: {SEARCHED}", "1e-4,1e-2"),
    Parameter("batch_size", str, f"Images a step: {SEARCHED}", "32|64|128"),
    Parameter("weight_decay", str, f"Weight decay: {SEARCHED}", "0|1e-6,1e-2"),
    Parameter("augment", str, "One value, or choices such as none|colour.", "none"),
    Parameter("evaluations", int, "Evaluations of a trial; after each it may be pruned.", 5),
    Parameter("timeout", float, "Seconds after which no trial begins; 0 for no limit.", 0.0, "nothing"),
    Parameter(
        "storage",
        str,
        "Optuna's database, such as postgresql://HOST/optuna; machines with the same one share the trials.",
        "",
        "nothing",
        shown="optuna.db beside the tracking database",
    ),
    Parameter("name", str, "Of the study in the storage.", "", shown="hash of the search"),
    STUDY,
    *changed([FORCE], force={"help": "Write the summary again; for new trials give another name."}),
)


def without_later(options: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of train as a run states them: without those of LATER that have the values there."""
    return {name: value for name, value in options.items() if name not in LATER or value != LATER[name]}
