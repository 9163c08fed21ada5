"""Parameters as people type them."""

from __future__ import annotations

import re

import pytest

from mlspatial.core.errors import BadValue
from mlspatial.core.parameters import Parameter, changed, free

COUNT = Parameter("n_train", int, "Images.", 6000, least=0)
RATE = Parameter("lr", float, "Rate.", 1e-3)
FLAG = Parameter("resume", bool, "Go on.", True, "nothing")
ENGINE = Parameter("engine", str, "Whose code.", "fast", choices=("fast", "reference"))


@pytest.mark.parametrize(
    ("parameter", "text", "value"),
    [
        (COUNT, "6000", 6000), (COUNT, "1e4", 10_000), (COUNT, "20000.0", 20_000), (COUNT, 300, 300), (COUNT, " 7 ", 7),
        (RATE, "1e-4", 1e-4), (RATE, "3", 3.0), (FLAG, "True", True), (FLAG, "0", False), (FLAG, False, False),
        (ENGINE, "reference", "reference"),
    ],
)  # fmt: skip
def test_values_are_taken_in_every_spelling(parameter: Parameter, text: object, value: object) -> None:
    found = parameter.convert(text)
    assert found == value and type(found) is parameter.kind


@pytest.mark.parametrize(
    ("parameter", "text", "words"),
    [
        (COUNT, "1.5", "n_train=1.5: must be a whole number"),
        (COUNT, "many", "n_train=many: must be a whole number"),
        (COUNT, "inf", "n_train=inf: must be a whole number"),
        (COUNT, "-1", "n_train=-1: must be 0 or more"),
        (RATE, "nan", "lr=nan: must be a number"),
        (RATE, "", "lr=: must be a number"),
        (FLAG, "maybe", "resume=maybe: must be true or false"),
        (ENGINE, "slow", "engine=slow: must be one of fast, reference"),
    ],
)
def test_what_makes_no_sense_is_named(parameter: Parameter, text: str, words: str) -> None:
    with pytest.raises(BadValue, match=re.escape(words)):
        parameter.convert(text)


def test_large_whole_numbers_are_exact() -> None:
    assert COUNT.convert("9007199254740993") == 9007199254740993  # no float holds it


def test_free_ones_and_changed_ones() -> None:
    assert free([COUNT, RATE, FLAG]) == {"resume"}
    (text,) = changed([RATE], lr={"kind": str, "default": "1e-4,1e-2"})
    assert (text.kind, text.default, text.help) == (str, "1e-4,1e-2", "Rate.") and RATE.kind is float
