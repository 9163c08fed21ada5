"""Networks from outside as the registry sees them, and models that registries of before hold."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from mlspatial.compare.conditions import of_records
from mlspatial.core.errors import BadValue
from mlspatial.models.build import build
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.registry.logged_models import save_folder
from mlspatial.registry.models import load, select, split_addresses

SMALL = "torchvision:shufflenet_v2_x0_5"

#: pyfunc_model.py as MLflow keeps it with every model that was registered before sources had a folder
STORED = """
from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import torch
from mlflow.models import set_model

from mlspatial.models.spec import to_input
from mlspatial.registry.models import load_folder


class SpatialNetwork(mlflow.pyfunc.PythonModel):
    def load_context(self, context: Any) -> None:
        self.module, self.spec = load_folder(Path(context.artifacts["weights"]).parent)
        self.module.eval()

    @torch.inference_mode()
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        images = torch.from_numpy(np.asarray(model_input, dtype=np.uint8))
        return self.module(to_input(images, self.spec)).numpy()


set_model(SpatialNetwork())
"""


def test_models_of_registries_made_before_load(tmp_path: Path) -> None:
    spec = ModelSpec("torchvision:shufflenet_v2_x0_5", 3, {"translation": (0, 3)}, ("translation",), 64)
    module = build(spec, seed=0).eval()
    save_folder(tmp_path / "model", module, spec.with_weights(module), "0" * 32, "m-" + "0" * 32)
    script = tmp_path / "model" / "pyfunc_model.py"
    assert script.is_file()
    script.write_text(STORED)
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        expected = module(to_input(torch.from_numpy(images), spec)).numpy()
    assert mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(images) == pytest.approx(expected, abs=1e-5)


def test_seed_and_group_of_a_file(registry: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        torch.save(build(ModelSpec(SMALL, 3, {}, (), 64), seed=seed).state_dict(), tmp_path / f"{seed}, mine.pt")
    options = f"?arch={SMALL}&input_size=64&mean=0,0,0&sd=1,1,1"
    files = [f"file:{tmp_path}/{seed}, mine.pt{options}&seed={seed + 7}&group=my networks" for seed in (0, 1)]
    first, second, third = select(", ".join([*files, f"{SMALL}@random3?input_size=64"]))
    assert [record.seed for record in (first, second, third)] == [7, 8, 3]
    assert first.group == first.task == first.name == "my networks" and third.group == "" and third.task == "untrained"
    named = of_records([first, second, third])
    assert list(named.group) == ["my networks", "my networks", "untrained"] and list(named.replicate) == [
        *named.model_id[:2],
        3,
    ]
    assert first.stated == {"group": "my networks", "seed": 7} and third.stated == {}
    assert (first.spec.mean, first.spec.sd, first.spec.input_size) == ((0, 0, 0), (1, 1, 1), 64)
    assert first.model_id != second.model_id
    plain = select(f"file:{tmp_path}/0, mine.pt{options}")[0]
    assert plain.model_id == first.model_id and (plain.task, plain.group, plain.stated) == ("pretrained", "", {})
    assert select(f"file:{tmp_path}/0, mine.pt{options}&seed=2")[0].stated == {"group": "", "seed": 2}
    assert load(files[1])[1] == second.spec


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("file:a,b.pt?mean=0,0,0&sd=1,1,1,timm:x", ["file:a,b.pt?mean=0,0,0&sd=1,1,1", "timm:x"]),
        ("models:/a.b/1, runs:/c/model,zoo:x,y", ["models:/a.b/1", "runs:/c/model", "zoo:x,y"]),
        ("python:m:N?size=(1,2)&a=b,python:m:N@random", ["python:m:N?size=(1,2)&a=b", "python:m:N@random"]),
        ("openclip:RN50/openai,mlspatial:a", ["openclip:RN50/openai", "mlspatial:a"]),
    ],
)
def test_lists_are_split_before_a_scheme_alone(text: str, parts: list[str]) -> None:
    assert split_addresses(text) == parts


def test_what_is_no_address_is_told_which_there_are(registry: Path) -> None:
    with pytest.raises(BadValue, match="a source of file, insilico, mlspatial, openclip, pypi, python, timm, torch"):
        select("ftp:thing")
