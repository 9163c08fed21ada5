"""What the pages need beside docs/: the README as their first page, files that pages link to, the notebook as text."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
#: page -> the file of the checkout that it is
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changes.md": "CHANGELOG.md"}
NOTEBOOK, LOOK = "first_look.ipynb", "first_look.md"
LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)]*)?(\))")


def on_files(files: Files, config: Any) -> Files:
    """Add pages and files from outside docs/."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    files.append(File.generated(config, LOOK, content=notebook_text(ROOT / "docs" / NOTEBOOK)))
    linked = {target for file in files.documentation_pages() for target in outside(file)}
    for target in sorted(linked):
        files.append(File.generated(config, f"files/{target}", content=(ROOT / target).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links to files of the checkout to where they are among the pages."""
    return LINK.sub(lambda match: f"{match[1]}{led(match[2], page.file)}{match[3] or ''}{match[4]}", markdown)


def outside(file: File) -> set[str]:
    """Files of the checkout, outside docs/, that a page links to and that are no pages themselves."""
    found = {place_of(match[2], file) for match in LINK.finditer(file.content_string)}
    return {
        name
        for name in found
        if not name.startswith("docs/") and name not in PAGES.values() and (ROOT / name).is_file()
    }


def place_of(link: str, file: File) -> str:
    """The path in the checkout that a link on a page leads to."""
    folder = "" if file.src_uri in PAGES else posixpath.dirname(f"docs/{file.src_uri}")
    return posixpath.normpath(posixpath.join(folder, link))


def led(link: str, file: File) -> str:
    """Where a link leads among the pages."""
    name = place_of(link, file)
    pages = {source: page for page, source in PAGES.items()}
    if name in pages:
        return pages[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    return f"files/{name}" if (ROOT / name).is_file() else link


def notebook_text(path: Path) -> str:
    """The cells of a notebook, as a page."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(parts) + f"\n\nThe same as a notebook: [{NOTEBOOK}]({NOTEBOOK}).\n"
