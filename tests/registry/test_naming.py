"""Names: every text becomes one that MLflow, addresses and file systems take, and no two become one."""

from __future__ import annotations

import random
import string

import pytest
from mlflow.utils.uri import validate_path_is_safe
from mlflow.utils.validation import _validate_metric_name, path_not_unique

from mlspatial.core.names import file_name
from mlspatial.registry.naming import Names, artifact_path, valid_name

ALPHABET = string.ascii_letters[:4] + "./#:? é_-\n[@=;%]*\\\"'(),日"
TEXTS = [
    *("layer1.0.relu#1", "blocks.3[cls]", "A(fMRI)@b=1;x", "a//b", "/a", "a/", "./a", "a/../b", "..", ".", "", "..a"),
    *("x" * 251, "b/" * 200, "é" * 300, "a\n"),
]


def random_texts(number: int) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choices(ALPHABET, k=draw.randrange(8))) for _ in range(number)]


def test_every_text_becomes_a_name_that_mlflow_takes_and_valid_ones_stay() -> None:
    for text in [*TEXTS, *random_texts(5000)]:
        name = valid_name(text)
        _validate_metric_name(name)  # MLflow's own
        assert len(name) <= 250 and valid_name(name) == name
        if len(text) <= 250 and not set(text) & set('#?[@=;%]*\\"(),\n' + "'") and not (text and path_not_unique(text)):
            assert name == text or not text


@pytest.mark.parametrize(
    "text, name",
    [
        ("layer1.0.relu#1", "layer1.0.relu_1"),
        ("blocks.3[cls]/raw", "blocks.3_cls_/raw"),
        ("A(fMRI)@b=1;x/layer 1/ceiled", "A_fMRI__b_1_x/layer 1/ceiled"),
        ("MajajHong2015public.IT-pls/layer4.0.relu/ceiled", "MajajHong2015public.IT-pls/layer4.0.relu/ceiled"),
    ],
)
def test_names_are_those_of_earlier_registries(text: str, name: str) -> None:
    assert valid_name(text) == name == Names().of(text)


def test_two_texts_of_one_name_stay_apart() -> None:
    names = Names()
    texts = ["a#1", "a?1", "a_1", "a*1", "x" * 250 + "y", "x" * 250 + "z"]
    made = [names.of(text) for text in texts]
    assert made[0] == "a_1" and len(set(made)) == len(texts)
    assert [names.of(text) for text in texts] == made
    for name in made:
        _validate_metric_name(name)
        assert len(name) <= 250
    assert names.changed == dict(zip(made, texts, strict=True))
    later = Names(names.texts)
    assert [later.of(text) for text in reversed(texts)] == made[::-1]


def test_file_names() -> None:
    texts = dict.fromkeys([*TEXTS, *random_texts(5000)])
    made = {text: file_name(text) for text in texts}
    assert len(set(made.values())) == len(texts)
    for text, name in made.items():
        assert 0 < len(name.encode()) <= 255 and file_name(name) == name
        assert not set(name) & set('/\\#?%:*;"<>|\n') and name not in (".", "..")
        assert validate_path_is_safe(name) == name and not path_not_unique(name)  # MLflow's own
        plain = text.strip() == text and text not in ("", ".") and not text.startswith("..")
        if plain and not set(text) & set('/\\#?%:*;"\n') and len(text.encode()) <= 255:
            assert name == text
    for text in ("layer1.0.relu.npy", "blocks.3[cls].npy", "cka_layer 2@random.parquet"):
        assert file_name(text) == text
    assert file_name("a/b#1.npy").startswith("a_b_1-") and file_name("a/b#1.npy").endswith(".npy")
    assert file_name("é" * 300 + ".arrow").endswith(".arrow")
    assert artifact_path("layers/cka/x.npy") == "layers/cka/x.npy"
    assert artifact_path("layers/a#b/x.npy") == f"layers/{file_name('a#b')}/x.npy"
