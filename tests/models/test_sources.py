"""Networks from outside the registry: names, preprocessing, files, missing weights. Nothing is downloaded."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.build import build
from mlspatial.models.layers import CANDIDATE_LAYERS, candidate_layers
from mlspatial.models.sources import base, default_spec, external_spec, find, identity, load_external
from mlspatial.models.sources.files import load_folder
from mlspatial.models.spec import IMAGENET_MEAN, ModelSpec

SMALL = "torchvision:shufflenet_v2_x0_5"
SMALL_FILE = "shufflenetv2_x0.5-f707e7126e.pth"
TINY = "timm:resnet10t"


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Empty caches, a network that fails, and a list of the addresses that were asked for."""
    from huggingface_hub import constants

    asked: list[str] = []

    def fail(url: str, *_args: Any, **_options: Any) -> None:
        asked.append(url)
        raise URLError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fail)
    base._remembered_spec.cache_clear()
    return asked


def checkpoints() -> Path:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def state_of(arch: str, seed: int) -> dict[str, torch.Tensor]:
    return build(default_spec(arch), seed=seed).state_dict()


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_random_weights_depend_on_the_seed_alone(offline: list[str]) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    module, spec = load_external(f"{SMALL}@random3")
    assert torch.equal(torch.random.get_rng_state(), before) and not module.training and not offline
    assert (spec.arch, spec.units, spec.input_size, spec.mean) == (SMALL, 1000, 224, IMAGENET_MEAN)
    assert spec.head == {"imagenet": (0, 1000)} and spec.supervised == ()
    assert same(module.state_dict(), state_of(SMALL, 3))
    assert external_spec(f"{SMALL}@random3") == spec
    assert external_spec(f"{SMALL}@random").model_id == external_spec(f"{SMALL}@random0").model_id != spec.model_id
    assert ModelSpec.from_json(spec.to_json()) == spec and build(spec).state_dict().keys() == module.state_dict().keys()


def test_timm_s_preprocessing_is_that_of_its_configuration() -> None:
    spec = external_spec(f"{TINY}@random")
    assert (spec.arch, spec.units, spec.input_size, spec.supervised) == (TINY, 1000, 176, ())
    vit = default_spec("timm:vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    assert vit.arch == "timm:vit_tiny_patch16_224" and vit.mean == vit.sd == (0.5, 0.5, 0.5)
    headless = default_spec("timm:vit_small_patch14_dinov2.lvd142m")
    assert (headless.units, headless.head, headless.input_size) == (0, {}, 518)


def test_a_transformer_takes_the_input_size_and_units_of_its_spec() -> None:
    spec = ModelSpec("timm:vit_tiny_patch16_224", 7, {}, (), 64)
    module = build(spec, seed=0).eval()
    with torch.no_grad():
        assert module(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    assert candidate_layers(spec, module) == (*(f"blocks.{n}" for n in range(12)), "head")
    with pytest.raises(UnknownName, match="unknown source of networks 'tim'"):
        build(ModelSpec("tim:resnet18", 7, {}, (), 64))


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("torchvision:resnet19", "unknown torchvision network 'resnet19'; did you mean resnet18"),
        ("torchvision:fcn_resnet50", "unknown torchvision network"),
        ("timm:resnet10x@random", "unknown timm network 'resnet10x'; did you mean .*resnet10t"),
        ("timm:resnet10t.c4_in1k", r"unknown timm network 'resnet10t\.c4_in1k'; did you mean resnet10t\.c3_in1k"),
        ("torchvision:resnet18@rnadom", r"must be SCHEME:NAME, perhaps with @random or @randomN and \?OPTION=VALUE"),
        ("torchvision:resnet50.IMAGENET1K_V3", r"unknown torchvision network 'resnet50\.IMAGENET1K_V3'; did you mean"),
        ("openclip:ViT-B-33/openai", "unknown open_clip network 'ViT-B-33'; did you mean ViT-B-32"),
        ("openclip:ViT-B-32/openia", "unknown open_clip network 'ViT-B-32/openia'; did you mean ViT-B-32/openai"),
        ("openclip:ViT-B-32", "say which weights, as openclip:ViT-B-32/openai, or openclip:ViT-B-32@random"),
        ("visualpriors:norml", "unknown visualpriors task 'norml'; did you mean normal"),
        ("mlspatial:alexnet_gn", "there are no trained weights; mlspatial:alexnet_gn@random is untrained"),
        ("zoo:resnet18_randm", "unknown network of the zoo 'resnet18_randm'; did you mean resnet18_random"),
        ("file:nowhere.pt?arch=resnet18", "there is no such file or folder"),
        (
            "file:nowhere.pt?arhc=resnet18",
            "unknown option 'arhc'; known: arch, part, input_size, mean, sd, seed, group",
        ),
        ("file:nowhere.pt?arch=resnet18&input_size=big", "input_size must be a number of pixels, at least 32"),
    ],
)
def test_selectors_that_make_no_sense(offline: list[str], selector: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load_external(selector)
    assert not offline


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        (SMALL, [SMALL_FILE, "(5 MiB)", f"https://download.pytorch.org/models/{SMALL_FILE}"]),
        ("visualpriors:normal", ["normal_encoder-f5e2c7737e", "https://github.com/alexsax/visual-prior/raw/networks/"]),
        (
            "openclip:ViT-B-32/openai",
            [
                "ViT-B-32-quickgelu.openai.safetensors",
                "timm/vit_base_patch32_clip_224.openai/resolve/main/open_clip_model",
            ],
        ),
        (TINY, ["resnet10t.c3_in1k.safetensors", "timm/resnet10t.c3_in1k/resolve/main/model.safetensors"]),
    ],
)
def test_weights_that_cannot_be_had_say_what_to_fetch_and_where_to_put_it(
    offline: list[str], selector: str, words: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        load_external(selector)
    message = str(caught.value)
    assert "\n" not in message and "no network" in message and str(checkpoints()) in message
    assert all(word in message for word in words) and len(offline) == 1


def test_weights_in_the_cache_are_used_without_the_network(offline: list[str]) -> None:
    state = state_of(SMALL, 7)
    torch.save(state, checkpoints() / SMALL_FILE)
    module, spec = load_external(SMALL)
    assert same(module.state_dict(), state) and spec.supervised == ("imagenet",) and not offline
    assert external_spec(SMALL) == spec and not module.training
    torch.save(state_of(SMALL, 8), checkpoints() / SMALL_FILE)  # another file under the name is another network
    assert external_spec(SMALL).model_id != spec.model_id


def test_timm_s_weights_come_from_either_cache(tmp_path: Path, offline: list[str]) -> None:
    by_hand, cached = state_of(TINY, 1), state_of(TINY, 2)
    save_file(by_hand, checkpoints() / "resnet10t.c3_in1k.safetensors")
    module, spec = load_external(TINY)
    assert same(module.state_dict(), by_hand) and spec.supervised == ("imagenet",) and not module.training
    repository = tmp_path / "hf" / "models--timm--resnet10t.c3_in1k"
    (repository / "snapshots" / "c0ffee").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    save_file(cached, repository / "snapshots" / "c0ffee" / "model.safetensors")
    assert same(load_external(f"{TINY}.c3_in1k")[0].state_dict(), cached) and not offline
    (repository / "snapshots" / "c0ffee" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(UserError, match=r"do not fit timm:resnet10t .*fetch them again"):
        load_external(TINY)


def test_a_damaged_or_dangerous_file_is_refused(tmp_path: Path) -> None:
    path = checkpoints() / SMALL_FILE
    path.write_bytes(b"half a file")
    with pytest.raises(UserError, match="cannot be read"):
        load_external(SMALL)
    torch.save(build(default_spec(SMALL)), path)  # a whole network: loading it would run code
    with pytest.raises(UserError, match=r"cannot be read.*save the network's state_dict\(\) alone"):
        load_external(SMALL)
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="no state dict"):
        load_external(f"file:{tmp_path}/a.pt?arch={SMALL}")


@pytest.mark.parametrize("prefix", ["", "module.", "model.backbone."])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_files_of_weights(tmp_path: Path, prefix: str, suffix: str) -> None:
    state = build(ModelSpec(SMALL, 12, {}, (), 224), seed=4).state_dict()
    named = {prefix + key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    path = tmp_path / f"a,b{suffix}"
    if suffix == ".pt":
        torch.save({"state_dict": named, "epoch": 3}, path)
    else:
        save_file(named, path)
    module, spec = load_external(f"file:{path}?arch={SMALL}&input_size=96")
    assert same(module.state_dict(), state)
    assert (spec.arch, spec.units, spec.input_size, spec.head, spec.supervised) == (SMALL, 12, 96, {}, ())


def test_files_that_do_not_fit_name_the_first_keys(tmp_path: Path) -> None:
    state = state_of(SMALL, 0)
    state["conv1.0.weight"] = state["conv1.0.weight"][:5].clone()
    del state["fc.bias"]
    state["extra"] = torch.zeros(1)
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    with pytest.raises(UserError) as caught:
        load_external(f"file:{path}?arch={SMALL}")
    for words in (
        "missing: fc.bias (1 in all)",
        "not in it: extra (1",
        "conv1.0.weight (5, 3, 3, 3) for (24, 3, 3, 3)",
    ):
        assert words in str(caught.value)
    with pytest.raises(BadValue, match=r"add \?arch=NAME \(.*resnet18"):
        load_external(f"file:{path}")


def test_folders_with_a_spec(tmp_path: Path) -> None:
    spec = ModelSpec(SMALL, 5, {"translation": (0, 3), "category": (3, 5)}, ("translation",), 64)
    module = build(spec, seed=1).eval()
    spec = spec.with_weights(module)
    artifacts = tmp_path / "model" / "artifacts"
    artifacts.mkdir(parents=True)
    save_file(module.state_dict(), artifacts / "weights.safetensors")
    (artifacts / "spec.json").write_text(json.dumps(spec.to_json()))
    for folder in (tmp_path / "model", artifacts):
        loaded, facts = load_external(f"file:{folder}")
        assert facts == spec and same(loaded.state_dict(), module.state_dict())
    assert external_spec(f"file:{tmp_path}/model") == spec
    with pytest.raises(BadValue, match=r"has its own spec\.json"):
        load_external(f"file:{tmp_path}/model?arch=resnet18")
    with pytest.raises(UserError, match="cannot be read"):
        load_folder(tmp_path)


def test_init_imagenet_keeps_the_trunk_and_draws_the_head(offline: list[str]) -> None:
    spec = ModelSpec("resnet18", 6, {}, (), 64)
    with pytest.raises(UserError, match=r"resnet18-f37072fd\.pth \(45 MiB\) are not on this machine"):
        build(spec, seed=0, init="imagenet")
    trunk = state_of("torchvision:resnet18", 9)
    torch.save(trunk, checkpoints() / "resnet18-f37072fd.pth")
    drawn, other = build(spec, seed=0, init="imagenet"), build(spec, seed=1, init="imagenet")
    assert torch.equal(drawn.layer4[1].conv2.weight, trunk["layer4.1.conv2.weight"])
    assert torch.equal(drawn.fc.weight, build(spec, seed=0).fc.weight) and drawn.fc.weight.shape == (6, 512)
    assert not torch.equal(drawn.fc.weight, other.fc.weight) and len(offline) == 1
    with pytest.raises(BadValue, match="there are ImageNet weights for resnet18 and resnet50"):
        build(ModelSpec(SMALL, 6, {}, (), 64), init="imagenet")
    with pytest.raises(BadValue, match="must be random or imagenet"):
        build(spec, init="imagnet")


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x0_5", "mobilenet_v2", "squeezenet1_1", "inception_v3"])
def test_candidate_layers_are_called(name: str) -> None:
    spec = default_spec(f"torchvision:{name}")
    called = []
    with torch.device("meta"):  # shapes only
        module = build(spec).eval()
        layers = candidate_layers(spec, module)
        for layer, part in module.named_modules():
            part.register_forward_hook(lambda *_, layer=layer: called.append(layer))
        module(torch.zeros(1, 3, spec.input_size, spec.input_size))
    assert layers and set(layers) <= set(called)
    assert name not in CANDIDATE_LAYERS or layers == CANDIDATE_LAYERS[name]


def test_blocks_of_transformers() -> None:
    from torchvision.models import VisionTransformer

    module = VisionTransformer(32, 16, 2, 2, 8, 16, num_classes=11)
    layers = candidate_layers(ModelSpec("torchvision:vit_b_16", 11, {}, (), 32), module)
    assert layers == ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1", "heads.head")


def test_densenet_s_old_names_and_auxiliary_heads() -> None:
    source, _ = find("torchvision:densenet121")
    spec = default_spec("torchvision:densenet121")
    old = {f"features.denseblock1.denselayer2.norm.1.{k}": torch.ones(1) for k in ("weight", "running_var")}
    names = set(source.convert(old, spec, torch.nn.Identity()))
    assert names == {f"features.denseblock1.denselayer2.norm1.{k}" for k in ("weight", "running_var")}
    heads = {"aux1.fc1.weight": torch.ones(1), "AuxLogits.fc.bias": torch.ones(1), "fc.bias": torch.ones(1)}
    assert set(source.convert(heads, spec, torch.nn.Identity())) == {"fc.bias"}


def test_older_weights_of_torchvision_have_their_own_file(offline: list[str]) -> None:
    with pytest.raises(UserError, match=r"resnet50-0676ba61\.pth"):
        load_external("torchvision:resnet50.IMAGENET1K_V1")
    assert default_spec("torchvision:resnet50.IMAGENET1K_V1") == default_spec("torchvision:resnet50")


def test_taskonomy_and_clip_weights_are_filled_from_the_cache(offline: list[str]) -> None:
    normal = state_of("visualpriors:normal", 5)
    url = "normal_encoder-f5e2c7737e4948e3b2a822f584892c342eaabbe66661576ba50db7cdd40561c5.pth"
    torch.save({"state_dict": normal, "epoch": 9}, checkpoints() / url)
    module, spec = load_external("visualpriors:normal")
    assert same(module.state_dict(), normal) and not offline
    assert (spec.units, spec.input_size, spec.mean, spec.sd) == (0, 256, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert external_spec("zoo:normal_taskonomy") == spec
    tower = state_of("openclip:RN50-quickgelu", 6)
    both = {f"visual.{key}": value for key, value in tower.items()}
    save_file({**both, "transformer.x": torch.ones(1)}, checkpoints() / "RN50-quickgelu.openai.safetensors")
    module, spec = load_external("openclip:RN50/openai")
    assert same(module.state_dict(), tower) and not offline
    assert (spec.arch, spec.units, spec.input_size) == ("openclip:RN50-quickgelu", 1024, 224)
    assert spec.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)  # CLIP's own


def test_identity_follows_the_file_and_downloads_nothing(tmp_path: Path, offline: list[str]) -> None:
    path = tmp_path / "w.pt"
    torch.save(state_of(SMALL, 1), path)
    selector = f"file:{path}?arch={SMALL}"
    before = identity(selector)
    assert before.startswith(selector) and identity(selector) == before
    torch.save({"state_dict": state_of(SMALL, 2)}, path)
    assert identity(selector) != before
    assert identity(SMALL).startswith(SMALL) and identity("file:nowhere.pt?arch=a") == "file:nowhere.pt?arch=a"
    assert not offline


def test_files_of_the_zoo_say_where_they_are_to_be_had(offline: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_external("zoo:ViT-S-SLIP_slip")
    message = str(caught.value)
    assert "fetch https://dl.fbaipublicfiles.com/slip/slip_small_25ep.pt" in message and str(checkpoints()) in message
    assert "\n" not in message and not offline


#: trainer -> (a checkpoint of its layout with a network's parameters in it, what else belongs to the layout)


@pytest.mark.parametrize(
    ("selector", "arch"),
    [
        (f"{SMALL}@random3", SMALL),
        ("timm:resnet10t@random", "timm:resnet10t"),
        ("openclip:RN50@random", "openclip:RN50"),
        ("visualpriors:normal@random2", "visualpriors:normal"),
        ("mlspatial:alexnet_gn@random", "mlspatial:alexnet_gn"),
        ("zoo:resnet18_random", "torchvision:resnet18"),
    ],
)
def test_every_selector_takes_size_mean_and_sd(selector: str, arch: str) -> None:
    asked = base.parse_selector(f"{selector}?input_size=96&mean=0,0.5,1&sd=2&group=mine")
    source, name = find(arch)
    spec = asked.applied(source.spec(name))
    assert (spec.arch, spec.input_size, spec.mean, spec.sd) == (arch, 96, (0.0, 0.5, 1.0), (2.0, 2.0, 2.0))
    assert asked.group == asked.title == "mine" and spec.units == default_spec(arch).units


def test_a_size_is_built_and_looked_at() -> None:
    from mlspatial.models.extract import widths

    for selector, layer, width in (
        ("timm:vit_tiny_patch16_224@random?input_size=98", "blocks.0", (1 + 6 * 6) * 192),  # 98 // 16 = 6
        (f"{SMALL}@random?input_size=64", "maxpool", 24 * 16 * 16),
        ("openclip:ViT-M-32-alt@random?input_size=64", "transformer.resblocks.0", (1 + 2 * 2) * 512),
    ):
        module, spec = load_external(selector)
        assert widths(module, spec, [layer]) == {layer: width}, selector
    with pytest.raises(
        UserError, match=r"vit_b_16 cannot be built with 1000 units for images of 100 pixels \(Input shape"
    ):
        load_external("torchvision:vit_b_16@random?input_size=100")
    module, spec = load_external("torchvision:alexnet@random?input_size=32")
    with pytest.raises(UserError, match=r"torchvision:alexnet fails on an image of 32 pixels \("):
        widths(module, spec, ["features.0"])


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("input_size=31", "input_size must be a number of pixels, at least 32"),
        ("mean=1,2", "mean must be one number, or three with commas between .*, of pixels in 0..1"),
        ("mean=a", "mean must be one number"),
        ("mean=nan", "mean must be one number"),
        ("sd=1,0,1", "sd must be one number, or three .*, above 0"),
        ("seed=-1", "seed must be a whole number"),
        ("group=", "group must be letters, digits, space and"),
        ("size=3", "unknown option 'size'; known: input_size, mean, sd, seed, group"),
        ("input_size=64&part=x", "unknown option 'part'"),
    ],
)
def test_wrong_options_say_what_is_known(query: str, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        base.parse_selector(f"{SMALL}?{query}")
    with pytest.raises(BadValue, match="is drawn with seed 4, as @random says; leave out seed="):
        base.parse_selector(f"{SMALL}@random4?seed=1")


LAB = """
from mlspatial.models.sources import SOURCES, Source
from mlspatial.models.spec import ModelSpec


@SOURCES.register("lab")
class Lab(Source):
    kind = "network of the lab"

    def names(self):
        return ["dense"]

    def spec(self, name):
        return ModelSpec(f"lab:{self.check(name)}", 4, {}, (), 32)

    def build(self, spec):
        from torch import nn

        return nn.Sequential(nn.Flatten(), nn.Linear(3 * spec.input_size**2, spec.units))
"""


def test_a_source_is_one_file_and_one_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab_source.py").write_text(LAB)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(tmp_path))
    try:
        module, spec = load_external("lab:dense@random?input_size=40&mean=0")
        assert spec.arch == "lab:dense" and module[1].in_features == 3 * 40**2 and base.is_external("lab:dense")
        assert base.split("file:a?mean=0,0,0,lab:dense") == ["file:a?mean=0,0,0", "lab:dense"]
        with pytest.raises(UnknownName, match="unknown network of the lab 'dens'; did you mean dense"):
            load_external("lab:dens@random")
        with pytest.raises(UserError, match="there are no trained weights; lab:dense@random is untrained"):
            load_external("lab:dense")
        torch.save({"net": module.state_dict()}, tmp_path / "w.pt")
        assert load_external(f"file:{tmp_path}/w.pt?arch=lab:dense&input_size=40&mean=0")[1].weights == spec.weights
    finally:
        base.SOURCES._items.pop("lab", None)
        sys.modules.pop("lab_source", None)


def test_every_source_keeps_its_contract() -> None:
    for scheme in base.SOURCES:
        source = base.SOURCES[scheme]()
        assert type(source).__doc__ and source.kind
        known = list(source.names())
        if not known:
            continue
        with pytest.raises(UnknownName):
            source.check(known[0] + "x")
        if scheme != "zoo":
            spec = source.spec(known[0])
            assert find(spec.arch)[0].spec(find(spec.arch)[1]) == spec and spec.weights == spec.code == ""
