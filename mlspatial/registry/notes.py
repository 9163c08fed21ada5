"""Descriptions of runs, as the MLflow UI shows them: what a run is, its key numbers, and links to its inputs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlspatial.core.names import DATASET_ID
from mlspatial.core.secrets import shown
from mlspatial.registry.record import RunRecord, Spec
from mlspatial.registry.store import client

if TYPE_CHECKING:
    from mlspatial.registry.run import Run

NOTE = "mlflow.note.content"  # tag that the UI shows as the description
SPECIAL = re.compile(r"([*\\]|~~|^#|(?<![^\W_])_|_(?![^\W_]))")  # what would make text bold, a heading, ...
SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*)://")  # an address that would become a link
LINKED, LISTED = 12, 40  # inputs that are linked one by one; rows of a table
LONGEST = 4900  # characters; MLflow takes 5,000 of some stores
KINDS = {
    "render": "Rendered images with the latents that made them, a dataset",
    "train": "Training of one network; its checkpoints are registered models",
    "tune": "Search of training parameters",
    "extract": "Arrays of a network's layers for some stimuli, kept so that every analysis shares one pass",
    "score": "How well each layer of a network predicts recorded responses",
    "similarity": "How alike the representations of networks are, layer by layer",
    "decode": "What can be read out of a network's layers linearly",
    "tuning": "What units and layers of a network do with the images of a design",
    "recovery": "Whether the network that made simulated responses is found among others",
    "compare": "Tables, figures and the report of finished runs",
    "import": "Scores that were computed elsewhere",
    "export": "A network written for another program, with what is known of it",
    "study": "A grid of training, scoring and analyses",
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table: numbers with three decimals, what is unknown as –, the first LISTED rows."""
    lines = [list(map(_text, row)) for row in rows]
    shown = [
        list(map(plain, head)),
        ["---", *("---:" if _numeric(lines, i) else "---" for i in range(1, len(head)))],
        *lines[:LISTED],
    ]
    text = "\n".join(f"| {' | '.join(line)} |" for line in shown)
    return text + (f"\n\n{len(lines) - LISTED} more rows are in the artifacts." if len(lines) > LISTED else "")


def facts(values: Mapping[str, object]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {plain(name)}: {_text(value)}" for name, value in values.items())


def write(run: Run, spec: Spec, parents: Sequence[RunRecord], more: int) -> None:
    """Describe a run. parents: of its inputs those that are linked; more: how many are not."""
    links = [f"- [{plain(one.name or one.id)}]({_address(one.experiment, one.id)})" for one in parents]
    links += [f"- and {more} more runs"] if more > 0 else []
    networks = _networks(run.networks)
    dataset = spec.inputs.get("dataset_id") or next(
        (one.tags.get(DATASET_ID) for one in parents if one.entry == "render"), ""
    )
    links += [f"- dataset {plain(str(dataset))}"] if dataset else []
    parts = [f"{KINDS.get(spec.entry, spec.entry)}.", *run.said]
    parts += ["**Networks**\n\n" + "\n".join(networks)] if networks else []
    parts += ["**Inputs**\n\n" + "\n".join(links)] if links else []
    text = "\n\n".join(parts)
    run.set_tags({NOTE: text if len(text) <= LONGEST else text[: LONGEST - 4].rpartition("\n")[0] + "\n..."})


def _networks(ids: Sequence[str]) -> list[str]:
    """Links to the pages of registered networks."""
    from mlflow.exceptions import MlflowException

    lines = []
    for one in ids[:LINKED]:
        with suppress(MlflowException):
            found = client().get_logged_model(one)
            said = ", ".join(f"{name} {plain(found.tags[name])}" for name in ("seed", "step") if name in found.tags)
            name = f"{plain(found.name)}{f' ({said})' * bool(said)}"
            lines.append(f"- [{name}](#/experiments/{found.experiment_id}/models/{one})")
    return lines + ([f"- and {len(ids) - LINKED} more"] if len(ids) > LINKED else [])


def _address(experiment: str, run_id: str) -> str:
    return f"#/experiments/{experiment}/runs/{run_id}"


def plain(text: str) -> str:
    """A name inside Markdown: no link, picture, HTML, code or line of its own."""
    text = " ".join(shown(text).replace("[", "(").replace("]", ")").replace("|", "/").replace("`", "'").split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SCHEME.sub(r"\1&#58;//", SPECIAL.sub(r"\\\1", text))


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else plain(str(value))


def _numeric(lines: Sequence[Sequence[str]], place: int) -> bool:
    return all(line[place].lstrip("-").replace(".", "", 1).isdigit() or line[place] == "–" for line in lines)
