"""A network's card: what the registry knows of it, as Markdown behind the YAML that Hugging Face's hub reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from mlspatial.core.score import FORMULA_WORDS
from mlspatial.models.spec import ModelSpec

LICENCE = "# license: yours to choose; write an identifier such as apache-2.0 here and take the # away"
LOADING = """from mlspatial.models.sources import load_external
module, spec = load_external("file:.")"""
KIND = "image-feature-extraction"  # of Hugging Face's kinds of tasks, the one that fits
OWN_CODE = (
    "The architecture `{}` is code that is not in this folder: put the file that registers it into a folder named by "
    "`MLSPATIAL_PLUGINS`, or its module onto Python's path. Other code than that of the export is refused."
)
Number = float | None
STANDARDISED = ("distance", "translation")
#: what a part of the output is, where the task says it
MEANINGS = dict.fromkeys(STANDARDISED, "metres, standardised; spec.json has mean and SD")
MEANINGS |= {"rotation": "sines and cosines of the Euler angles", "imagenet": "logits of ImageNet's 1,000 classes"}


@dataclass(frozen=True)
class Card:
    """title: name, seed and batches; about: what the network is, fact -> text; training: parameter -> text; heldout:
    metric -> value on held-out images; scores: at the layers that count, as rows of scores.json, with run_id; lineage:
    what it comes from -> ids; tags: words to find it by. Nothing of it depends on when or where it is written."""

    title: str
    about: Mapping[str, str]
    training: Mapping[str, str]
    heldout: Mapping[str, float]
    scores: tuple[Mapping[str, Any], ...]
    lineage: Mapping[str, str]
    tags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self, spec: ModelSpec, more: str = "") -> str:
        """The whole README. more: Markdown for behind how it is loaded."""
        trained = _table(("parameter", "value"), self.training.items())
        heldout = _table(("metric", "value"), ((name, _number(value)) for name, value in self.heldout.items()))
        came = [f"- {_cell(name)}: {_cell(value)}" for name, value in self.lineage.items()]
        parts = [
            self.front_matter(),
            f"# {_cell(self.title)}",
            "\n".join(f"- {_cell(name)}: {_cell(value)}" for name, value in self.about.items()),
            f"## Load it\n\nIn this folder (elsewhere, with its path in the place of the `.`):\n\n"
            f"```python\n{LOADING}\n```\n\n`mlspatial.models.spec.to_input(images, spec)` makes its input of (b, h, w, "
            "3) uint8 images.",
            OWN_CODE.format(_cell(spec.arch)) if spec.code else "",
            more,
            f"## Input and output\n\n{described(spec)}",
            f"## Training\n\n{trained}" if self.training else "",
            f"## On held-out images\n\n{heldout}" if self.heldout else "",
            f"## Compared with brains\n\n{_scores(self.scores)}" if self.scores else "",
            "## Where it comes from\n\n" + "\n".join(came) if came else "",
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def front_matter(self) -> str:
        """YAML between two lines of ---, as Hugging Face's hub reads it."""
        results = [
            _result(dataset, [_metric(name, value)])
            for name, value in self.heldout.items()
            if math.isfinite(value) and (dataset := self.about.get("data", ""))
        ]
        results += [
            _result(row["benchmark"], [_metric(f"{row['metric']} at {row['layer']}", row["raw"], row)])
            for row in self.scores
            if finite(row["raw"]) is not None
        ]
        facts: dict[str, Any] = {"library_name": "mlspatial", "pipeline_tag": KIND, "tags": list(self.tags)}
        if results:
            facts["model-index"] = [{"name": self.title, "results": results}]
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=1000)
        return f"---\n{LICENCE}\n{text}---"


def finite(value: Any) -> Number:
    """The number, None where it is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def described(spec: ModelSpec) -> str:
    """A network's input and the parts of its output, as Markdown."""
    mean, sd = (", ".join(f"{value:g}" for value in triple) for triple in (spec.mean, spec.sd))
    seen = (
        f"Red, green and blue in 0 to 1, {spec.input_size} x {spec.input_size} pixels (other sizes are resized to that "
        f"bilinearly with anti-aliasing, without a crop), less {mean}, divided by {sd}."
    )
    if not spec.head:
        return f"{seen}\n\nThe output is {f'{spec.units} units' if spec.units else 'its features'}, without names."
    rows = [
        (part, f"{first} to {end - 1}", "yes" if part in spec.supervised else "no", _meaning(spec, part))
        for part, (first, end) in spec.head.items()
    ]
    return f"{seen}\n\n{_table(('part of the output', 'units', 'trained', 'what'), rows)}"


def _meaning(spec: ModelSpec, part: str) -> str:
    if part in spec.classes:
        return f"logits of {len(spec.classes[part])} classes (spec.json names them)"
    return MEANINGS.get(part, "") if spec.statistics or part not in STANDARDISED else ""


def _scores(rows: Iterable[Mapping[str, Any]]) -> str:
    """The table, and what of raw and ceiling its last column is."""
    listed = list(rows)
    head = ("benchmark", "region", "metric", "layer", "raw", "ceiling", "share of the ceiling")
    lines = [
        (
            *(row[name] for name in ("benchmark", "region", "metric", "layer")),
            _with_error(row["raw"], row.get("error")),
            _with_error(row.get("ceiling"), row.get("ceiling_error")),
            _with_error(row.get("ceiled"), row.get("ceiled_error")),
        )
        for row in listed
    ]
    formulas = dict.fromkeys(str(row.get("formula", "")) for row in listed)
    said = ", ".join(FORMULA_WORDS[name] for name in formulas if name in FORMULA_WORDS)
    return _table(head, lines) + f"\n\n± standard error. The last column is {said or 'as the benchmark has it'}."


def _with_error(value: Any, error: Any) -> str:
    known = finite(error)
    return _number(value) + (f" ± {known:.3f}" if known is not None and finite(value) is not None else "")


def _number(value: Any) -> str:
    known = finite(value)
    return "–" if known is None else f"{known:.3f}" if abs(known) >= 1e-3 or known == 0 else f"{known:.3g}"


def _result(dataset: str, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"task": {"type": KIND}, "dataset": {"type": dataset, "name": dataset}, "metrics": list(metrics)}


def _metric(name: str, value: float, row: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A value as Hugging Face has it, with error and ceiling beside it."""
    found: dict[str, Any] = {"type": name, "value": round(float(value), 6)}
    more = {key: finite((row or {}).get(key)) for key in ("error", "ceiling", "ceiling_error", "ceiled")}
    known = {key: round(number, 6) for key, number in more.items() if number is not None}
    return found | ({"args": known} if known else {})


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "/").split())
