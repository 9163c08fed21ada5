"""What Xie et al. 2025 print that follows from their tables, from the lists of objects and from the tasks."""

from __future__ import annotations

from functools import lru_cache, partial

from mlspatial.papers.xie2025 import MEANS, PAPER
from mlspatial.verify.base import Check, check, register

ARCHITECTURES = {"resnet50": "C.1", "resnet18": "C.2"}
LABELS = {"resnet50": "ResNet-50", "resnet18": "ResNet-18"}
SOURCE = "Xie et al. 2025"
REGIONS = {
    "V1": "FreemanZiemba2013public.V1-pls", "V2": "FreemanZiemba2013public.V2-pls",
    "V4": "MajajHong2015public.V4-pls", "IT": "MajajHong2015public.IT-pls",
}  # fmt: skip
ROUNDED = 0.0005 + 0.0005  # half a printed digit of the mean, and of each of the four that it is over


@lru_cache(maxsize=2)
def means(arch: str) -> dict[str, float]:
    """task -> neural mean of the printed scores of four regions, the printed mean left out."""
    from mlspatial.compare.scores import MEAN, alignment
    from mlspatial.verify.evidence import of_tables

    rows = [row for row in PAPER.rows(MEANS) if row["arch"] == arch]
    networks = [{"model_id": row["task"], "task": row["task"], "arch": arch} for row in rows]
    unscored = {"committed": True, "primary": True, "metric": "pls25", "formula": "none", "engine": "imported"}
    scores = [
        {**unscored, "model_id": row["task"], "run_id": row["task"], "benchmark": name, "region": region,
         "ceiled": float(row[name])}
        for row in rows
        for region, name in REGIONS.items()
    ]  # fmt: skip
    found = alignment(of_tables(networks, scores, "xie2025"))
    return dict(zip(found.model_id, found[MEAN].astype(float), strict=True))


def _mean(arch: str, task: str) -> float:
    return means(arch)[task]


def _share(task: str, of: str) -> float:
    return means("resnet50")[task] / means("resnet50")[of]


def _units(task: str) -> float:
    """Output units that a task supervises, with the 117 categories and 548 objects that are shipped."""
    from mlspatial.core.latents import spatial_schema
    from mlspatial.render.library.catalogue import counts
    from mlspatial.tasks import build_task

    identities = [f"{name}-{k}" for name, number in counts().items() for k in range(number)]
    return build_task(task, spatial_schema(tuple(counts()), tuple(identities)), {}).units


for _row in PAPER.rows(MEANS):
    _arch, _task = _row["arch"], _row["task"]
    _words, _table = f"{_task.replace('+', ' + ')}, {LABELS[_arch]}", f"{SOURCE}, table {ARCHITECTURES[_arch]}"
    _name = f"{_arch}_{_task.replace('+', '_')}"
    register(
        Check(f"xie2025.mean_{_name}", f"mean of V1, V2, V4 and IT: {_words}", _table, (float(_row["neural_mean"]),),
              ROUNDED, partial(_mean, _arch, _task))
    )  # fmt: skip
    if _arch == "resnet50" and _task not in ("untrained", "imagenet"):
        register(
            Check(f"xie2025.units_{_task.replace('+', '_')}", f"output targets of {_task.replace('+', ' + ')}", _table,
                  (float(_row["outputs"]),), 0, partial(_units, _task))
        )  # fmt: skip

register(
    Check("xie2025.category_of_imagenet", "neural mean of category-trained over ImageNet networks", f"{SOURCE}, 3",
          (0.95,), 0, partial(_share, "category", "imagenet"), relation="above")
)  # fmt: skip
register(
    Check("xie2025.distance_of_all", "neural mean of distance-trained over all latents", f"{SOURCE}, 3", (0.97,), 0.005,
          partial(_share, "distance", "all"))
)  # fmt: skip


@check("xie2025.categories", "object categories that are shipped", f"{SOURCE}, appendix A", 117, 0)
def _categories() -> float:
    from mlspatial.render.library.catalogue import BUILDERS, counts
    from mlspatial.render.objects import load_objects

    load_objects("procedural", tuple(counts()))  # registers the builders
    return len([name for name in counts() if name in BUILDERS])


@check("xie2025.objects", "object models that are shipped", f"{SOURCE}, appendix A", 548, 0)
def _objects() -> float:
    from mlspatial.render.library.catalogue import counts
    from mlspatial.render.objects import load_objects

    library = load_objects("procedural", tuple(counts()))
    return sum(len(library.identities(name)) for name in counts())


@check("xie2025.projection", "dimensions of random projections of 2,000 images", f"{SOURCE}, appendix E", 6515, 0)
def _projection() -> float:
    from mlspatial.analysis.projection import johnson_lindenstrauss_dimension

    return johnson_lindenstrauss_dimension(2000)


@check("xie2025.scenes", "scenes that are shipped", f"{SOURCE}, appendix A", 10, 0)
def _scenes() -> float:
    from mlspatial.render.environments import load_environments

    return len(load_environments("procedural").scenes)
