"""Published tables as the evidence that tables and checks are drawn from, without a registry in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mlspatial.compare.evidence import FACT, NETWORKS, SCORES, Evidence, empty_frames

if TYPE_CHECKING:
    from mlspatial.steps.imports_fmri import Network

UNKNOWN = ("fraction", "n_train", "outputs", "n_categories", "loss")  # numbers that a table of scores does not say


def of_tables(networks: Iterable[Mapping[str, Any]], scores: Iterable[Mapping[str, Any]], study: str) -> Evidence:
    """networks: model_id and what is known of it; scores: rows of SCORES. What nobody says is empty, or NaN."""
    import pandas as pd

    plain: dict[str, Any] = dict.fromkeys(NETWORKS, "") | dict.fromkeys(UNKNOWN, float("nan"))
    plain |= {"seed": 0, "step": -1, "final": True, "imported": True}
    frames = empty_frames()
    frames["networks"] = pd.DataFrame([plain | dict(network) for network in networks])
    frames["scores"] = pd.DataFrame([dict(score) for score in scores]).reindex(columns=list(SCORES))
    return Evidence(study, **frames, links={})


def of_fmri(networks: Iterable[Network], study: str) -> Evidence:
    """What `load` gives after an import of kind fmri: networks and their scores under each subject."""
    from mlspatial.steps.imports_fmri import rows_of

    known, scores = [], []
    for network in networks:
        name = network.facts["network"]
        facts = {FACT.replace(".", "/") + key: value for key, value in network.facts.items()}
        known.append({"model_id": name, **facts})
        scores += [{**row, "model_id": name, "run_id": f"import-{name}"} for row in rows_of(network)]
    return of_tables(known, scores, study)
