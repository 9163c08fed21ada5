"""Pictures of a dataset for a person: a contact sheet with latents, and histograms."""

from __future__ import annotations

import io
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from mlspatial.core.design import SPLIT, Design
from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import decode_dictionaries, read_columns, read_images
from mlspatial.render.engine import TRUTHS
from mlspatial.render.truth import decoded

COLUMNS, ROWS = 8, 6
TILE, CAPTION = 144, 44  # pixels
TRUTH_ROWS, TRUTH_BLOCKS = 6, 2  # images down and across of the sheet of truth
DEEP = 5.0  # metres that its depth shows as dark
#: Colours of the background, the target and the others: those of Okabe and Ito 2008 that white stands out from.
PALETTE = ((0, 0, 0), (255, 255, 255), (230, 159, 0), (86, 180, 233), (0, 158, 115), (213, 94, 0), (204, 121, 167))
LEVELS, CONTEXTS = 8, 2  # of a crossing that are shown


def contact_sheet(folder: Path, manifest: Manifest, split: str = "heldout") -> Image.Image:
    """The first 48 images of a split, each with category, position (m) and rotation (degrees), and a cross where
    the latents say the object's centre is."""
    names = ["image", "category", "x", "y", "z", "rot_0", "rot_1", "rot_2", "scene", "sky"]
    with pq.ParquetFile(folder / manifest.shards(split)[0].file) as parquet:
        rows = decode_dictionaries(parquet.read_row_group(0, columns=names)).slice(0, COLUMNS * ROWS).to_pylist()
    lines = -(-len(rows) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (TILE + 4), lines * (TILE + CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, row in enumerate(rows):
        left, top = number % COLUMNS * (TILE + 4), number // COLUMNS * (TILE + CAPTION)
        sheet.paste(_tile(row["image"]), (left, top))
        u, v = project(np.array([row["x"], row["y"], row["z"]]), TILE)
        for mark in ((u - 4, v, u + 4, v), (u, v - 4, u, v + 4)):
            draw.line([left + mark[0], top + mark[1], left + mark[2], top + mark[3]], fill=(255, 40, 40), width=1)
        caption = (
            f"{row['category'].split(',')[0]} | {row['scene']}\n"
            f"x {row['x']:+.2f} y {row['y']:+.2f} z {row['z']:.2f}\n"
            f"rot {row['rot_0']:+.0f} {row['rot_1']:+.0f} {row['rot_2']:+.0f}"
        )
        draw.multiline_text((left + 2, top + TILE + 1), caption, fill="black", font=font, spacing=1)
    return sheet


def _tile(encoded: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encoded)).convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)


def truth_sheet(folder: Path, manifest: Manifest) -> Image.Image:
    """Of the first images of a split the picture and, beside it, what is told of its pixels: depth (near is bright, 0.5
    to 5 m), objects (the target white, each other a colour), the target's whole outline."""
    told = [name for name in TRUTHS if name in manifest.recipe["truth"]]
    split = "heldout" if "heldout" in manifest.splits else next(iter(manifest.splits))
    with pq.ParquetFile(folder / manifest.shards(split)[0].file) as parquet:
        names = ["stimulus_id", "visible", "image", *told]
        rows = parquet.read_row_group(0, columns=names).slice(0, TRUTH_ROWS * TRUTH_BLOCKS).to_pylist()
    wide = (1 + len(told)) * (TILE + 4) + 8
    lines, small = -(-len(rows) // TRUTH_BLOCKS), CAPTION // 2
    sheet = Image.new("RGB", (TRUTH_BLOCKS * wide, lines * (TILE + small)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, row in enumerate(rows):
        left, top = number % TRUTH_BLOCKS * wide, number // TRUTH_BLOCKS * (TILE + small)
        captions = [f"{row['stimulus_id']} visible {row['visible']:.2f}", *told]
        tiles = [_tile(row["image"]), *(_told(name, decoded(name, row[name])) for name in told)]
        for place, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
            sheet.paste(tile, (left + place * (TILE + 4), top))
            draw.text((left + place * (TILE + 4) + 2, top + TILE + 1), caption, fill="black", font=font)
    return sheet


def _told(name: str, values: np.ndarray) -> Image.Image:
    if name == "depth":
        near = np.clip((DEEP - values) / (DEEP - 0.5), 0.0, 1.0)
        picture = Image.fromarray((255 * np.where(np.isfinite(values), 0.15 + 0.85 * near, 0.0)).astype(np.uint8))
    elif name == "instances":
        picture = Image.fromarray(np.array(PALETTE, np.uint8)[np.minimum(values, len(PALETTE) - 1)])
    else:
        picture = Image.fromarray(values.astype(np.uint8) * np.uint8(255))
    return picture.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)


def design_sheet(folder: Path, manifest: Manifest) -> Image.Image:
    """Of every crossing of a design the first contexts: a row of pictures each, one a level of the first factor (the
    others at their middle levels), its value below."""
    design = Design.from_json(manifest.recipe["design"])
    lines: list[tuple[str, list[int], list[str]]] = []
    for crossing in design.crossings():
        factor = crossing.factors[0]
        middle = tuple(n // 2 for n in crossing.shape[1:])
        shown = np.unique(np.linspace(0, len(factor) - 1, min(len(factor), LEVELS)).round().astype(int))
        for context in np.linspace(0, crossing.contexts - 1, min(CONTEXTS, crossing.contexts)).round().astype(int):
            rows = [int(crossing.rows[(level, *middle, context)]) for level in shown]
            words = [f"{v:+.3g} {factor.unit}" if isinstance(v := factor.values[k], float) else str(v) for k in shown]
            lines.append((f"{crossing.name} {factor.name}", rows, words))
    first = 0
    for part in design.parts:  # of a sampled crossing the first images
        contexts, cells = len(design.contexts(part)), part.sample or prod(part.shape)
        if part.sample:
            rows = list(range(first, first + min(cells, LEVELS)))
            lines.append((part.name, rows, ["sampled"] * len(rows)))
        first += contexts * cells
    sheet = Image.new("RGB", (LEVELS * (TILE + 4), max(1, len(lines)) * (TILE + CAPTION // 2)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    wanted = sorted({row for _, rows, _ in lines for row in rows})
    images = dict(zip(wanted, read_images(folder, manifest, SPLIT, wanted), strict=True))
    for number, (name, rows, words) in enumerate(lines):
        for place, (row, word) in enumerate(zip(rows, words, strict=True)):
            left, top = place * (TILE + 4), number * (TILE + CAPTION // 2)
            sheet.paste(_tile(images[row]), (left, top))
            caption = f"{name} {word}" if not place else word.split(",")[0]
            draw.text((left + 2, top + TILE + 1), caption, fill="black", font=font)
    return sheet


def project(position: np.ndarray, size: int, field_of_view: float = 60.0) -> tuple[float, float]:
    """Picture coordinates (right, down; pixels) of a point in the camera frame (metres)."""
    focal = size / 2 / np.tan(np.radians(field_of_view / 2))
    return size / 2 + focal * position[0] / position[2], size / 2 - focal * position[1] / position[2]


def latent_histograms(folder: Path, manifest: Manifest, split: str = "train") -> Any:
    """A matplotlib figure with one panel a latent."""
    from matplotlib.figure import Figure

    columns = read_columns(folder, manifest, split, list(manifest.schema.names))
    figure = Figure(figsize=(12, 5), layout="constrained")
    panels = figure.subplots(2, -(-len(columns) // 2)).flat
    for panel, latent in zip(panels, manifest.schema, strict=False):
        values = columns[latent.name]
        if latent.kind == "category":
            panel.bar(range(len(latent.categories)), np.bincount(values, minlength=len(latent.categories)), width=1.0)
            panel.set_xlabel(f"{latent.name} (number)")
        else:
            panel.hist(values, bins=40)
            panel.set_xlabel(f"{latent.name} ({latent.unit})")
        panel.set_ylabel("images")
    for panel in list(panels):
        panel.set_axis_off()
    return figure
