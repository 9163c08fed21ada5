"""Conwell et al. 2024: what architecture, task, images and training change in the prediction of human cortex."""

from mlspatial.papers.base import Paper, register
from mlspatial.papers.conwell2024 import groupings

VALUES = "published.csv"
PAPER = register(
    Paper(
        "conwell2024",
        __name__,
        title="A large-scale examination of inductive biases shaping high-level visual representation in brains and "
        "machines",
        citation="Conwell, Prince, Kay, Alvarez and Konkle, Nature Communications 15:9383, 2024, "
        "doi 10.1038/s41467-024-53147-y",
        published=(VALUES,),
        key=("conwell_ranking_curve", "conwell_architecture", "conwell_task"),
        groupings={
            "Architecture": groupings.architectures,
            "Self-supervision": groupings.contrastive,
            "Pictures and captions": groupings.language,
            "ImageNet": groupings.imagenet_sizes,
            "Training": groupings.training,
            "IPCL": groupings.ipcl,
            "Taskonomy": groupings.taskonomy,
        },
    )
)
