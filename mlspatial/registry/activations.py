"""What was gathered from a network's layers, kept as artifacts so that every analysis shares one forward pass.

A run of entry `extract` holds arrays of one kind (Gram matrices, projections, ...) for one network and one set of
stimuli, a file a layer. It is found by the hash of the weights, never by a name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlspatial.core.names import DATASET_ID, MODEL_ID, TAG
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord

ENTRY = "extract"
VERSION = 1
STIMULI, KIND = TAG + "stimuli", TAG + "kind"
LAYERS = "layers.txt"
FACTS = ("task", "arch", "dataset", "seed", "step")

Make = Callable[[Sequence[str], Path], None]


def layer_arrays(
    record: ModelRecord,
    stimuli_id: str,
    kind: str,
    layers: Sequence[str],
    make: Make,
    *,
    dataset_id: str = "",
    study: str = "",
    parents: Sequence[str] = (),
) -> tuple[dict[str, Path], list[str]]:
    """(layer -> .npy file, ids of the runs that hold them).

    Layers that no finished run holds, or whose files are gone, are made: make(missing layers, folder) writes
    folder/LAYER.npy for each of them. dataset_id: of the stimuli, for the record.
    """
    found = _there(record.model_id, stimuli_id, kind)
    gone = [layer for layer in layers if layer in found and not _file(found[layer], layer).is_file()]
    missing = [layer for layer in layers if layer not in found or layer in gone]
    if missing:
        inputs = {"model_id": record.model_id, "stimuli": stimuli_id, "kind": kind}
        cfg = {"models": record.uri, "layers": ",".join(missing), "kind": kind}
        spec = runs.Spec(ENTRY, VERSION, inputs, cfg, frozenset({"models"}))
        title = f"extract {kind} {record.name} seed {record.seed} step {record.step}"
        with (
            runs.project_run_reserved(),
            runs.open_run(spec, name=title, study=study, parents=[*_parent(record), *parents], force=bool(gone)) as run,
        ):
            if not run.answered:
                run.set_tags({TAG + fact: getattr(record, fact) for fact in FACTS})
                run.set_tags({STIMULI: stimuli_id, KIND: kind, DATASET_ID: dataset_id})
                with tempfile.TemporaryDirectory() as folder:
                    make(missing, Path(folder))
                    for layer in missing:
                        run.log_file(Path(folder) / f"{layer}.npy", "layers")
                run.log_text("\n".join(missing), LAYERS)
        found = _there(record.model_id, stimuli_id, kind)
    wanted = {layer: found[layer] for layer in layers}
    files = {layer: _file(run_id, layer) for layer, run_id in wanted.items()}
    return files, sorted(set(wanted.values()))


def _file(run_id: str, layer: str) -> Path:
    return runs.local(run_id, f"layers/{layer}.npy")


def load(files: dict[str, Path]) -> dict[str, np.ndarray]:
    """The arrays, mapped from their files."""
    return {layer: np.load(file, mmap_mode="r") for layer, file in files.items()}


def _there(model_id: str, stimuli_id: str, kind: str) -> dict[str, str]:
    """layer -> the newest finished run that holds it."""
    where = f"tags.`{MODEL_ID}` = '{model_id}' and tags.`{STIMULI}` = '{stimuli_id}' and tags.`{KIND}` = '{kind}'"
    found: dict[str, str] = {}
    for run in runs.find(entry=ENTRY, where=where, status="FINISHED"):
        for layer in run.cfg.get("layers", "").split(","):
            found.setdefault(layer, run.id)
    return found


def _parent(record: ModelRecord) -> list[str]:
    return [record.run_id] if record.run_id else []
