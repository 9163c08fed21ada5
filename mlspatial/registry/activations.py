"""What was gathered from a network's layers, kept as artifacts so that every analysis shares one forward pass.

A run of entry `extract` holds arrays of some kinds (Gram matrices, projections, activations, ...) for one network and
one set of stimuli, a file a layer and kind. It is found by the hash of the weights, never by a name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from mlspatial.core.names import ACTIVATIONS, DATASET_ID, MODEL_ID, TAG
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord

ENTRY = "extract"
VERSION = 2
STIMULI, KIND = TAG + "stimuli", TAG + "kind"
Array = tuple[str, str]  # kind, layer
ARRAYS = "arrays.txt"  # KIND/LAYER, a line each
FACTS = ("task", "arch", "dataset", "seed", "step")

Make = Callable[[Sequence[Array], Path], None]


def layer_arrays(
    record: ModelRecord,
    stimuli_id: str,
    kinds: Sequence[str],
    layers: Sequence[str],
    make: Make,
    *,
    dataset_id: str = "",
    study: str = "",
    parents: Sequence[str] = (),
) -> tuple[dict[str, dict[str, Path]], dict[Array, str]]:
    """(kind -> layer -> file, (kind, layer) -> id of the run that holds it). Activations are .arrow, all else .npy.

    Arrays that no finished run holds, or whose files are gone, are made: make(missing (kind, layer) pairs, folder)
    writes folder/KIND/LAYER.SUFFIX for each of them. dataset_id: of the stimuli, for the record.
    """
    wanted = [(kind, layer) for kind in kinds for layer in layers]
    found = _there(record.model_id, stimuli_id)
    gone = [array for array in wanted if array in found and not _file(found[array], array).is_file()]
    missing = [array for array in wanted if array not in found or array in gone]
    if missing:
        names = [f"{kind}/{layer}" for kind, layer in missing]
        made = ",".join(dict.fromkeys(kind for kind, _ in missing))
        inputs = {"model_id": record.model_id, "stimuli": stimuli_id, "arrays": names}
        cfg = {"models": record.uri, "kinds": made, "layers": ",".join(dict.fromkeys(layer for _, layer in missing))}
        spec = runs.Spec(ENTRY, VERSION, inputs, cfg, frozenset({"models"}))
        title = f"extract {made} {record.name} seed {record.seed} step {record.step}"
        with (
            runs.project_run_reserved(),
            runs.open_run(spec, name=title, study=study, parents=[*_parent(record), *parents], force=bool(gone)) as run,
        ):
            if not run.answered:
                run.set_tags({TAG + fact: getattr(record, fact) for fact in FACTS})
                run.set_tags({STIMULI: stimuli_id, KIND: made, DATASET_ID: dataset_id})
                with tempfile.TemporaryDirectory() as folder:
                    make(missing, Path(folder))
                    for kind, layer in missing:
                        run.log_file(Path(folder) / kind / file_name(kind, layer), f"layers/{kind}")
                run.log_text("\n".join(names), ARRAYS)
        found = _there(record.model_id, stimuli_id)
    files = {kind: {layer: _file(found[kind, layer], (kind, layer)) for layer in layers} for kind in kinds}
    return files, {array: found[array] for array in wanted}


def file_name(kind: str, layer: str) -> str:
    """Of a layer's array of a kind."""
    return layer + (".arrow" if kind.startswith(ACTIVATIONS) else ".npy")


def _file(run_id: str, array: Array) -> Path:
    return runs.local(run_id, f"layers/{array[0]}/{file_name(*array)}")


def _there(model_id: str, stimuli_id: str) -> dict[Array, str]:
    """(kind, layer) -> the newest finished run that holds it."""
    where = f"tags.`{MODEL_ID}` = '{model_id}' and tags.`{STIMULI}` = '{stimuli_id}'"
    found: dict[Array, str] = {}
    for run in runs.find(entry=ENTRY, where=where, status="FINISHED"):
        for name in runs.local(run.id, ARRAYS).read_text().splitlines():
            kind, _, layer = name.partition("/")
            found.setdefault((kind, layer), run.id)
    return found


def _parent(record: ModelRecord) -> list[str]:
    return [record.run_id] if record.run_id else []
