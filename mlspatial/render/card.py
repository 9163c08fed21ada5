"""The card of a dataset folder: README.md, which says what the columns mean and how the folder is opened.

Its first lines are the YAML that Hugging Face's `datasets` and hub read (their page "Manual Configuration"):
which files are which split, and that the column of encoded images is one of pictures. Shards stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mlspatial.core.columns import columns_of
from mlspatial.core.errors import DatasetError
from mlspatial.core.files import write_text
from mlspatial.core.latents import CAMERA_FRAME, EULER_CONVENTION
from mlspatial.core.manifest import MANIFEST, SPLITS, Manifest

CARD = "README.md"
LICENCE = "# license: yours to choose; write an identifier such as cc-by-4.0 here and take the # away"
STORED_AS = {"category": "string"}  # types whose name is another one in `datasets`
LIST = "list of "
MANY = 20  # names that are listed; of more, their number
OPENING = """```python
from datasets import load_dataset
images = load_dataset("FOLDER")  # SPLITS, with decoded pictures
```

```python
import pandas
table = pandas.read_parquet("FOLDER/FIRST")  # OTHERSpictures are bytes: PIL.Image.open(io.BytesIO(..))
```

```python
import polars
table = polars.read_parquet("FOLDER/*/*.parquet")ALL
```

```python
import duckdb
table = duckdb.sql("select category, avg(z) from 'FOLDER/*/*.parquet' group by category")
```"""


def write_card(folder: Path, manifest: Manifest) -> bool:
    """Write the card into a folder that has none; one that somebody may have changed stays.

    Returns whether it was written. Raises DatasetError when that cannot be done.
    """
    path = folder / CARD
    if path.exists():
        return False
    try:
        write_text(path, card(manifest))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from error
    return True


def card(manifest: Manifest) -> str:
    """The text of the card. It depends on name, recipe and sizes alone: not on when or where it is written."""
    columns = [(f"`{c.name}`", c.type, c.unit, c.meaning) for c in columns_of(manifest.recipe)]
    sizes = [(f"`{split}`", f"{manifest.rows(split):,}") for split in _splits(manifest)]
    recipe = [(f"`{name}`", _shown(value)) for name, value in sorted(manifest.recipe.items())]
    parts = [
        f"---\n{LICENCE}\n{_front(manifest)}---",
        f"# {_cell(manifest.name)}",
        "Images of objects in surroundings, with what was where: rendered by mlspatial. "
        f"`{MANIFEST}` has the recipe, the checksum of every shard and the order of categories.",
        _table(("split", "images"), sizes),
        f"## Open it\n\n`FOLDER` is the path of this folder.\n\n{_opening(manifest)}",
        f"## Columns\n\nAn image a row.\n\n{_table(('column', 'type', 'unit', 'what'), columns)}",
        f"Camera frame: {CAMERA_FRAME}. The world's axes are x right, y up, z forward, in metres.\n\n"
        f"Rotation: {EULER_CONVENTION}.",
        f"## Recipe\n\nRecipe `{manifest.recipe_id}`.\n\n{_table(('parameter', 'value'), recipe)}",
    ]
    return "\n\n".join(parts) + "\n"


def _front(manifest: Manifest) -> str:
    files = [{"split": split, "path": f"{split}/*.parquet"} for split in _splits(manifest)]
    columns = columns_of(manifest.recipe)
    features = [{"name": column.name, **_feature(column.type)} for column in columns]
    facts: dict[str, Any] = {
        "pretty_name": manifest.name,
        "tags": ["mlspatial", "spatial-latents", "rendered"],
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {"features": features},
    }
    return str(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=1000))


def _feature(kind: str) -> dict[str, str]:
    """A column's type as `datasets` writes it."""
    if kind.startswith(LIST):
        return {"sequence": kind.removeprefix(LIST)}
    return {"dtype": STORED_AS.get(kind, kind)}


def _opening(manifest: Manifest) -> str:
    first, *others = _splits(manifest)
    words = {
        "SPLITS": ", ".join(f'images["{split}"]' for split in (first, *others)),
        "FIRST": first,
        "OTHERS": f"or {', '.join(others)}; " if others else "",
        "ALL": "  # both splits" if others else "",
    }
    text = OPENING
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _splits(manifest: Manifest) -> list[str]:
    """Training first, however the manifest lists them."""
    return sorted(manifest.splits, key=lambda split: (SPLITS.index(split) if split in SPLITS else len(SPLITS), split))


def _shown(value: Any) -> str:
    """A value of the recipe in a line."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) if len(value) <= MANY else f"{len(value)} of them, in {MANIFEST}"
    if isinstance(value, dict):
        return _shown([f"{name}: {part}" for name, part in sorted(value.items())])
    return str(value)


def _table(head: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).replace("|", "/").split())
