"""The documentation as pages: built strictly, every link and anchor leads somewhere, nothing comes from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from mlspatial.compare.drawing import FIGURES
from mlspatial.papers import known_items

ROOT = Path(__file__).resolve().parents[1]
GALLERY = ROOT / "docs" / "pictures" / "gallery"
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}  # what a browser fetches


class Page(HTMLParser):
    """Links, anchors and what is loaded of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in LOADS and found.get(LOADS[tag]) and found.get("rel") != "canonical":
            self.loads.append(found[LOADS[tag]])


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def pages(self) -> dict[Path, Page]:
        return {path.resolve(): Page(path) for path in self.folder.rglob("*.html")}

    def broken(self) -> list[str]:
        """Links and loads that lead nowhere."""
        found = []
        for path, page in self.pages.items():
            if path.name == "404.html":  # its links begin at a server's root
                continue
            for link in [*page.links, *page.loads]:
                address = urlsplit(link)
                if address.scheme or address.netloc:
                    continue
                target = (path.parent / unquote(address.path)).resolve() if address.path else path
                target = target / "index.html" if target.is_dir() else target
                if not target.is_file():
                    found.append(f"{path.name}: {link}")
                elif address.fragment and target in self.pages and address.fragment not in self.pages[target].ids:
                    found.append(f"{path.name}: {link} (no such anchor)")
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return Site(folder)


def test_every_page_is_there(site: Site) -> None:
    names = {path.name for path in site.pages}
    written = {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    assert written | {"index.html", "first_look.html", "contributing.html", "changes.html"} <= names
    assert (site.folder / "first_look.ipynb").is_file() and (site.folder / "files" / "studies" / "quick.yaml").is_file()
    assert not list(site.folder.rglob("*.py"))


def test_every_link_and_anchor_leads_somewhere(site: Site) -> None:
    assert site.broken() == []
    assert sum(len(page.links) for page in site.pages.values()) > 300


def test_a_broken_anchor_would_be_found(site: Site, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#there">x</a><a href="b.html#gone">x</a><img src="no.png">')
    (tmp_path / "b.html").write_text('<h1 id="there">x</h1>')
    assert Site(tmp_path).broken() == ["a.html: b.html#gone (no such anchor)", "a.html: no.png"]


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    loads = {load for page in site.pages.values() for load in page.loads if urlsplit(load).netloc}
    assert loads == set()
    styles = "".join(path.read_text() for path in site.folder.rglob("*.css"))
    assert not re.findall(r"url\(\s*['\"]?https?:", styles) and "@import" not in styles


def test_the_pages_can_be_searched(site: Site) -> None:
    texts = [entry["text"] for entry in json.loads((site.folder / "search" / "search_index.json").read_text())["docs"]]
    for words in ("noise ceiling", "there is no registry at", "several tasks"):
        assert any(words in " ".join(text.split()) for text in texts), words


def test_every_figure_is_in_the_gallery() -> None:
    figures = {name for name in known_items() if name in FIGURES}
    page = (ROOT / "docs" / "gallery.md").read_text()
    assert set(re.findall(r"pictures/gallery/(\w+)\.png", page)) == figures, "run `make gallery`"
    files = {path.stem: path for path in GALLERY.glob("*.png")}
    assert set(files) == figures and all(path.stat().st_size > 2000 for path in files.values())
    assert sum(path.stat().st_size for path in files.values()) < 1_500_000
