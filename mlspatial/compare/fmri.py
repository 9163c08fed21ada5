"""Networks scored on fMRI responses, one row each: which of them a contrast is of, their scores and their facts.

Of checkpoints of a training the last one counts.

Scores are rows with a benchmark `nsd:SUBJECT` (or `nsd`, a mean over subjects that was imported), region OTC and metric
crsa, versa or voxel_r. Facts are the columns `fact/NAME` of networks, from tags mlspatial.fact.NAME of runs:

- network (its name), label (for people), family (what is shared by networks that differ in their training only),
  architecture (CNN, Transformer, MLP-Mixer, Hybrid), size (of one design: S, B, L);
- trained (true, false), task (classification, taskonomy, selfsupervised, slip, ipcl, random, ...), goal (which one of
  such a task: class_object, CLIP, ...), supervision (category, contrastive, non-contrastive, language,
  language+contrastive), training_data (imagenet, imagenet21k, ...);
- parameters, imagenet_top1 (per cent), effective_dimensionality.

A network without such tags has the facts of its training run: family = arch, task, training_data = dataset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.run_ids import run_ids

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence

BENCHMARK, REGION = "nsd", "OTC"
METRICS = {"crsa": "cRSA", "versa": "veRSA"}
FACT = "fact/"
WORDS = ("network", "label", "family", "architecture", "size", "task", "goal", "supervision", "training_data")
NUMBERS = ("parameters", "imagenet_top1", "effective_dimensionality")
DESIGN = re.compile(r"resnet|resnext|vgg|alexnet|convnext|densenet|efficientnet|mobilenet|regnet|inception", re.I)
SPECIES = {"vit": "Transformer", "swin": "Transformer", "deit": "Transformer", "mixer": "MLP-Mixer"}
NONE = "No network was scored on fMRI responses."


@dataclass(frozen=True)
class Scored:
    """networks: one row each (WORDS, NUMBERS, trained, imported, runs: a tuple of ids, and a mean score over subjects
    for every metric, NaN where unknown); subjects: one row a network, metric and subject: model_id, metric, subject,
    score, ceiling, run_id; ceilings: subject -> noise ceiling; published: whether the voxels are the published ones."""

    networks: pd.DataFrame
    subjects: pd.DataFrame
    ceilings: dict[str, float]
    published: bool

    @property
    def ceiling(self) -> float:
        """Mean over subjects; NaN where none is known."""
        return float(np.mean(list(self.ceilings.values()))) if self.ceilings else float("nan")

    @property
    def imported(self) -> bool:
        """Whether all of it is somebody else's."""
        return bool(len(self.networks)) and bool(self.networks.imported.all())

    @property
    def metrics(self) -> list[str]:
        """Those of METRICS under which a network has a score."""
        return [metric for metric in METRICS if len(self.of(metric))]

    def of(self, metric: str) -> pd.DataFrame:
        """Networks with a score under a metric; the score is in the column `score`."""
        if metric not in self.networks:
            return self.networks.iloc[:0].assign(score=float("nan"))
        return self.networks[self.networks[metric].notna()].assign(score=self.networks[metric])

    def by_subject(self, networks: pd.DataFrame, metric: str) -> pd.DataFrame:
        """Rows of networks x subjects with score and subject; of networks known by their mean only when one is.

        Then subject is "mean" throughout: points of different kinds are never mixed.
        """
        mine = self.subjects[(self.subjects.metric == metric) & self.subjects.model_id.isin(networks.model_id)]
        counts = mine.groupby("model_id").subject.nunique()
        facts = networks.drop(columns=["score", *METRICS], errors="ignore")
        if len(counts) == len(networks) and counts.nunique() == 1:
            joined = mine[["model_id", "subject", "score"]].merge(facts, on="model_id")
            return joined.sort_values(["subject", "model_id"], ignore_index=True)
        return facts.assign(score=networks[metric], subject="mean").reset_index(drop=True)


def scored(evidence: Evidence) -> Scored:
    """What of the evidence was scored on fMRI responses of OTC, at the committed layer."""
    import pandas as pd

    table = evidence.scores
    names = table.benchmark.astype(str)
    chosen = (names == BENCHMARK) | names.str.startswith(f"{BENCHMARK}:")
    published = bool(chosen.any())
    if not published:  # no recordings: simulated people or own voxels
        chosen = table.metric.isin([*METRICS, "voxel_r"])
    networks = evidence.networks
    networks = networks[
        networks.final.astype(bool) | ~networks.run_id.isin(networks.run_id[networks.final.astype(bool)])
    ]
    table = table[chosen & (table.region == REGION) & table.committed.astype(bool)]
    table = table[table.model_id.isin(networks.model_id)]
    table = table.assign(
        score=table.raw.astype(float),
        ceiling=table.ceiling.astype(float),
        subject=[subject_of(str(name)) for name in table.benchmark],
    )[["model_id", "metric", "subject", "score", "ceiling", "run_id"]]
    table = table[table.score.notna()].drop_duplicates(["model_id", "metric", "subject"])
    alone = table[table.subject != ""]
    ceilings = alone[alone.ceiling.notna()].groupby("subject").ceiling.first()
    if ceilings.empty:
        ceilings = table[table.ceiling.notna()].groupby("subject").ceiling.first()
    if table.empty:
        kinds = dict.fromkeys((*NUMBERS, *METRICS), float) | dict.fromkeys(("trained", "imported"), bool)
        columns = ["model_id", *WORDS, *kinds, "runs"]
        return Scored(pd.DataFrame(columns=columns).astype(kinds), alone, {}, published)
    subjects = set(alone.subject)
    whole = alone.groupby(["model_id", "metric"]).score.agg(["mean", "size"])
    means = whole["mean"].where(whole["size"] == len(subjects)).rename("score")  # of all subjects, or not at all
    given = table[table.subject == ""].set_index(["model_id", "metric"]).score
    wide = means.combine_first(given).unstack("metric").reindex(columns=[*METRICS, "voxel_r"])
    runs = table.groupby("model_id").run_id.agg(run_ids).rename("runs")
    networks = _facts(networks[networks.model_id.isin(wide.index)])
    networks = networks.merge(wide.reset_index(), on="model_id").merge(runs.reset_index(), on="model_id")
    known = {str(name): float(value) for name, value in ceilings.items()}
    return Scored(networks, alone.reset_index(drop=True), known, published)


def subject_of(benchmark: str) -> str:
    """subj01 of nsd:subj01; "" of nsd alone, a mean over subjects; of other benchmarks the whole name."""
    first, *words = re.split(r"[:,]", benchmark)
    return benchmark if first != BENCHMARK else words[0] if words else ""


def _facts(networks: pd.DataFrame) -> pd.DataFrame:
    """One row a network: model_id, WORDS, NUMBERS, trained, imported."""
    import pandas as pd

    table = pd.DataFrame({"model_id": networks.model_id, "imported": networks.imported.astype(bool)})

    def said(name: str) -> pd.Series:
        if FACT + name not in networks:
            return pd.Series("", networks.index, dtype=object)
        return networks[FACT + name].fillna("").astype(str)

    spare = {
        "network": networks.name.where(networks.name.astype(str) != "", networks.model_id).astype(str),
        "family": networks.arch.astype(str).str.rsplit(":", n=1).str[-1],
        "task": networks.task.astype(str).replace({"untrained": "random", "imagenet": "classification"}),
        "training_data": networks.dataset.astype(str),
    }
    for name in WORDS:
        words = said(name)
        table[name] = words.where(words != "", spare.get(name, ""))
    table["label"] = table.label.where(table.label != "", table.network)
    kinds = table.family.map(architecture_of)
    table["architecture"] = table.architecture.where(table.architecture != "", kinds)
    trained = said("trained")
    table["trained"] = (trained == "true").where(trained != "", table.task != "random").astype(bool)
    for name in NUMBERS:
        table[name] = pd.to_numeric(said(name), errors="coerce").astype(float)
    return table.drop_duplicates("model_id", ignore_index=True)


def architecture_of(family: str) -> str:
    """CNN, Transformer or MLP-Mixer by the name of a design; "" when the name does not say."""
    kind = next((kind for word, kind in SPECIES.items() if re.search(rf"(?<![a-z]){word}", family.lower())), "")
    return kind or ("CNN" if DESIGN.search(family) else "")
