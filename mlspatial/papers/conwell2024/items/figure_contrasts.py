"""Contrasts of architecture, task, images and training, a panel each (Conwell et al. 2024, figures 2 to 5)."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.papers.conwell2024 import groupings
from mlspatial.papers.conwell2024.plots import Panel, groups_drawing

ARCHITECTURE = [Panel("Architecture", groupings.architectures, ("CNN", "Transformer"))]
TASK = [
    Panel("Taskonomy", groupings.taskonomy, width=2.2),
    Panel("Self-supervision", groupings.contrastive, ("contrastive", "non-contrastive"),
          {"contrastive": "Contrastive", "non-contrastive": "Non-contrastive"}, width=0.8),
    Panel("Pictures and captions", groupings.language, ("SimCLR", "SLIP", "CLIP"), width=0.8),
]  # fmt: skip
DIET = [
    Panel("ImageNet", groupings.imagenet_sizes, ("imagenet", "imagenet21k"), {"imagenet": "1k", "imagenet21k": "21k"},
          pairs=True),
    Panel("IPCL", groupings.ipcl, names={"imagenet": "ImageNet", "openimages": "OpenImages", "places256": "Places",
          "vggface2": "VGGFace2"}),
]  # fmt: skip
TRAINING = [
    Panel(
        "Training", groupings.training, ("trained", "random"), {"trained": "Trained", "random": "Untrained"}, pairs=True
    )
]


@FIGURES.register("conwell_architecture")
def conwell_architecture(evidence: Evidence) -> Drawing:
    """Source: Conwell et al. 2024, figure 2."""
    words = "Convolutional networks and transformers trained to classify ImageNet-1k."
    ids = ("transformer_less_cnn",)
    return groups_drawing("conwell_architecture", "Architecture", evidence, ARCHITECTURE, ids, words)


@FIGURES.register("conwell_task")
def conwell_task(evidence: Evidence) -> Drawing:
    """Source: Conwell et al. 2024, figure 3."""
    words = (
        "What a network is trained for: Taskonomy's tasks (one design, the same images), self-supervision (ResNet-50, "
        "ImageNet), pictures with and without captions (transformers, YFCC)."
    )
    ids = ("contrastive_less_noncontrastive", "clip_less_simclr", "clip_less_slip", "slip_less_simclr")
    return groups_drawing("conwell_task", "Task", evidence, TASK, ids, words)


@FIGURES.register("conwell_diet")
def conwell_diet(evidence: Evidence) -> Drawing:
    """Source: Conwell et al. 2024, figure 4."""
    words = (
        "What images a network is trained on: ImageNet-1k and 21k (lines join two networks of one design), and four "
        "sets of images with one design and objective."
    )
    ids = ("in21k_less_in1k", "openimages_less_imagenet", "places256_less_imagenet", "vggface2_less_imagenet")
    return groups_drawing("conwell_diet", "Images", evidence, DIET, ids, words)


@FIGURES.register("conwell_training")
def conwell_training(evidence: Evidence) -> Drawing:
    """Source: Conwell et al. 2024, figure 5."""
    words = "Networks trained to classify ImageNet-1k and the same designs untrained; lines join the two."
    return groups_drawing("conwell_training", "Training", evidence, TRAINING, ("trained_less_random",), words)
