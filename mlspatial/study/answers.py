"""What the same command made before, for those whose steps take long to find out that nothing is to be done.

score, similarity, decode and tuning build networks, read images and simulate brains before they know the spec of their
runs. A file of the cache for each command says which runs it returned. They answer while the command, this software's
code and the libraries, the dataset and the networks are the same, and while each run is the newest finished one of its
spec and lacks none of its files: what `memory` asks of a study's calls. What else decides a result, such as files of
recordings, is known to the steps alone, which are asked then; so they are at a server.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlspatial.core.errors import UserError
from mlspatial.core.files import write_text
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.registry import runs, source
from mlspatial.registry.artifacts import count
from mlspatial.registry.store import database, tracking_uri
from mlspatial.study.memory import Inputs, code_hash
from mlspatial.study.plan import Job, Selector

#: benchmarks that nothing decides but their text and the network that they name
SIMULATED = re.compile(r"simulated_(v1|v4|it)\b[^?]*")
FILES = (".yaml", ".yml")  # of recordings
TEXTS = ("models", "dataset", "brains", "benchmarks", "activations")  # parameters that may name what is elsewhere
NOT_IN_KEY = ("study", "force")


def recall(entry: str, parameters: Mapping[str, Any]) -> list[str] | None:
    """The runs that the same command made before, after they joined its study; None where its step has to be asked."""
    if not _may(entry, parameters) or parameters.get("force"):
        return None
    kept = _kept(_file(entry, parameters))
    if not kept:
        return None
    runs.mark_dead_runs()
    records = []
    for run, files in kept.items():
        newest = _newest(run)
        if newest is None or newest.id != run or files == 0 or (count(newest) or 0) < files:
            return None
        records.append(newest)
    for record in records:
        runs.join_study(record, str(parameters.get("study", "")))
    return [record.id for record in records]


def remember(entry: str, parameters: Mapping[str, Any], made: Sequence[str]) -> None:
    """Keep which runs a command made."""
    if not _may(entry, parameters):
        return
    path = _file(entry, parameters)
    kept = {run: count(runs.get(run)) or 0 for run in made}
    if path is not None and kept != _kept(path):
        write_text(path, json.dumps(kept))


def _may(entry: str, parameters: Mapping[str, Any]) -> bool:
    """Whether nothing decides what a command makes but what is part of its key."""
    if not parameters.get("models") or database() is None or os.environ.get("MLFLOW_RUN_ID"):
        return False
    texts = {name: str(parameters.get(name, "")) for name in TEXTS}
    files = any(word.strip().endswith(FILES) for text in texts.values() for word in re.split("[,|]", text))
    if files or texts["brains"] or texts["activations"] not in ("", "none"):
        return False
    if entry == "score" and parameters.get("engine") != "fast":
        return False
    return all(map(SIMULATED.fullmatch, _benchmarks(texts["benchmarks"]))) and _networks_are_ours(texts)


def _benchmarks(text: str) -> list[str]:
    names = re.split(r",(?!\s*[a-z_]+=)", text)  # settings of a benchmark hold commas, too
    return [name.strip() for name in names if name.strip()]


def _networks_are_ours(texts: Mapping[str, str]) -> bool:
    """Whether all networks are those of the registry: what is behind others may change under the same name."""
    brains = re.findall(r"network=([a-z]+):", texts["benchmarks"])
    models = texts["models"]
    ours = models.startswith(("models:", "runs:")) if ":" in models.split("=")[0] else True
    return ours and set(brains) <= {"models"}


def _file(entry: str, parameters: Mapping[str, Any]) -> Path | None:
    """Where it is kept what a command made; None where its dataset or networks are not there."""
    given = {name: value for name, value in parameters.items() if name not in NOT_IN_KEY}
    home = database()
    try:
        job = Job(entry, given, 0, selector=Selector.parse(str(given["models"])))
        inputs = Inputs().of(job)
    except UserError:
        return None
    if not inputs["networks"] or "" in inputs.get("brains", ()) or inputs.get("dataset_id") == "":
        return None
    store = str(home.resolve()) if home else tracking_uri()
    key = content_id({"code": code_hash(), "store": store, "entry": entry, **source.versions(), **inputs})
    return cache_folder("answers") / f"{key}.json"


def _kept(path: Path | None) -> dict[str, int]:
    """run -> how many files it had; {} where nothing is kept, or nothing that can be read."""
    try:
        found = json.loads(path.read_text()) if path else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _newest(run_id: str) -> runs.RunRecord | None:
    """The newest finished run of the spec of a run; None where that run is not there any more."""
    found = runs.find(where=f"attributes.run_id = '{run_id}'", status="FINISHED")
    if not found:
        return None
    same = runs.find(spec=found[0].spec, entry=found[0].entry, status="FINISHED")
    return same[0] if same else None
