"""export: one network in, a folder for another program out: Brain-Score, Hugging Face's hub, whatever runs ONNX."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.context import Context
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.names import FOLDER, TAG
from mlspatial.core.parameters import FORCE, STUDY, Parameter, entry
from mlspatial.core.progress import say
from mlspatial.registry import notes, runs
from mlspatial.registry.models import ModelRecord, select
from mlspatial.registry.record import RunRecord

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.spec import ModelSpec

VERSION = 1
FILES = "files.json"  # artifact: name -> SHA-256 of what was written
FACTS = ("task", "arch", "dataset", "seed", "step")

PARAMETERS = (
    Parameter("models", str, "Selector or address of one network.", decides="nothing"),
    Parameter("to", str, "brainscore, huggingface or onnx."),
    Parameter("out", str, "Folder, new or empty.", "", "draw", shown="exports/NAME-TO"),
    Parameter("name", str, "What Brain-Score will call it.", "", shown="ARCH_DATASET_TASK_seedN_stepN"),
    Parameter("layers", str, "That Brain-Score chooses among: auto (candidates), or names; * and ? allowed.", "auto"),
    STUDY,
    FORCE,
)


def export(
    *, models: str, to: str, out: str = "", name: str = "", layers: str = "auto", study: str = "", force: bool = False
) -> str:
    """Write the one network of a selector in a form of models.exports; return the run's id.

    The folder is written whole or not at all, refuses to hold anything else, and has the same bytes each time as long
    as the registry says the same of the network. Raises UserError where `to` cannot take the network.
    """
    from mlspatial.models.exports import EXPORTS, Order, demand_room, hashes, put
    from mlspatial.models.exports.base import plain_name
    from mlspatial.steps.export_facts import card_of, regions_of

    record = _one(models)
    form = EXPORTS[to]()
    name = name or plain_name(f"{record.name}_seed{record.seed}" + (f"_step{record.step}" if record.run_id else ""))
    folder = Path(out).expanduser() if out else Path("exports") / f"{name}-{to}"
    form.check(record.spec, name, folder)
    demand_room(folder, form.files)
    card = card_of(record)
    inputs = {"model_id": record.model_id, "card": content_id(card.to_json())}
    cfg = {"models": record.uri, "to": to, "out": str(folder), "name": name, "layers": layers}
    spec = runs.Spec("export", VERSION, inputs, cfg, ENTRY.free)
    scored = [str(row["run_id"]) for row in card.scores]
    parents = tuple(dict.fromkeys(filter(None, (record.run_id, *scored))))
    context = Context("cpu", study, parents, force)

    def lacks(run: RunRecord) -> Sequence[str]:
        if gone := runs.missing(FILES)(run):
            return gone
        same = json.loads(runs.local(run.id, FILES).read_text()) == hashes(folder)
        return [] if same else [f"what it wrote, in {folder},"]

    title = f"export {record.name} seed {record.seed} step {record.step} to {to}"
    with runs.open_run(spec, name=title, lacks=lacks, **context.run) as run:
        if not run.answered:
            module, its = record.load()
            chosen = _layers(layers, module, its) if to == "brainscore" else ()
            order = Order(module, its, card, name, chosen, _regions(regions_of(card), chosen))
            numbers = put(folder, lambda place: form.write(order, place), force)
            made = hashes(folder)
            run.set_tags({TAG + fact: getattr(record, fact) for fact in FACTS} | {FOLDER: folder.resolve()})
            run.log_inputs([record.uri])
            run.log(numbers)
            run.log_text(json.dumps(made, indent=1), FILES)
            run.log_file(folder / "README.md")
            run.describe(notes.facts({"form": to, "folder": str(folder), "files": len(made)}))
            say(f"{title}: {len(made)} files in {folder}")
    return run.id


def _one(models: str) -> ModelRecord:
    records = select(models)
    if len(records) != 1:
        raise BadValue("models", models, f"names {len(records)} networks; an export is of one: add fields or a seed")
    return records[0]


def _layers(text: str, module: nn.Module, spec: ModelSpec) -> tuple[str, ...]:
    """Those that Brain-Score chooses among; it knows layers by the names of modules alone."""
    from mlspatial.models.layers import candidate_layers, resolve_layers

    found = resolve_layers(text, module, candidate_layers(spec, module))
    parts = dict(module.named_modules())
    if strange := [name for name in found if name not in parts]:
        raise UserError(f"layers={text}: {strange[0]} is no module of the network, and Brain-Score knows no others")
    return tuple(found)


def _regions(known: dict[str, str], layers: Sequence[str]) -> dict[str, str]:
    """region -> layer, of layers that are exported."""
    return {region: layer for region, layer in known.items() if layer in layers}


ENTRY = entry(
    "export",
    """Write a network for another program, with a card of all that the registry knows of it.

brainscore: a plugin folder for Brain-Score with its own test. huggingface: weights, configuration and model card.
onnx: an ONNX file whose outputs have the names of the heads. Each holds the weights, so that file:FOLDER is the
same network again.""",
    PARAMETERS,
    export,
    (
        "task=distance,seed=0 --to huggingface --out exports/distance",
        "models:/resnet18.quick.distance/1 --to onnx",
        "--models task=distance,seed=0 --to brainscore --name mine",
    ),
    first="models",
)
