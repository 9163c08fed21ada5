"""What was gathered from a network's layers, kept as artifacts so that every analysis shares one forward pass.

A run of entry `extract` holds arrays of some kinds (Gram matrices, projections, activations, ...) for one network and
one set of stimuli, a file a layer and kind. It is found by what decides the arrays, never by a name: the model_id
(weights, architecture, input size, preprocessing), the hash of the stimuli (their names, order and pixels), the kind
(with its settings and precision), the layer, and the versions of the extraction and of the kind. Degrees of visual
angle decide nothing that is not in the pixels.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mlspatial.core.context import Context
from mlspatial.core.names import ACTIVATIONS, DATASET_ID, MODEL_ID, TAG
from mlspatial.core.names import file_name as valid_file_name
from mlspatial.registry import notes, runs
from mlspatial.registry.models import ModelRecord
from mlspatial.registry.places import local_path
from mlspatial.registry.store import client, experiment_id

ENTRY = "extract"
NO_CONTEXT = Context()
VERSION = 2  # of what a layer says: preprocessing, which call counts, the order of its features (models.extract)
STIMULI, KIND, KIND_VERSIONS = TAG + "stimuli", TAG + "kind", TAG + "kind_versions"
FIRST = "1"  # of every kind, in runs from before kinds had versions
Array = tuple[str, str]  # kind, layer
ARRAYS = "arrays.txt"  # KIND/LAYER, a line each
FACTS = ("task", "arch", "dataset", "seed", "step")

Make = Callable[[Sequence[Array], Path], None]


def versions(kinds: Iterable[str]) -> dict[str, str]:
    """What decides kept arrays beside network, stimuli and layer: for the spec of what is computed from them."""
    from mlspatial.models.sinks import kind_version

    return {"extract": str(VERSION), **{kind: kind_version(kind) for kind in sorted(set(kinds))}}


def layer_arrays(
    record: ModelRecord,
    stimuli_id: str,
    kinds: Sequence[str],
    layers: Sequence[str],
    make: Make,
    context: Context = NO_CONTEXT,
    *,
    dataset_id: str = "",
    tags: Mapping[str, str] | None = None,
) -> tuple[dict[str, dict[str, Path]], dict[Array, str]]:
    """(kind -> layer -> file, (kind, layer) -> id of the run that holds it). Activations are .arrow, all else .npy.

    Arrays of today's versions that no finished run holds, or whose files are gone, are made: make(missing (kind,
    layer) pairs, folder) writes folder/KIND/LAYER.SUFFIX for each of them. dataset_id: of the stimuli, tags: of the
    making, for the record.
    """
    from mlspatial.models.sinks import kind_version

    wanted = [(kind, layer) for kind in kinds for layer in layers]
    found = _there(record.model_id, stimuli_id, wanted)
    missing = [array for array in wanted if array not in found]
    if missing:
        names = [f"{kind}/{layer}" for kind, layer in missing]
        made = list(dict.fromkeys(kind for kind, _ in missing))
        of_kinds = {kind: kind_version(kind) for kind in made}
        inputs = {"model_id": record.model_id, "stimuli": stimuli_id, "arrays": names, "versions": of_kinds}
        cfg = {"models": record.uri, "kinds": ",".join(made), "layers": ",".join(dict.fromkeys(n for _, n in missing))}
        spec = runs.Spec(ENTRY, VERSION, inputs, cfg, frozenset({"models"}))
        title = f"extract {','.join(made)} {record.name} seed {record.seed} step {record.step}"
        lacks = runs.missing(ARRAYS, *(_artifacts(array)[0] for array in missing))
        with (
            runs.project_run_reserved(),
            runs.open_run(
                spec, name=title, study=context.study, parents=[*_parent(record), *context.parents], lacks=lacks
            ) as run,
        ):
            if not run.answered:
                run.set_tags({TAG + fact: getattr(record, fact) for fact in FACTS})
                run.set_tags({STIMULI: stimuli_id, KIND: ",".join(made), DATASET_ID: dataset_id})
                run.set_tags({KIND_VERSIONS: json.dumps(of_kinds)})
                run.add_tags(tags or {})
                run.log_inputs([record.uri])
                run.describe(notes.facts({"kinds": ", ".join(made), "layers": len({layer for _, layer in missing})}))
                with tempfile.TemporaryDirectory() as folder:
                    make(missing, Path(folder))
                    for kind, layer in missing:
                        run.log_file(Path(folder) / kind / file_name(kind, layer), f"layers/{kind}")
                run.log_text("\n".join(names), ARRAYS)
        found |= dict.fromkeys(missing, run.id)
    files = {kind: {layer: runs.local(found[kind, layer], *_artifacts((kind, layer))) for layer in layers}
             for kind in kinds}  # fmt: skip
    return files, {array: found[array] for array in wanted}


def store_folder() -> Path | None:
    """Where arrays are kept; None where that is another machine."""
    experiment = client().get_experiment(experiment_id(ENTRY))
    return local_path(str(experiment.artifact_location))


def file_name(kind: str, layer: str) -> str:
    """Of a layer's array of a kind."""
    return valid_file_name(_plain_name(kind, layer))


def _plain_name(kind: str, layer: str) -> str:
    """As earlier versions named it, whatever the layer is called."""
    return layer + (".arrow" if kind.startswith(ACTIVATIONS) else ".npy")


def _artifacts(array: Array) -> tuple[str, ...]:
    """Where a run may keep an array: as it is named today, and as earlier versions named it."""
    names = dict.fromkeys((file_name(*array), _plain_name(*array)))
    return tuple(f"layers/{array[0]}/{name}" for name in names)


def _there(model_id: str, stimuli_id: str, wanted: Iterable[Array]) -> dict[Array, str]:
    """(kind, layer) -> the newest finished run of today's versions that still holds it."""
    from mlspatial.models.sinks import kind_version

    asked = {MODEL_ID: model_id, STIMULI: stimuli_id, TAG + "version": VERSION}
    where = " and ".join(f"tags.`{tag}` = '{value}'" for tag, value in asked.items())
    left = dict.fromkeys(wanted)
    found: dict[Array, str] = {}
    for run in runs.find(entry=ENTRY, where=where, status="FINISHED"):
        if not left:
            break
        stated = json.loads(run.tags.get(KIND_VERSIONS, "{}"))
        kinds = {kind for kind in run.tags.get(KIND, "").split(",") if stated.get(kind, FIRST) == kind_version(kind)}
        held = {name: array for array in left if array[0] in kinds for name in _artifacts(array)}
        for name in runs.there(run.id, tuple(held)) if held else ():
            found[held[name]] = run.id
            left.pop(held[name], None)
    return found


def _parent(record: ModelRecord) -> list[str]:
    return [record.run_id] if record.run_id else []
