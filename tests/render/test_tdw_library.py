"""The names that ThreeDWorld is asked for, against the published numbers of models and against its own metadata."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.render.tdw.library import published

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "tdw117_categories.csv"


def test_every_category_has_its_published_number_of_models() -> None:
    if not REFERENCE.is_file():
        pytest.skip(f"{REFERENCE} is not there")
    with open(REFERENCE, newline="", encoding="utf-8") as file:
        expected = {row["category"]: int(row["n_identities"]) for row in csv.DictReader(file)}
    found = published()
    assert {category: len(set(names)) for category, names in found.items()} == expected
    assert list(found) == list(expected) and len({n for names in found.values() for n in names}) == 548


class TestWithThePackage:
    @pytest.fixture(autouse=True)
    def package(self) -> None:
        pytest.importorskip("tdw", reason="ThreeDWorld's package is not installed (requirements-tdw.txt)")

    def test_the_list_is_what_the_rules_give(self) -> None:
        """Usable, not of moving parts, none of three that show several things; by category, else by WordNet number."""
        from mlspatial.render.tdw import package

        with open(REFERENCE, newline="", encoding="utf-8") as file:
            numbers = {row["category"]: row["wnid"] for row in csv.DictReader(file)}
        found: dict[str, set[str]] = {category: set() for category in numbers}
        by_number = {wnid: category for category, wnid in numbers.items()}
        for name, record in package.records(package.MODELS).items():
            left_out = record["do_not_use"] or record["composite_object"]
            if left_out or name in ("b02_bag", "lantern_2010", "b04_bottle_max"):
                continue
            own = record["wcategory"]
            found[own if own in numbers else by_number[record["wnid"]]].add(name)
        assert found == {category: set(names) for category, names in published().items()}

    def test_nothing_of_the_study_is_missing(self) -> None:
        from mlspatial.render.tdw.library import TdwModels

        library = TdwModels()
        assert library.missing() == [] and len(library.categories) == 117
        model = library.mesh("chair", "chair_billiani_doll")
        assert model.url.endswith("/chair_billiani_doll") and np.abs(model.vertices).max() == pytest.approx(0.5)
        assert TdwModels("", ["chair"]).version != library.version == TdwModels().version

    def test_scenes_and_skies_of_the_study(self) -> None:
        from mlspatial.render.tdw.library import TdwScenes

        library = TdwScenes()
        indoor = [scene.name for scene in library.scenes if scene.indoor]
        assert len(library.scenes) == 10 and indoor == ["box_room_2018", "tdw_room"]
        (room,) = (scene for scene in library.scenes if scene.name == "tdw_room")
        low, high = room.bounds
        assert high[1] == room.ceiling == pytest.approx(3.388783) and low[1] == 0.0
        assert high[0] - low[0] == pytest.approx(8.254906) and high[2] - low[2] == pytest.approx(7.76793)
        weights = [weight for _, weight in room.skies]
        assert (len(weights), sum(weights)) == (62, 62 + 20)  # 20 of the day, twice as often

    def test_bounds_of_ones_own(self, tmp_path: Path) -> None:
        from mlspatial.render.environments import load_environments

        path = tmp_path / "bounds.json"
        path.write_text(json.dumps({"ruin": {"low": [-1, 0, -2], "high": [3, 4, 5]}}))
        library = load_environments(f"tdw:{path}")
        assert [scene.bounds for scene in library.scenes] == [((-1.0, 0.0, -2.0), (3.0, 4.0, 5.0))]
        assert library.version != load_environments("tdw:ruin").version
        for text in ("[]", '{"ruin": {"low": [0]}}', "{"):
            path.write_text(text)
            with pytest.raises(UserError, match="must be"):
                load_environments(f"tdw:{path}")
        path.write_text(json.dumps({"ruins": {"low": [-1, 0, -2], "high": [3, 4, 5]}}))
        with pytest.raises(UnknownName, match="did you mean ruin"):
            load_environments(f"tdw:{path}")

    def test_models_of_ones_own(self, tmp_path: Path) -> None:
        from mlspatial.render.objects import load_objects
        from tests.render.standin import write_library

        path = write_library(tmp_path)
        library = load_objects(f"tdw:{path}", "chair,hammer")
        assert library.categories == ("chair", "hammer") and library.identities("chair") == ("chair_0", "chair_3")
        assert library.missing() == []  # type: ignore[attr-defined]
        (tmp_path / "chair_3.bundle").unlink()
        assert library.missing() == [f"chair: chair_3 has no file {tmp_path}/chair_3.bundle"]  # type: ignore[attr-defined]
        with pytest.raises(UnknownName, match="'hamer'; did you mean hammer"):
            load_objects(f"tdw:{path}", "hamer")
        with pytest.raises(UnknownName, match="model of chair 'chair_4'; did you mean chair_"):
            library.mesh("chair", "chair_4")
        path.write_text(json.dumps({"records": {"one": {"wcategory": "chair"}}}))
        with pytest.raises(UserError, match="record one needs wcategory, bounds and urls"):
            load_objects(f"tdw:{path.rename(tmp_path / 'other.json')}")

    def test_the_files_of_models_of_ones_own_are_part_of_their_version(self, tmp_path: Path) -> None:
        """Another address or another content is another library; another folder with the same content is not."""
        from mlspatial.render.objects import load_objects
        from mlspatial.render.tdw import package
        from tests.render.standin import write_library

        path = write_library(tmp_path)
        records = json.loads(path.read_text())

        def version(address: str) -> str:
            records["records"]["chair_3"]["urls"]["Linux"] = address
            path.write_text(json.dumps(records))
            package.records.cache_clear()
            return str(load_objects(f"tdw:{path}", "chair,hammer").version)

        first, moved, other = (tmp_path / f"{name}.bundle" for name in ("chair_3", "moved", "other"))
        moved.write_bytes(first.read_bytes())
        other.write_bytes(b"another model")
        versions = [version(f"file://{one}") for one in (first, moved, other)]
        versions += [version(f"https://models.example/{one}") for one in "ab"]
        assert versions[0] == versions[1] and len(set(versions)) == 4
        other.write_bytes(b"a changed model")
        assert version(f"file://{other}") not in versions

    def test_the_package_s_own_models_keep_their_version(self) -> None:
        from mlspatial.render.tdw.library import TdwModels

        assert TdwModels().version == "01944fcae55e"

    def test_missing_models_are_listed_before_anything_is_drawn(self, tmp_path: Path, capsys, registry) -> None:
        from mlspatial.steps.render import ENTRY, missing, render
        from tests.render.standin import write_library

        asked = {
            **ENTRY.defaults,
            "objects": f"tdw:{write_library(tmp_path)}",
            "environments": "tdw:ruin",
            "renderer": "tdw",
            "categories": "all",
            "out": str(tmp_path / "set"),
        }
        assert render(**asked | {"dry_run": True}) == []
        said = capsys.readouterr().out
        assert "7,000 images of 4 identities in 3 categories, 1 scenes, by tdw 1-tdw-" in said
        assert "nothing is missing" in said and missing(asked) == []
        for name in ("chair_0", "hammer_0"):
            (tmp_path / f"{name}.bundle").unlink()
        with pytest.raises(UserError, match="2 of 4 models are missing"):
            render(**asked | {"dry_run": True})
        lines = capsys.readouterr().out.splitlines()[1:]
        assert lines == missing(asked) and lines[1] == f"hammer: hammer_0 has no file {tmp_path}/hammer_0.bundle"
        with pytest.raises(UserError, match="2 models are missing: chair: chair_0 has no file"):
            render(**asked)
        assert not (tmp_path / "set").exists()

    def test_bounds_must_be_named_once(self) -> None:
        from mlspatial.render.environments import load_environments

        with pytest.raises(BadValue, match="name each scene once"):
            load_environments("tdw:ruin,ruin")

    def test_a_study_names_them_in_its_dry_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], registry: Path
    ) -> None:
        """Once, with the datasets that lack them; the plan stands before."""
        from mlspatial.study import study
        from tests.render.standin import write_library

        library = write_library(tmp_path)
        (tmp_path / "hammer_0.bundle").unlink()
        path = tmp_path / "mine.yaml"
        given = f"n_train: 10, n_heldout: 2, renderer: tdw, objects: 'tdw:{library}', environments: tdw"
        path.write_text(
            f"name: mine\nrender:\n  - {{dataset: one, {given}}}\n  - {{dataset: two, {given}, categories: hammer}}\n"
            f"  - {{dataset: three, {given}, categories: chair}}\n  - {{dataset: four, {given}, categories: hamer}}\n"
        )
        assert study(config=str(path), dry_run=True) == []
        said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missing for ")]
        assert said[0] == f"missing for one, two: hammer: hammer_0 has no file {tmp_path}/hammer_0.bundle"
        assert said[1].startswith("missing for four: unknown category 'hamer'; did you mean hammer")
        assert len(said) == 2
