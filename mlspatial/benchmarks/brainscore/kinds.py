"""Which of the package's identifiers have a fast form here, of which kind, known from their names alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mlspatial.analysis.splits import Split
from mlspatial.benchmarks.base import Benchmark
from mlspatial.benchmarks.behaviour import Behaviour
from mlspatial.benchmarks.brainscore.fixed_split import FixedSplit
from mlspatial.benchmarks.brainscore.geometry import PublishedGeometries, SelectedUnits
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.brainscore.reverse import Reverse
from mlspatial.benchmarks.brainscore.temporal import Temporal
from mlspatial.core.errors import UserError
from mlspatial.models.stimuli import Stimuli

NSD = r"Allen2022_fmri(_surface)?(_4subj)?"
SPLIT = rf"({NSD}|Papale2025|Hebart2023_fmri|Gifford2022)\.\w+"
PLS = r"(FreemanZiemba2013(public)?|MajajHong2015(public)?|Sanghavi2020|SanghaviJozwik2020|SanghaviMurty2020|Li2026|"
PLS += r"Rajalingham2020)\.\w+-pls|Cadena2017-pls"
#: identifiers -> (kind, its own metric)
FAST: dict[str, tuple[type[Benchmark], str]] = {
    r"Rajalingham2018(public)?-i2n": (Behaviour, "i2n"),
    PLS: (Published, "pls25"),
    r"MajajHong2015public\.\w+-temporal-pls": (Temporal, "temporal_pls25"),
    r"MajajHong2015public\.\w+-reverse_pls": (Reverse, "reverse_pls25"),
    rf"{SPLIT}-ridge": (FixedSplit, "ridge_split"),
    rf"{SPLIT}-ridgecv": (FixedSplit, "ridgecv_split"),
    rf"({NSD}|Li2026)\.\w+-rdm|Bracci2019\.anteriorVTC-rdm": (PublishedGeometries, "rdm_spearman"),
    r"tong\.Coggan2024_fMRI\.\w+-rdm": (SelectedUnits, "selected_rsm"),
}
#: identifiers without a fast form -> why, and what to do, where more is to be said than of others
OTHERWISE = {
    r"Zerbe2026_fmri.*-(tau|ood)-ridgecv": "its splits are in the package laion_fmri, which brainscore_vision does not "
    "bring; install it and set engine=reference",
    r"Cowley2026\..*": "it is the mean of sessions of their own images; set engine=reference, or take cowley2023_v4",
}


def kind_of(name: str) -> tuple[type[Benchmark], str] | None:
    """(kind, its own metric) of an identifier of the package; None where there is no fast form."""
    return next((found for pattern, found in FAST.items() if re.fullmatch(pattern, name)), None)


def refusal(name: str, what: str = "") -> UserError:
    """That a benchmark has no fast form, and what to do. what: it is that has none; else its metric."""
    if not what:
        for pattern, why in OTHERWISE.items():
            if re.fullmatch(pattern, name):
                return UserError(f"benchmark {name}: no fast form here: {why}")
    what = what or f"its metric {name.rpartition('-')[2]}"
    return UserError(f"benchmark {name}: {what} has no fast form here; set engine=reference")


def further_benchmark(identifier: str, stimuli: Stimuli, facts: Mapping[str, Any]) -> Benchmark:
    """A benchmark of one of the further kinds from what `facts` made of the package's."""
    return _MADE[facts["kind"]](identifier, stimuli, facts)


def folds_of(facts: Mapping[str, Any]) -> tuple[Split, ...]:
    return tuple(zip(facts["train"], facts["test"], strict=True))


def _temporal(identifier: str, stimuli: Stimuli, facts: Mapping[str, Any]) -> Temporal:
    return Temporal(
        identifier, facts["region"], facts["version"], stimuli, facts["responses"], tuple(facts["bins"].tolist()),
        tuple(facts["neuroids"].tolist()), folds_of(facts), facts["ceilings"], facts["components"],
    )  # fmt: skip


def _reverse(identifier: str, stimuli: Stimuli, facts: Mapping[str, Any]) -> Reverse:
    return Reverse(
        identifier, facts["region"], facts["version"], stimuli, facts["responses"], folds_of(facts), facts["ceilings"],
        facts["components"],
    )  # fmt: skip


def _fixed_split(identifier: str, stimuli: Stimuli, facts: Mapping[str, Any]) -> FixedSplit:
    alphas = tuple(facts["alphas"].tolist())
    return FixedSplit(
        identifier, facts["region"], facts["version"], stimuli, facts["known"], facts["measured"],
        tuple(facts["units"].tolist()), facts["subjects"], facts["ceilings"], facts["ceiling"], alphas,
        "ridgecv_split" if len(alphas) > 1 else "ridge_split",
    )  # fmt: skip


def _geometries(identifier: str, stimuli: Stimuli, facts: Mapping[str, Any]) -> PublishedGeometries:
    subjects = tuple(facts["subjects"].tolist())
    settings = {"ceiling": facts["ceiling"], "package": facts["version"]}
    return PublishedGeometries(identifier, facts["region"], stimuli, facts["rdms"], subjects, **settings)


def _selected_units(identifier: str, stimuli: Stimuli, facts: Mapping[str, Any]) -> SelectedUnits:
    subjects = tuple(facts["subjects"].tolist())
    given = facts["region"], facts["version"], stimuli, facts["rsms"], subjects, facts["ceilings"]
    return SelectedUnits(identifier, *given)


#: as `facts` calls the kinds -> what makes a benchmark
_MADE: dict[str, Callable[[str, Stimuli, Mapping[str, Any]], Benchmark]] = {
    "temporal": _temporal,
    "reverse": _reverse,
    "fixed_split": _fixed_split,
    "geometries": _geometries,
    "selected_units": _selected_units,
}
