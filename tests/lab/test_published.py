"""Two people without a shared folder: one renders and publishes, the other trains from what the server hands out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mlspatial.data.shards import verify
from mlspatial.registry import runs
from mlspatial.registry.artifacts import fetch
from mlspatial.registry.published import stated
from mlspatial.registry.store import client
from tests.lab.people import Person
from tests.lab.services import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]
RENDER = ("render", "--dataset", "apart", "--n_train", "300", "--n_heldout", "40", "--size", "32", "--categories",
          "apple,cup", "--environments", "procedural:meadow", "--workers", "1", "--publish")  # fmt: skip
TRAIN = ("train", "--task", "distance", "--dataset", "apart", "--arch", "resnet18w8", "--batches", "20", "--batch_size",
         "8", "--device", "cpu")  # fmt: skip


def apart(here: Lab, name: str) -> Person:
    """Somebody who shares no folder with anybody."""
    made = Person(here, name, MLSPATIAL_DATA="", MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="false")
    shutil.rmtree(made.folder / "cache" / "datasets", ignore_errors=True)
    return made


def weights(run_id: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    (model,) = (m for m in client().search_logged_models([runs.get(run_id).experiment]) if m.source_run_id == run_id)
    return load_file(fetch(f"models:/{model.model_id}") / "artifacts" / "weights.safetensors")


@pytest.fixture(scope="module")
def trained(here: Lab) -> tuple[str, str]:
    """(render run, train run) of ann, who has the folder."""
    ann = apart(here, "ann")
    (made,), said = ann.run(*RENDER, "true")
    assert f"dataset apart is published in the artifacts of run {made}" in said
    (run_id,), said = ann.run(*TRAIN)
    assert "is fetched into" not in said
    shutil.move(ann.folder / "data", ann.folder / "unseen")  # in a lab, another machine's
    return made, run_id


def test_who_has_no_folder_trains_the_same_network_from_the_server(here: Lab, trained: tuple[str, str]) -> None:
    made, first = trained
    bob = apart(here, "bob")
    (run_id,), said = bob.run(*TRAIN, "--force", "true")
    assert f"in the artifacts of run {made}; what is read of it is fetched into" in said
    assert runs.get(run_id).tags["mlflow.user"] == "bob" and run_id != first
    one, other = weights(first), weights(run_id)
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
    kept = bob.folder / "cache" / "datasets" / str(runs.get(made).dataset_id)
    assert verify(kept).dataset_id == runs.get(made).dataset_id


def test_what_is_read_beside_the_images_works_too(here: Lab, trained: tuple[str, str]) -> None:
    bob = apart(here, "bob")
    words = ("--models", f"runs:/{trained[1]}/model", "--dataset", "apart", "--stimuli", "heldout:40")
    ids, said = bob.run("decode", *words, "--layers", "avgpool", "--latents", "x,y", "--folds", "2")
    assert ids and "is fetched into" in said and runs.get(ids[0]).metrics


def test_nobody_publishes_for_somebody_else(here: Lab, trained: tuple[str, str]) -> None:
    """bob's machine has the same images; the run is ann's."""
    client().set_tag(trained[0], "mlspatial.published", "")
    bob = Person(here, "bob", MLSPATIAL_DATA="")
    shutil.copytree(here.folder / "people" / "ann" / "unseen", bob.folder / "data", dirs_exist_ok=True)
    _, said = bob.run(*RENDER, "true", code=2)
    assert f"run {trained[0]} is of ann, and you may not publish for it; ann can (python -m entrypoints.render" in said
    assert len([line for line in said.splitlines() if line.startswith("render: ")]) == 1
    shutil.rmtree(bob.folder / "data")
    ann = Person(here, "ann", MLSPATIAL_DATA="")
    shutil.move(ann.folder / "unseen", ann.folder / "data")
    ids, _ = ann.run(*RENDER, "true")
    assert ids == [trained[0]] and stated(runs.get(trained[0])) is not None


def test_a_bucket_of_ones_own(here: Lab, trained: tuple[str, str]) -> None:
    """The object store itself, by its address; needs s3fs, which the lab does not bring."""
    s3fs = pytest.importorskip("s3fs")
    given = here.environment()
    keys = {name: given[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    keys["AWS_ENDPOINT_URL"] = given["MLFLOW_S3_ENDPOINT_URL"]
    keys["PYTHONPATH"] = f"{here.client('ann')['PYTHONPATH']}{os.pathsep}{Path(s3fs.__file__).parents[1]}"
    at = f"s3://{given['S3_BUCKET']}/sets"
    ann, bob = Person(here, "ann", MLSPATIAL_DATA="", **keys), Person(here, "bob", MLSPATIAL_DATA="", **keys)
    if (ann.folder / "unseen").exists():
        shutil.move(ann.folder / "unseen", ann.folder / "data")
    ids, said = ann.run(*RENDER, at)
    assert ids == [trained[0]] and f"published in {at}/" in said
    shutil.move(ann.folder / "data", ann.folder / "unseen")
    shutil.rmtree(bob.folder / "cache" / "datasets", ignore_errors=True)
    (run_id,), said = bob.run(*TRAIN, "--force", "true", "--seed", "0")
    assert f"in {at}/" in said
    assert all(
        np.array_equal(a, b) for a, b in zip(weights(trained[1]).values(), weights(run_id).values(), strict=True)
    )
