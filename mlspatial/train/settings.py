"""What the networks of a training loop share, and whether it can be meant; known without torch."""

from __future__ import annotations

from dataclasses import dataclass

from mlspatial.analysis.device import has_tf32
from mlspatial.core.errors import BadValue
from mlspatial.train.augment import AUGMENTATIONS

#: of training. tf32: float32 numbers that a GPU multiplies with 10 bits of mantissa
PRECISIONS = ("float32", "bfloat16", "tf32", "float16")
STACKED = ("auto", "true", "false")  # auto: where it was measured to be faster
SCHEDULES = ("constant", "one_cycle")  # constant: Xie et al. 2025; one_cycle: Smith and Topin 2018, as torch has it


@dataclass(frozen=True)
class Settings:
    """What all networks of a loop share.

    batches: number of steps; lr, weight_decay: Adam's; checkpoints: steps after which a network is evaluated and kept
    (the last one always is); evaluations: steps after which it is only evaluated; precision: of training, a name in
    PRECISIONS (networks are evaluated in float32 in any case); augment: a name in AUGMENTATIONS; augment_seed: of its
    draws; save_every: least seconds between two states to go on from; schedule: of the learning rate, constant, or
    one_cycle, which rises to lr and falls to almost nothing by the last batch; stacked: a name in STACKED, whether
    networks of one architecture are stepped together (train.stacked; the same numbers in another order of summation).
    """

    batches: int
    lr: float = 1e-3  # Xie et al. 2025
    weight_decay: float = 0.0
    checkpoints: tuple[int, ...] = ()
    evaluations: tuple[int, ...] = ()
    precision: str = "float32"
    augment: str = "none"
    augment_seed: int = 0
    compile: bool = False
    deterministic: bool = False
    log_every: int = 10
    save_every: float = 20.0
    schedule: str = "constant"
    stacked: str = "auto"

    def check(self, device: str | None = None) -> None:
        """Raise BadValue for what cannot be meant or, with a device, for what it cannot do."""
        if self.batches < 0:
            raise BadValue("batches", self.batches, "must be 0 (untrained) or more")
        if not 0 < self.lr < 10:
            raise BadValue("lr", self.lr, "must be above 0 and below 10")
        if not 0 <= self.weight_decay < 10:
            raise BadValue("weight_decay", self.weight_decay, "must be 0 or more and below 10")
        if self.schedule not in SCHEDULES:
            raise BadValue("schedule", self.schedule, f"must be one of {', '.join(SCHEDULES)}")
        if self.stacked not in STACKED:
            raise BadValue("stacked", self.stacked, f"must be one of {', '.join(STACKED)}")
        if self.precision not in PRECISIONS:
            raise BadValue("precision", self.precision, f"must be one of {', '.join(PRECISIONS)}")
        if device and self.precision == "float16" and not device.startswith("cuda"):
            raise BadValue("precision", self.precision, "is for NVIDIA's GPUs; use bfloat16 or float32")
        if device and self.precision == "tf32" and not has_tf32(device):
            raise BadValue("precision", self.precision, f"is for NVIDIA's GPUs since Ampere, not for device={device}; "
                           "use float32 or bfloat16")  # fmt: skip
        for name, steps in (("checkpoints", self.checkpoints), ("evaluations", self.evaluations)):
            if bad := [step for step in steps if not 0 <= step <= self.batches]:
                raise BadValue(name, bad[0], f"must lie between 0 and batches={self.batches}")
        _ = AUGMENTATIONS[self.augment]

    @property
    def stops(self) -> tuple[int, ...]:
        return tuple(sorted({*self.checkpoints, *self.evaluations, self.batches}))

    def keeps(self, step: int) -> bool:
        return step in (*self.checkpoints, self.batches)


def parse_steps(name: str, text: str) -> tuple[int, ...]:
    """'100,1000' -> (100, 1000). Raises BadValue that names the parameter."""
    try:
        return tuple(sorted({int(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        raise BadValue(name, text, "must be a comma list of batch numbers, such as 100,1000") from None
