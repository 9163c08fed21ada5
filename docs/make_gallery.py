"""docs/gallery.md and its pictures: every figure that `compare` draws, from a made-up study. `make gallery`.

The study is the one that the figures are tested on (tests/compare/synthetic.py, tests/papers/conwell.py): a seeded
generator with numbers that look like published ones. Nothing in the gallery is measured.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import PIXELS
from mlspatial.papers import PAPERS, known_items
from tests.compare.synthetic import predicted, synthetic_evidence, with_units
from tests.papers import conwell, geometry

DOCS = Path(__file__).resolve().parent
FOLDER = DOCS / "pictures" / "gallery"
GENERAL = "Of any study"
DPI, COLOURS = 90, 256
HEAD = """# Gallery

Every figure that `compare` knows, in the order of the report. Written by `make gallery` from a made-up study with
numbers that look like published ones: the pictures show what a figure looks like, not what was found. Each is drawn by
`python -m entrypoints.compare --items NAME` from the runs that are there; conditions without runs are named under it.
"""


def drawings() -> Iterator[Drawing]:
    """Every figure, of the first made-up study that has runs for it."""
    voxels = conwell.made_up()
    brains = {"simulated_v1": "V1", "simulated_v4": "V4"}
    tasks, little = ("distance", "translation", "category"), {"scaling": False, "variability": False, "seeds": 2}
    small = synthetic_evidence(archs=("resnet18",), tasks=tasks, benchmarks=brains, **little)
    recorded = synthetic_evidence(archs=("resnet18",), tasks=tasks, benchmarks={"my_v4": "V4", "my_it": "IT"}, **little)
    recorded.scores["formula"] = "r/c"
    studies = (
        synthetic_evidence(),
        conwell.evidence_of(voxels, conwell.similar(voxels)),
        geometry.with_generalised(
            geometry.with_tunings(with_units(predicted(small), layers=True), *_geometry()), _read_outs()
        ),
    )
    for name in (name for name in known_items() if name in FIGURES):
        mine = (recorded,) if name == "figure_brains" else studies
        found = next((drawing for seen in mine if (drawing := FIGURES[name](seen)).figure is not None), None)
        if found is None:
            raise SystemExit(f"gallery: no made-up study has runs for {name}")
        yield found


def _geometry() -> tuple[Callable[[str, str, int, int], float], Callable[[str, int, int], float]]:
    """Numbers of layers that rise where networks are trained, other ones for every factor and seed."""
    rng = np.random.default_rng(0)
    scale = {"selectivity": 0.2, "selectivity_floor": 0.1}

    def of(measure: str, task: str, seed: int, depth: int) -> float:
        rise = {"untrained": -0.03, PIXELS: 0.0, "category": 0.06}.get(task, 0.04)
        start = 0.3 if measure.endswith("floor") else 0.35
        return scale.get(measure, 1.0) * (start + rise * depth * (start > 0.3) + 0.03 * float(rng.normal()))

    return of, lambda task, seed, depth: 0.4 * of("share", task, seed, depth)


def _read_outs() -> Callable[[str, str, int, int], tuple[float, float]]:
    """Read-outs (within, across) that networks keep more of the more they are trained on what is read out."""
    rng = np.random.default_rng(1)

    def of(latent: str, task: str, seed: int, depth: int) -> tuple[float, float]:
        rise = {"untrained": 0.02, PIXELS: 0.0, "category": 0.05}.get(task, 0.09)
        within = 0.35 + rise * depth + 0.02 * float(rng.normal())
        kept = {"untrained": 0.4, PIXELS: 0.3, "category": 0.6}.get(task, 0.75) + 0.03 * float(rng.normal())
        return within, within * kept * (0.8 if latent == "rot_1" else 1.0)

    return of


def small(drawing: Drawing) -> bytes:
    """A picture for a screen, in few colours."""
    from PIL import Image

    raw = io.BytesIO()
    drawing.figure.savefig(raw, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    image = Image.open(raw).convert("RGB").quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, format="png", optimize=True)
    return out.getvalue()


def text(made: list[Drawing]) -> str:
    """The page."""
    of = {name: PAPERS[paper].title for paper in PAPERS for name in PAPERS[paper].items}
    order = [GENERAL, *(PAPERS[paper].title for paper in PAPERS)]
    parts, last = [HEAD], ""
    for drawing in sorted(made, key=lambda one: order.index(of.get(one.id, GENERAL))):
        if of.get(drawing.id, GENERAL) != last:
            last = of.get(drawing.id, GENERAL)
            parts.append(f"\n## {last}\n")
        said = " ".join((FIGURES[drawing.id].__doc__ or "").partition("\n\n")[0].split())
        parts.append(f"\n### {drawing.title}\n\n`{drawing.id}`. {said}\n\n"
                     f"![{drawing.title}](pictures/gallery/{drawing.id}.png)\n")  # fmt: skip
    return "".join(parts)


def main() -> None:
    """Write the page and its pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = list(drawings())
    for drawing in made:
        (FOLDER / f"{drawing.id}.png").write_bytes(small(drawing))
    (DOCS / "gallery.md").write_text(text(made))


if __name__ == "__main__":
    main()
