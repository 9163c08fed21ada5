"""A pseudo-layer of decode: what a trained network's own head says of the images, scored as a read-out would be.

Where a network has a module called head, that module is meant by `head`, and its own outputs are asked for as
`own_head`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.core.context import Context
from mlspatial.core.errors import UserError
from mlspatial.core.latents import Latent, LatentSchema
from mlspatial.core.progress import say
from mlspatial.models.lazy import LazyModel
from mlspatial.registry.models import ModelRecord
from mlspatial.steps.gather import named
from mlspatial.steps.stimuli import Images

if TYPE_CHECKING:
    from mlspatial.analysis.decoding import Decoding
    from mlspatial.analysis.splits import Split
    from mlspatial.models.spec import ModelSpec
    from mlspatial.tasks.base import Part

HEAD, OWN_HEAD = "head", "own_head"
VERSION = 1  # of what a head's outputs are taken for


def extra_names(module: Any) -> tuple[str, ...]:
    """What the head may be called beside a network's modules."""
    return tuple(name for name in (HEAD, OWN_HEAD) if name not in dict(module.named_modules()))


@dataclass(frozen=True)
class Asked:
    """Layers of one network. modules: those that are read out; own: names that its own head goes by, none or one."""

    modules: tuple[str, ...]
    own: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.modules, *self.own)


def heads(
    records: Sequence[ModelRecord],
    layers: Sequence[tuple[str, ...]],
    latents: Sequence[Latent],
    images: Images,
    splits: Sequence[Split] | None = None,
) -> list[Asked]:
    """Which layers of every network are read out, and which one is its own head; says which heads tell none of the
    latents, and how many images are of classes that a head does not know. No network is run.

    layers: as `layers_of` has them, without pixels; splits: as of `head_records`. Raises UserError where only heads are
    asked for and none tells any.
    """
    called: dict[tuple[str, int, int], bool] = {}  # whether a module has that name
    asked: list[Asked] = []
    for record, names in zip(records, layers, strict=True):
        spec = record.spec
        key = spec.arch, spec.units, spec.input_size
        if HEAD in names and key not in called:
            called[key] = HEAD in dict(LazyModel(spec, record.load).structure[0].named_modules())
        own = [name for name in names if name == OWN_HEAD or (name == HEAD and not called[key])]
        asked.append(Asked(tuple(name for name in names if name not in own), tuple(own[:1])))
    speaking = [(record, one) for record, one in zip(records, asked, strict=True) if one.own]
    mute = [record for record, _ in speaking if not told(record.spec, latents, images, splits)]
    if mute:
        silent = {record.model_id for record in mute}
        asked = [Asked(one.modules) if r.model_id in silent else one for r, one in zip(records, asked, strict=True)]
        names_of = ", ".join(latent.name for latent in latents)
        classed = any(latent.kind == "category" for latent in latents)
        parts = sorted({part for record in mute for part in record.spec.supervised})
        trained = f"trained for {', '.join(parts) or 'no latent'}"
        line = (
            f"the heads of {len(mute)} of {len(speaking)} networks ({named(mute)}; {trained}) say nothing of {names_of}"
            f"{' (each fold must test a class that the head knows)' if splits and classed else ''}"
        )
        if not any(one.names for one in asked):
            raise UserError(f"layers: {line}; name latents that they were trained for, or other layers")
        say(f"decode: {line}; left out")
    for record, _ in speaking:
        for latent in told(record.spec, latents, images, splits):
            if latent.kind == "category" and not (known := _known(record.spec, latent, images)).all():
                strange = images.names(latent.name)[~known]
                there = sorted(set(strange))
                some = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
                say(
                    f"decode: the head of {record.name} seed {record.seed} knows no {latent.name} {some}; those "
                    f"{len(strange)} of {len(known)} images are left out of its {latent.name}"
                )
    return asked


def told(
    spec: ModelSpec, latents: Sequence[Latent], images: Images, splits: Sequence[Split] | None = None
) -> list[Latent]:
    """Those of the latents that a head was trained for, can be turned back into their unit and, of classes, knows at
    least one of these images, or of those that every split tests."""
    tested = [test for _, test in splits] if splits else [np.arange(len(images.stimuli))]
    columns = {column for part in _parts(spec, images.manifest.schema).values() for column in part.columns}
    return [
        latent
        for latent in latents
        if latent.name in columns
        and (latent.kind != "category" or all(_known(spec, latent, images)[test].any() for test in tested))
    ]


def head_records(
    record: ModelRecord, images: Images, latents: Sequence[Latent], splits: Sequence[Split] | None, context: Context
) -> list[Decoding]:
    """What the head says of every image, scored. splits: of which the test sides are scored, None: all images."""
    from mlspatial.analysis.decoding import judge
    from mlspatial.models.extract import outputs

    module, spec = record.load()
    values = outputs(module.to(context.device), spec, images.stimuli)
    said: dict[str, np.ndarray] = {}
    for name, part in _parts(spec, images.manifest.schema).items():
        said |= part.read(values[:, slice(*spec.head[name])])
    whole = np.arange(len(images.stimuli))
    found: list[Decoding] = []
    for latent in told(spec, latents, images, splits):
        truth, own = dict(images.latents), splits or [(whole, whole)]
        if latent.kind == "category":
            truth[latent.name] = images.names(latent.name)
            places = np.flatnonzero(_known(spec, latent, images))
            own = [(np.intersect1d(train, places), np.intersect1d(test, places)) for train, test in own]
        found += judge(said, truth, [latent], own)
    return found


def _parts(spec: ModelSpec, schema: LatentSchema) -> dict[str, Part]:
    """The supervised parts of a head that can be read, with the network's own classes and statistics."""
    from mlspatial.tasks.base import TASKS, Part

    own = LatentSchema(
        tuple(
            replace(one, categories=tuple(spec.classes[one.name])) if one.name in spec.classes else one
            for one in schema
        )
    )
    found: dict[str, Part] = {}
    for name in spec.supervised:
        if name not in TASKS or name not in spec.head or TASKS[name].read is Part.read:
            continue
        columns = TASKS[name].columns
        linear = [column for column in columns if column in own and own[column].kind == "linear"]
        classes = [column for column in columns if column in own and own[column].kind == "category"]
        known = all(column in spec.statistics for column in linear) and all(c in spec.classes for c in classes)
        if known and all(column in own for column in columns):
            found[name] = TASKS[name](own, spec.statistics)
    return found


def _known(spec: ModelSpec, latent: Latent, images: Images) -> np.ndarray:
    """(n,) whether the head has a unit for the class of each image."""
    return np.isin(images.names(latent.name).astype(str), list(spec.classes.get(latent.name, ())))
