"""A contact sheet of a folder of objects, a picture of each with the name of its category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlspatial.core.files import whole
from mlspatial.render.library.preview import pictures
from mlspatial.render.mesh import Mesh

KEPT = ".pictures"  # a folder that counts for nothing where objects are looked for
SIZE = 96  # pixels of a picture
LINE = 11  # of the name below
AT_ONCE = 16
MOST_COLUMNS = 24


class Pictures:
    """Pictures of objects, drawn several at a time and kept in a hidden folder, so that a later build has them."""

    def __init__(self, out: Path) -> None:
        self.folder = out / KEPT
        self._waiting: list[tuple[str, str, Mesh]] = []

    def see(self, category: str, name: str, mesh: Callable[[], Mesh], new: bool) -> None:
        """Draw an object where there is no picture of it or it is new."""
        if not new and self._file(category, name).is_file():
            return
        self._waiting.append((category, name, mesh()))
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Draw what waits."""
        from PIL import Image

        if not self._waiting:
            return
        drawn = pictures([mesh for _, _, mesh in self._waiting], 1, SIZE)[:, 0]
        for (category, name, _), image in zip(self._waiting, drawn, strict=True):
            file = self._file(category, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole(file) as partial:
                Image.fromarray(image).save(partial)
        self._waiting.clear()

    def write(self, shown: Sequence[tuple[str, str]], file: Path) -> None:
        """The contact sheet of (category, name), in this order."""
        from PIL import Image, ImageDraw

        columns = min(MOST_COLUMNS, max(1, round(np.sqrt(1.4 * len(shown)))))
        rows = -(-len(shown) // columns)
        sheet = Image.new("RGB", (columns * SIZE, rows * (SIZE + LINE)), "white")
        pen = ImageDraw.Draw(sheet)
        for number, (category, name) in enumerate(shown):
            x, y = number % columns * SIZE, number // columns * (SIZE + LINE)
            if self._file(category, name).is_file():
                sheet.paste(Image.open(self._file(category, name)), (x, y))
            pen.text(
                (x + 1, y + SIZE - 1),
                category.split(",")[0].encode("latin-1", "replace").decode("latin-1")[:15],
                "black",
            )
        with whole(file) as partial:
            sheet.save(partial)

    def _file(self, category: str, name: str) -> Path:
        return self.folder / category / f"{name}.png"
