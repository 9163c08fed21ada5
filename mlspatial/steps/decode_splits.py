"""What decode reads out and how the images are split: at random, in folds, or by conditions that are left out."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.core.design import NAMES, Design
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.latents import Latent
from mlspatial.core.names import LEAVE_OUT
from mlspatial.core.progress import say
from mlspatial.steps.stimuli import Images

if TYPE_CHECKING:  # torch takes seconds to import, and help needs none of it
    import pandas as pd

    from mlspatial.analysis.decoding import Decoding
    from mlspatial.analysis.splits import Split

AUTO = ("x", "y", "z", "rot_0", "rot_1", "rot_2", "category")  # Xie et al. 2025
SPLITS = {"random": "5 random splits of 80 / 20, as published", "kfold": "every image is tested once"}
LEFT = f"{LEAVE_OUT}:FACTOR"
ALIASES = {"distance": "z"}
COMPARISON = re.compile(r"\s*([A-Za-z]\w*)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")
#: sign -> (function of value less number and tolerance, the sign of what it is not)
SIGNS = {">": (operator.gt, 1, "<="), ">=": (operator.ge, -1, "<"), "<": (operator.lt, -1, ">="),
         "<=": (operator.le, 1, ">")}  # fmt: skip
TOLERANCE = 1e-4  # of a latent's unit: rendered values are float32 (core.latents takes as much)
STILL = 1e-4  # a smaller range is none
NAMED = 3  # values that a line names


@dataclass(frozen=True)
class Conditions:
    """Splits by what is left out. factor: category, z>3, ...; across: (train, test) indices; left_out: of each fold in
    words; within: random splits of the same sizes; alike: whether the folds repeat one question (names) or are the two
    directions of a comparison; designed: whether the images are a design's: no context is then on both sides of any
    split."""

    factor: str
    across: list[Split]
    left_out: list[str]
    within: list[Split]
    alike: bool
    designed: bool = False

    @property
    def text(self) -> str:
        """As the parameter split has it."""
        return f"{LEAVE_OUT}:{self.factor}"

    @property
    def splits(self) -> list[Split]:
        return [*self.across, *self.within]

    def table(self, found: Sequence[tuple[str, Sequence[Decoding]]]) -> pd.DataFrame:
        """layer, and the columns of analysis.generalisation.compared. found: layer and records of `splits`."""
        import pandas as pd

        from mlspatial.analysis.generalisation import compared

        rows = [
            {"layer": layer, **row}
            for layer, records in found
            for row in compared(records, self.left_out, alike=self.alike)
        ]
        return pd.DataFrame(rows)


def is_left_out(split: str) -> bool:
    """Whether a parameter split leaves conditions out."""
    return split.partition(":")[0].strip() == LEAVE_OUT


def ordinary(kind: str, n: int, folds: int, seed: int) -> list[Split]:
    """Splits that look at no condition. Raises BadValue for an unknown kind."""
    if kind not in SPLITS:
        known = {**SPLITS, LEFT: f"{', '.join(NAMES)}, or a comparison such as z>3"}
        raise BadValue("split", kind, "must be " + " or ".join(f"{name} ({what})" for name, what in known.items()))
    from mlspatial.analysis.splits import k_folds, random_splits

    return random_splits(n, seed=seed, runs=folds) if kind == "random" else k_folds(n, seed=seed, folds=folds)


def conditions(split: str, images: Images, folds: int, seed: int) -> Conditions:
    """What split=leave_out:FACTOR means for these images.

    Raises BadValue for an unknown factor, one value only, or too few images on a side, each with what there is.
    """
    from mlspatial.analysis.generalisation import LEAST, apart, both_ways, groups_left_out, random_like

    factor = split.partition(":")[2].strip()
    n = len(images.stimuli)
    found = COMPARISON.fullmatch(factor)
    if found:
        name, sign, number = found[1], found[2], float(found[3])
        name = name if name in images.latents else ALIASES.get(name, name)
        values = _numbers(split, name, images)
        compare, side, negated = SIGNS[sign]
        holds = compare(values, number + side * TOLERANCE)
        across, factor = both_ways(holds), f"{name}{sign}{_digits(number)}"
        left_out = [factor, f"{name}{negated}{_digits(number)}"]
        if min(holds.sum(), n - holds.sum()) < LEAST:
            unit = images.manifest.schema[name].unit
            raise BadValue(
                "split",
                split,
                f"{name} {sign} {_digits(number)} holds for {holds.sum()} of {n} stimuli; at least {LEAST} are needed "
                f"on either side ({name} goes from {values.min():.3g} to {values.max():.3g} {unit} here)",
            )
    elif factor in NAMES or (factor in images.latents and images.manifest.schema[factor].kind == "category"):
        labels = images.names(factor)
        there = sorted(set(labels))
        if len(there) < 2:
            raise BadValue(
                "split", split, f"all {n} stimuli have one {factor} ({there[0]}); take a dataset with several"
            )
        pairs = groups_left_out(labels.astype(str), folds=folds, seed=seed)
        across, left_out = [pair for pair, _ in pairs], [", ".join(map(str, values)) for _, values in pairs]
        smallest = min(range(len(across)), key=lambda fold: min(map(len, across[fold])))
        if (least := min(map(len, across[smallest]))) < LEAST:
            raise BadValue(
                "split",
                split,
                f"{n} stimuli have {len(there)} values of {factor}; fold {smallest} ({_short(left_out[smallest])}) has "
                f"{least} stimuli on one side and needs {LEAST}; use more stimuli"
                f"{' or fewer folds' if len(across) > 2 else ''}",
            )
    else:
        names = ", ".join(_numeric(images))
        raise BadValue(
            "split",
            split,
            f"what is left out must be {', '.join(NAMES)}, or a comparison of {names} with a number, such as z>3",
        )
    if (contexts := _contexts(images)) is None:
        return Conditions(factor, across, left_out, random_like(across, seed=seed), not found)
    across, within = apart(across, contexts, seed=seed)
    if (least := min(len(side) for one in (*across, *within) for side in one)) < LEAST:
        raise BadValue(
            "split",
            split,
            f"no fold may be tested on the contexts that it trains on, and these images have "
            f"{len(np.unique(contexts))}; that leaves {least} stimuli on one side, which needs {LEAST}; use more "
            f"stimuli{' or fewer folds' if len(across) > 2 else ''}",
        )
    return Conditions(factor, across, left_out, within, not found, True)


def _contexts(images: Images) -> np.ndarray | None:
    """(n,) number of each image's context, where a design or a table of latents tells it."""
    if (designed := images.manifest.recipe.get("design")) is None:
        return images.contexts
    numbers: dict[Any, int] = {}
    places = [place for _, place in Design.from_json(designed).seen_in()]  # parts share what is drawn at a place
    return np.array([numbers.setdefault(place, len(numbers)) for place in places[: len(images.stimuli)]])


def chosen_latents(text: str, images: Images, left: Conditions | None = None) -> list[Latent]:
    """Those asked for, or AUTO's that vary. Where conditions are left out, those that can be decoded across them.

    Raises UserError where nothing is left, BadValue for one asked for by name that the left-out factor decides.
    """
    schema = images.manifest.schema
    if text != "auto":
        named = [schema[name.strip()] for name in text.split(",") if name.strip()]
        for latent in named:
            if left and (why := _undecodable(latent, images, left)):
                raise BadValue("latents", latent.name, f"{why}; leave it out or choose another split")
        _tell_unseen(named, images, left)
        return named
    kept: list[Latent] = []
    constant: list[Latent] = []
    for name in (name for name in AUTO if name in schema):
        still = float(np.ptp(images.latents[name])) < STILL
        (constant if still else kept).append(schema[name])
    if constant:
        names = ", ".join(latent.name for latent in constant)
        say(f"decode: {names} does not vary in dataset {images.manifest.name}; left out")
    if left:
        reasons = {latent.name: _undecodable(latent, images, left) for latent in kept}
        for why in filter(None, reasons.values()):
            say(f"decode: {why}; left out")
        kept = [latent for latent in kept if not reasons[latent.name]]
    if not kept and left and len(constant) < len(AUTO):
        raise UserError(f"latents=auto: nothing can be decoded with split={left.text}; choose another split")
    if not kept:
        raise UserError(f"latents=auto: nothing varies in dataset {images.manifest.name}; choose another dataset")
    _tell_unseen(kept, images, left)
    return kept


def _undecodable(latent: Latent, images: Images, left: Conditions) -> str:
    """Why a latent cannot be decoded across the conditions, "" where it can."""
    from mlspatial.analysis.generalisation import untrained

    values = images.latents.get(latent.name)
    if values is None:
        return ""  # said elsewhere
    if latent.kind == "category":
        unseen = untrained(values, left.across)
        if any(count == len(test) for count, (_, test) in zip(unseen, left.across, strict=True)):
            return f"{latent.name} cannot be decoded with split={left.text}: what is tested is of no class in training"
        for fold, (train, _) in enumerate(left.across):
            if len(np.unique(values[train])) < 2:
                return f"{latent.name} cannot be decoded with split={left.text}: fold {fold} trains on one class"
        return ""
    for fold, (train, _) in enumerate(left.across):
        if float(np.ptp(values[train])) < STILL <= float(np.ptp(values)):
            return f"{latent.name} cannot be decoded with split={left.text}: it does not vary in training (fold {fold})"
    return ""


def _tell_unseen(latents: Sequence[Latent], images: Images, left: Conditions | None) -> None:
    """Say how many stimuli are tested whose class is not trained on: they count as wrong."""
    from mlspatial.analysis.generalisation import untrained

    for latent in latents if left else ():
        if (
            left
            and latent.kind == "category"
            and (count := int(untrained(images.latents[latent.name], left.across).sum()))
        ):
            usual = int(untrained(images.latents[latent.name], left.within).sum())
            say(
                f"decode: {count} of {len(images.stimuli)} stimuli are tested where no {latent.name} like theirs is "
                f"trained on ({usual} with random splits); they count as wrong"
            )


def _numeric(images: Images) -> list[str]:
    return [latent.name for latent in images.manifest.schema if latent.kind != "category"]


def _numbers(split: str, name: str, images: Images) -> np.ndarray:
    if name not in _numeric(images):
        known = ", ".join(_numeric(images))
        raise BadValue("split", split, f"{name} is no number of dataset {images.manifest.name}; compare {known}")
    return np.asarray(images.latents[name], np.float64)


def _digits(number: float) -> str:
    """As short as tells it from every other number: 3, 2.5, 1e-07."""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _short(text: str) -> str:
    names = text.split(", ")
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
