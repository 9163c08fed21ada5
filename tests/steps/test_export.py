"""export: folders for other programs that are the same network again, and say what the registry knows of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from entrypoints import export as entrypoint
from mlspatial.cli import main
from mlspatial.console import summary
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.build import build
from mlspatial.models.exports import demand_room, onnx_file, put
from mlspatial.models.exports.card import Card, described
from mlspatial.models.sources import load_external
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.registry import runs
from mlspatial.registry.models import log_model, select
from mlspatial.steps.export import export
from tests import toys
from tests.console.test_summary import fits
from tests.steps.asking import run_score, table_of
from tests.test_entrypoints import call

SIZE = 32
HEAD = {"distance": (0, 1), "translation": (1, 3), "category": (3, 6)}


def resnet(seed: int = 0, name: str = "resnet18w4") -> tuple[torch.nn.Module, ModelSpec]:
    facts = ModelSpec(name, 6, HEAD, ("translation",), SIZE, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25),
                      {"x": {"mean": 0.0, "sd": 1.0}}, {"category": ("a", "b", "c")})  # fmt: skip
    module = build(facts, seed=seed).eval()
    torch.manual_seed(seed)
    for part in module.modules():  # as training leaves them
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)  # type: ignore[operator,union-attr]
            part.running_var.uniform_(0.5, 1.5)  # type: ignore[operator,union-attr]
    return module, facts


def trained(seed: int = 0, steps: tuple[int, ...] = (5, 20)) -> str:
    """A finished train run; the id of it. Its held-out loss is 1 / batches."""
    module, facts = resnet(seed)
    cfg = {"task": "translation", "seed": seed, "arch": "resnet18w4", "batches": 20, "lr": 1e-3, "workers": 2}
    with runs.open_run(
        runs.Spec("train", 1, {"dataset_id": "d0"}, cfg, frozenset()), name="t", study="s", parents=["renderrun"]
    ) as run:
        for step in steps:
            with torch.no_grad():
                module.fc.bias.fill_(step)  # type: ignore[union-attr,operator]
            run.log({"heldout/loss": 1 / step, "heldout/translation/r2": 0.25}, step)
            known = {"dataset": "toys", "dataset_id": "d0", "task": "translation", "seed": seed, "step": step}
            log_model(run, module, facts, metrics={}, **known)  # type: ignore[arg-type]
    return run.id


@pytest.fixture
def network(registry: Path) -> str:
    return trained()


def same_activations(selector: str, folder: Path) -> None:
    """To the bit, at every module, for images of another size."""
    (record,) = select(selector)
    known, spec = record.load()
    found, its = load_external(f"file:{folder}")
    assert its == spec and its.model_id == record.model_id
    images = torch.from_numpy(np.random.default_rng(3).integers(0, 256, (4, 40, 40, 3), dtype=np.uint8))
    seen: list[dict[str, torch.Tensor]] = []
    for module, facts in ((known, spec), (found, its)):
        outputs: dict[str, torch.Tensor] = {}
        for name, part in module.named_modules():
            part.register_forward_hook(lambda _m, _i, out, name=name, kept=outputs: kept.__setitem__(name, out.clone()))
        with torch.no_grad():
            module(to_input(images, facts))
        seen.append(outputs)
    assert set(seen[0]) == set(seen[1]) and len(seen[0]) > 40
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# Hugging Face ---------------------------------------------------------------------------------------------------------


def test_a_folder_is_the_same_network_again(network: str, registry: Path) -> None:
    run_id = export(models="task=translation,seed=0,step=5", to="huggingface", out="out/first")
    folder = registry / "out" / "first"
    assert set(bytes_of(folder)) == {"weights.safetensors", "spec.json", "config.json", "README.md"}
    same_activations("task=translation,seed=0,step=5", folder)
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # who may read one may read all
    run = runs.get(run_id)
    assert run.entry == "export" and run.parents == (network,) and run.tags["mlspatial.folder"] == str(folder)
    assert run.model_id == select("seed=0,step=5")[0].model_id and run.tags["mlspatial.step"] == "5"
    assert {"README.md", "files.json"} <= runs.there(run_id, ("README.md", "files.json"))
    facts = json.loads((folder / "config.json").read_text())
    assert (
        facts["image_size"] == SIZE and facts["image_mean"] == [0.5, 0.4, 0.3] and facts["heads"]["category"] == [3, 6]
    )


def test_the_two_lines_of_a_card_load_it(network: str, registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(models="seed=0,task=translation", to="huggingface", out="card")
    text = (registry / "card" / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    assert len(code.strip().splitlines()) == 2
    monkeypatch.chdir(registry / "card")
    found: dict[str, object] = {}
    exec(code, found)
    assert found["spec"] == select("seed=0,task=translation")[0].spec
    assert not found["module"].training  # type: ignore[attr-defined]


def test_a_card_says_what_the_registry_knows(network: str, registry: Path) -> None:
    """Of the checkpoint that is exported, with the scores as their run has them."""
    (scored,) = run_score(models="seed=0,task=translation", layers="layer2,layer4", metrics="own,rsa")
    export(models="seed=0,task=translation", to="huggingface", out="card")
    text = (registry / "card" / "README.md").read_text()
    numbers = ("| lr | 0.001 |", "| loss | 0.050 |", "| translation/r2 | 0.250 |")
    for words in (
        *numbers,
        "- task: translation",
        "- data: toys",
        network,
        scored,
        "renderrun",
        "dataset id: d0",
        "code: ",
    ):
        assert words in text, words
    assert "| workers |" not in text  # says nothing of the network
    table = table_of(scored)
    row = table[table.committed & table.primary].iloc[0]
    shown = (
        f"| {row.benchmark} | IT | {row.metric} | {row.layer} | {row.raw:.3f} ± {row.error:.3f} | "
        f"{row.ceiling:.3f} ± {row.ceiling_error:.3f} | {row.ceiled:.3f} ± {row.ceiled_error:.3f} |"
    )
    assert shown in text and text.count(f"| {row.benchmark} |") == 1  # RSA is not its own metric
    assert "| translation | 1 to 2 | yes |" in text and "| distance | 0 to 0 | no |" in text


def test_hugging_face_reads_the_card(network: str, registry: Path) -> None:
    """By the hub's own library, which refuses results that it does not understand."""
    hub = pytest.importorskip("huggingface_hub")
    run_score(models="seed=0,task=translation", layers="layer4")
    export(models="seed=0,task=translation", to="huggingface", out="card")
    card = hub.ModelCard((registry / "card" / "README.md").read_text())
    assert card.data.library_name == "mlspatial" and "translation" in card.data.tags and card.data.license is None
    found = {(one.dataset_name, one.metric_type): one for one in card.data.eval_results}
    assert found["toys", "loss"].metric_value == pytest.approx(0.05) and len(found) == 3
    (score,) = [one for (data, _), one in found.items() if data != "toys"]
    assert {"error", "ceiling", "ceiled"} <= set(score.metric_args)
    head = (registry / "card" / "README.md").read_text().split("---")[1]
    assert "# license: yours to choose" in head and "license" not in yaml.safe_load(head)


def test_names_that_would_break_a_card_do_not() -> None:
    spec = ModelSpec("toy", 0, {}, (), SIZE)
    one = {"benchmark": "a|b\nc: [", "region": "IT", "metric": "x", "layer": "l", "raw": float("nan"), "ceiling": None}
    rows = (one, one | {"benchmark": "'---", "raw": 0.5, "ceiling": 1e-9})
    card = Card("a: 'b' | \n---", {"data": "x: y"}, {}, {"loss": float("inf"), "r2": 1.0}, rows, {})
    text = card.text(spec)
    facts = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    assert [result["dataset"]["name"] for result in facts["model-index"][0]["results"]] == ["x: y", "'---"]
    assert "| a/b c: [ | IT | x | l | – | – | – |" in text and "its features" in described(spec)


# The folder -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["huggingface", "brainscore", "onnx"])
def test_the_same_bytes_twice(network: str, registry: Path, to: str) -> None:
    if to == "onnx":
        pytest.importorskip("onnx", reason="pip install onnx")
    first = export(models="seed=0,task=translation", to=to, out="one", name="mine")
    export(models="seed=0,task=translation", to=to, out="two", name="mine", force=True)
    assert bytes_of(registry / "one") == bytes_of(registry / "two")
    assert export(models="seed=0,task=translation", to=to, out="one", name="mine") == first  # answered
    same_activations("seed=0,task=translation", registry / "one")
    assert [path for path in registry.iterdir() if path.name.startswith(".") and path.is_dir()] == []


def test_what_was_changed_is_written_again(network: str, registry: Path) -> None:
    first = export(models="seed=0,task=translation", to="huggingface", out="one")
    before = bytes_of(registry / "one")
    (registry / "one" / "README.md").write_text("mine")
    with pytest.raises(BadValue, match=r"out=.*one: holds another export; name another folder, or take force=true"):
        export(models="seed=0,task=translation", to="huggingface", out="one")
    assert (registry / "one" / "README.md").read_text() == "mine"
    again = export(models="seed=0,task=translation", to="huggingface", out="one", force=True)
    assert again != first and bytes_of(registry / "one") == before
    for path in (registry / "one").iterdir():
        path.unlink()
    export(models="seed=0,task=translation", to="huggingface", out="one")
    assert bytes_of(registry / "one") == before
    run_score(models="seed=0,task=translation", layers="layer4")  # the card has more to say
    with pytest.raises(BadValue, match="holds another export"):
        export(models="seed=0,task=translation", to="huggingface", out="one")


def test_a_folder_of_others_is_left_alone(network: str, registry: Path) -> None:
    (registry / "mine").mkdir()
    (registry / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(BadValue, match=r"out=mine: the folder holds other files \(thesis.tex\); name an empty"):
        export(models="seed=0,task=translation", to="huggingface", out="mine", force=True)
    assert [path.name for path in (registry / "mine").iterdir()] == ["thesis.tex"]
    (registry / "file").write_text("x")
    with pytest.raises(BadValue, match="out=file: is a file"):
        export(models="seed=0,task=translation", to="huggingface", out="file")
    (registry / "plugin" / "__pycache__").mkdir(parents=True)
    demand_room(registry / "plugin", ())  # as its own test leaves it
    (registry / "link").symlink_to(registry / "plugin")
    put(registry / "link", lambda folder: (folder / "a").write_text("1"))
    assert bytes_of(registry / "plugin") == {"a": b"1"}


@pytest.mark.parametrize("there", [False, True])
def test_half_an_export_is_none(tmp_path: Path, there: bool) -> None:
    def whole(folder: Path) -> None:
        (folder / "a").write_text("1")

    def breaks(folder: Path) -> None:
        (folder / "a").write_text("2")
        raise ZeroDivisionError

    if there:
        put(tmp_path / "out", whole)
    with pytest.raises(ZeroDivisionError):
        put(tmp_path / "out", breaks, force=True)
    assert bytes_of(tmp_path) == ({"out/a": b"1"} if there else {})


def test_mistakes_are_one_line(network: str, registry: Path) -> None:
    trained(seed=1)
    toys.trained()
    for words, error, told in (
        ({"models": "task=translation"}, BadValue, "models=task=translation: names 2 networks; an export is of one"),
        ({"to": "caffe"}, UnknownName, "unknown form of export 'caffe'; known: brainscore, huggingface, onnx"),
        ({"to": "brainscore", "name": "a.b"}, BadValue, "name=a.b: must be letters"),
        ({"to": "brainscore", "out": "a.b"}, BadValue, "out=a.b: must be letters"),
        ({"to": "brainscore", "models": "arch=toy"}, UserError, "the code of toy is your own, .*use --to huggingface"),
        ({"to": "brainscore", "layers": "layer9"}, UnknownName, "unknown layer 'layer9'"),
    ):
        with pytest.raises(error, match=told):
            export(**({"models": "seed=0,task=translation", "to": "huggingface", "out": "x"} | words))
    assert not (registry / "x").exists()
    export(models="arch=toy", to="huggingface", out="x")  # as it advises
    same = load_external(f"file:{registry / 'x'}")[1]
    assert same.model_id == select("arch=toy")[0].model_id
    assert "The architecture `toy` is code that is not in this folder" in (registry / "x" / "README.md").read_text()


def test_the_command_takes_the_selector_first(network: str, registry: Path) -> None:
    code, out, told = call(main, "export", "task=translation,seed=0", "--to", "huggingface", "--out", "one")
    assert code == 0 and out.splitlines()[-1].startswith("run ")
    said = summary.summary("export", [out.split()[-1]], 0.0)
    assert "to huggingface in" in said and "README.md" in said and "--models file:" in said and fits(said)
    again = call(entrypoint.main, "--models", "task=translation,seed=0", "--to", "huggingface", "--out", "one")
    assert again[0] == 0 and again[1] == out
    code, _, told = call(main, "export", "--to", "huggingface")
    assert code == 2 and "Missing option '--models'" in told
    code, out, _ = call(main, "export", "task=translation,seed=0", "--to", "huggingface")
    default = registry / "exports" / "resnet18w4_toys_translation_seed0_step20-huggingface"
    assert code == 0 and (default / "weights.safetensors").is_file()


def test_networks_from_elsewhere(registry: Path) -> None:
    selector = "torchvision:shufflenet_v2_x0_5@random1?input_size=32"
    export(models=selector, to="huggingface", out="one")
    same_activations(selector, registry / "one")
    assert "from outside the registry" in (registry / "one" / "README.md").read_text()


# ONNX -----------------------------------------------------------------------------------------------------------------


def test_without_onnx_nothing_is_begun(network: str, registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match="to=onnx: needs the package onnx, which is not installed; pip install"):
        export(models="seed=0,task=translation", to="onnx", out="one")
    assert not (registry / "one").exists() and runs.find(entry="export") == []


def test_an_onnx_file_says_its_input_and_names_its_outputs(network: str, registry: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="pip install onnx")
    export(models="seed=0,task=translation", to="onnx", out="one")
    model = onnx.load(registry / "one" / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["image"]
    assert [value.name for value in model.graph.output] == ["distance", "translation", "category"]
    assert [one.version for one in model.opset_import if not one.domain] == [17]
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["mlspatial.size"] == "32" and json.loads(said["mlspatial.mean"]) == [0.5, 0.4, 0.3]
    assert json.loads(said["mlspatial.sd"]) == [0.2, 0.3, 0.25] and json.loads(said["mlspatial.supervised"]) == [
        "translation"
    ]
    assert json.loads(said["mlspatial.classes"]) == {"category": ["a", "b", "c"]}
    text = (registry / "one" / "README.md").read_text()
    assert "`model.onnx` (opset 17)" in text and str(registry) not in model.SerializeToString().decode(errors="ignore")


@pytest.mark.parametrize("name", ["resnet18w4", "timm:vit_tiny_patch16_224", "torchvision:shufflenet_v2_x0_5"])
def test_onnx_runtime_gives_the_network_s_outputs(name: str) -> None:
    """For any number of images; of a network without heads, one output."""
    pytest.importorskip("onnx", reason="pip install onnx")
    runtime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    module, spec = resnet(name=name) if ":" not in name else (None, ModelSpec(name, 7, {}, (), SIZE))
    module = module or build(spec, seed=0).eval()
    data = onnx_file.as_onnx(module, spec)
    session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8))
    seen = to_input(images, spec)
    with torch.no_grad():
        known = module(seen)
    for rows in (slice(0, 1), slice(0, 5)):
        found = session.run(None, {"image": np.ascontiguousarray(seen[rows].numpy())})
        joined = np.concatenate(found, axis=1)
        assert joined.shape == known[rows].shape
        assert joined == pytest.approx(known[rows].numpy(), abs=1e-5 * float(known.abs().max()))
    assert len(found) == (3 if spec.head else 1)


def test_an_onnx_file_that_computes_something_else_is_refused(
    network: str, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="pip install onnx")
    pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    true = onnx_file.as_onnx

    def other(module: torch.nn.Module, spec: ModelSpec) -> bytes:
        return true(resnet(seed=5)[0], spec)

    monkeypatch.setattr(onnx_file, "as_onnx", other)
    with pytest.raises(UserError, match="to=onnx: outputs differ from the network's by"):
        export(models="seed=0,task=translation", to="onnx", out="one")
    assert not (registry / "one").exists()


def test_what_onnx_cannot_say_is_refused() -> None:
    pytest.importorskip("onnx", reason="pip install onnx")

    class Strange(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvalsh(image[:, 0] @ image[:, 0].mT)

    spec = ModelSpec("strange", SIZE, {}, (), SIZE)
    with pytest.raises(UserError, match=r"to=onnx: strange cannot be written with opset 17 .*; use --to huggingface"):
        onnx_file.as_onnx(Strange().eval(), spec)


def test_weights_that_no_onnx_file_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="pip install onnx")
    monkeypatch.setattr(onnx_file, "LARGEST", 1000)
    with pytest.raises(UserError, match=r"to=onnx: .* GiB of weights do not fit into one file; use --to huggingface"):
        onnx_file.as_onnx(*resnet())
