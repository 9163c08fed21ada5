"""Odd-one-out triplets: planted truths, likelihoods by hand, ceilings, files in every form, mistakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import squareform

from mlspatial.analysis import triplets as measures
from mlspatial.analysis.dots import Dots
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.find import load_yaml
from mlspatial.benchmarks.triplet_files import load_triplets, read_triplets
from mlspatial.benchmarks.triplets import Triplets
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.models.stimuli import Stimuli
from tests import toys
from tests.benchmarks import assemblies
from tests.steps.asking import run_score, table_of

N, MANY = 20, 30_000
STIMULI = Stimuli(tuple(f"s{i:02d}" for i in range(N)), np.zeros((N, 4, 4, 3), np.uint8))


def drawn_sets(rng: np.random.Generator, m: int, n: int = N) -> np.ndarray:
    return np.sort(np.argsort(rng.random((m, n)), axis=1)[:, :3], axis=1)


def planted(
    rng: np.random.Generator, m: int = MANY, temperature: float = 0.5, **facts: Any
) -> tuple[Triplets, Any, Any]:
    """(benchmark of people who choose by softmax of an embedding's dot products, these, their probabilities)."""
    embedding = rng.normal(size=(N, 4))
    pairs = squareform(embedding @ embedding.T, checks=False)
    sets = facts.pop("sets", None)
    sets = drawn_sets(rng, m) if sets is None else sets
    raised = np.stack([[embedding[b] @ embedding[c], embedding[a] @ embedding[c], embedding[a] @ embedding[b]]
                       for a, b, c in sets]) / temperature  # fmt: skip
    chances = np.exp(raised - raised.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    odd = (chances.cumsum(axis=1) < rng.random((len(sets), 1))).sum(axis=1)
    return Triplets("planted", STIMULI, sets, odd, **facts), pairs, chances


# Truths ---------------------------------------------------------------------------------------------------------------


def test_the_embedding_that_people_choose_by_reaches_the_theoretical_accuracy(rng: np.random.Generator) -> None:
    """On average the largest of the three probabilities; and the likelihood their negative entropy."""
    found, pairs, chances = planted(rng)
    score = found.score(pairs)
    best = chances.max(axis=1)
    assert score.raw == pytest.approx(best.mean(), abs=4 * np.sqrt((best * (1 - best)).mean() / MANY))
    assert 0.5 < score.raw < 0.9 and score.n == MANY and score.error > np.sqrt(score.raw * (1 - score.raw) / MANY)
    known = (chances * np.log(chances)).sum(axis=1)
    spread = np.sqrt(((chances * np.log(chances) ** 2).sum(axis=1) - known**2).mean() / MANY)
    likely = found.score(pairs, "log_likelihood")
    assert likely.raw == pytest.approx(known.mean(), abs=4 * spread) and likely.ceiled == likely.raw
    temperatures = [float(text) for text in likely.more["temperatures"].split(", ")]
    assert temperatures == pytest.approx([0.5, 0.5], rel=0.05)


def test_noise_is_at_chance(rng: np.random.Generator) -> None:
    found, _, _ = planted(rng)
    noise = rng.normal(size=N * (N - 1) // 2)
    score = found.score(noise)
    assert score.raw == pytest.approx(1 / 3, abs=0.05)  # 190 pairs: a fixed noise is a bad guess, not 30,000
    many = np.random.default_rng(1)
    raws = [found.score(many.normal(size=len(noise))).raw for _ in range(60)]
    assert np.mean(raws) == pytest.approx(1 / 3, abs=4 * np.std(raws) / 60**0.5)
    likely = found.score(noise, "log_likelihood").raw
    assert likely == pytest.approx(np.log(1 / 3), abs=0.02) and likely < -1.07
    constant = found.score(np.ones(len(noise)))
    assert constant.raw == pytest.approx(1 / 3, abs=1e-12)  # equal pairs share the answer
    assert found.score(np.ones(len(noise)), "log_likelihood").raw == pytest.approx(np.log(1 / 3), abs=1e-12)
    assert found.score(np.ones(len(noise)), "log_likelihood").more["temperatures"] == "inf, inf"


def test_a_likelihood_by_hand() -> None:
    """Similarities 1, 2, 3 of the pairs that remain; at temperature 2 the weights are e^.5, e^1, e^1.5."""
    similar = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 2.0, 0.0]])
    odd = np.array([2, 0, 1])
    total = np.exp(0.5) + np.exp(1.0) + np.exp(1.5)
    expected = [1.5 - np.log(total), 0.5 - np.log(total), 1.0 - np.log(2 * np.e + 1.0)]
    assert measures.log_likelihood(similar, odd, 0.5) == pytest.approx(expected, abs=1e-12)
    assert measures.log_likelihood(similar, odd, 0.0) == pytest.approx([-np.log(3)] * 3, abs=1e-12)
    assert measures.correct(similar, odd).tolist() == [1.0, 0.0, 0.5]
    pairs = np.array([12.0, 13.0, 14.0, 23.0, 24.0, 34.0])  # of stimuli 1 to 4
    found = measures.similarities(pairs, np.array([[0, 1, 3], [1, 2, 3]]), 4)
    assert found.tolist() == [[24.0, 14.0, 12.0], [34.0, 24.0, 23.0]]
    with pytest.raises(StimulusMismatch, match="6 similarities of pairs for 5 stimuli; there are 10"):
        measures.similarities(pairs, np.array([[0, 1, 2]]), 5)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_the_temperature_is_the_most_likely_one(rng: np.random.Generator, scale: float) -> None:
    """As SciPy finds it."""
    similar = rng.normal(size=(500, 3)) + 7.0
    chances = np.exp(2.0 * similar)
    odd = ((chances / chances.sum(axis=1, keepdims=True)).cumsum(axis=1) < rng.random((500, 1))).sum(axis=1)

    def unlikely(steepness: float) -> float:
        return -float(measures.log_likelihood(similar, odd, steepness).mean())

    known = minimize_scalar(unlikely, bounds=(0, 50), method="bounded", options={"xatol": 1e-9})
    assert measures.fitted_steepness(scale * similar, odd) * scale == pytest.approx(known.x, rel=1e-5)
    assert measures.fitted_steepness(-similar, odd) == 0.0
    best = similar.argmax(axis=1)
    steep = measures.fitted_steepness(scale * similar, best)
    assert measures.log_likelihood(scale * similar, best, steep).mean() > -1e-2 and np.isfinite(steep)


def test_halves_are_of_sets_and_judged_by_each_other(rng: np.random.Generator) -> None:
    found, pairs, _ = planted(rng, sets=np.repeat(drawn_sets(rng, 300), 3, axis=0))
    similar = measures.similarities(pairs, found.sets, N)
    values, steepness = measures.crossvalidated(similar, found.odd, found.groups)
    kinds = found.groups.max() + 1
    chosen = np.isin(found.groups, np.random.default_rng(measures.HALVES_SEED).permutation(kinds)[: kinds // 2])
    one, other = (measures.fitted_steepness(similar[rows], found.odd[rows]) for rows in (chosen, ~chosen))
    assert steepness.tolist() == [one, other] and one != other
    assert values[~chosen] == pytest.approx(measures.log_likelihood(similar[~chosen], found.odd[~chosen], one))
    assert values[chosen] == pytest.approx(measures.log_likelihood(similar[chosen], found.odd[chosen], other))
    assert len({*found.groups[chosen]} & {*found.groups[~chosen]}) == 0


def test_answers_are_those_of_brain_score(rng: np.random.Generator, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of its class for this task, by dot products of features."""
    assemblies.install(tmp_path_factory.mktemp("brainscore"))  # whoever imports the package first says where it keeps
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly
    from brainscore_vision.model_helpers.brain_transformation import OddOneOut

    features = rng.normal(size=(N, 30))
    rows = NeuroidAssembly(
        features,
        coords={"stimulus_id": ("presentation", list(STIMULI.ids)), "object": ("presentation", list(STIMULI.ids)),
                "neuroid_id": ("neuroid", np.arange(30)), "layer": ("neuroid", ["a"] * 30)},
        dims=["presentation", "neuroid"],
    )  # fmt: skip
    theirs = OddOneOut("x", None, "a")
    sets = drawn_sets(rng, 400)
    shown = rng.permuted(sets, axis=1)  # in any order
    names = np.array(STIMULI.ids)[shown].ravel()
    chosen = theirs.calculate_choices(theirs.calculate_similarity_matrix(rows), names)
    dots = Dots(N)
    for block in np.split(features, [7, 8], axis=1):
        dots.add(block)
    found = measures.answers(measures.similarities(dots.condensed(), sets, N))
    ours = np.array(STIMULI.ids)[sets[np.arange(400), found.argmax(axis=1)]]
    assert ours.tolist() == list(chosen)


def test_dot_products_are_plain(rng: np.random.Generator) -> None:
    """About no mean, over chunks of features, of float32 and float64."""
    features = rng.normal(size=(30, 9000)) + 3.0
    known = squareform(features @ features.T, checks=False)
    for kind, near in ((np.float64, 1e-13), (np.float32, 1e-6)):
        dots = Dots(30)
        dots.add(features[:, :8500].astype(kind))
        dots.add(features[:, 8500:].astype(kind))
        assert dots.condensed() == pytest.approx(known, rel=near)
    with pytest.raises(StimulusMismatch):
        dots.add(features[1:])
    with pytest.raises(UserError, match="without features"):
        Dots(3).condensed()


# Ceilings and errors --------------------------------------------------------------------------------------------------


def test_ceilings_by_hand() -> None:
    """A set judged 2, 2, 0; one judged 1, 0; one judged once."""
    odd, groups = np.array([2, 2, 0, 1, 0, 1]), np.array([0, 0, 0, 1, 1, 2])
    # the others of a 2 say 2 and 0, a tie of which 2 is one; the others of the 0 say 2
    assert measures.by_others(odd, groups) == pytest.approx([0.5, 0.5, 0.0, 0.0, 0.0, np.nan], nan_ok=True)
    assert measures.by_all(odd, groups) == pytest.approx([2 / 3] * 3 + [0.5] * 2 + [np.nan], nan_ok=True)
    people = np.array([0, 0, 1, 0, 1, 1])  # who judged the first set twice is no other of herself
    assert measures.by_others(odd, groups, people) == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.0, np.nan], nan_ok=True)


def test_the_ceiling_of_many_repeats_is_the_theoretical_accuracy(rng: np.random.Generator) -> None:
    """And lies between the bounds; nobody else's answers: none, and layers are still chosen."""
    sets = np.repeat(drawn_sets(rng, 200), 60, axis=0)
    found, pairs, chances = planted(rng, sets=sets)
    score = found.score(pairs)
    truth = chances.max(axis=1).mean()
    assert score.ceiling == pytest.approx(truth, abs=0.01) and score.ceiled == pytest.approx(1.0, abs=0.02)
    assert score.more["ceiling_lower"] <= truth + 0.005 and score.more["ceiling_upper"] >= truth - 0.005
    assert score.ceiling_error > 0 and score.more["distinct"] == found.groups.max() + 1 <= 200
    once = found.groups[np.sort(np.unique(found.groups, return_index=True)[1])]
    rows = np.unique(found.groups, return_index=True)[1]
    alone = Triplets("alone", STIMULI, found.sets[rows], found.odd[rows])
    none = alone.score(pairs)
    assert len(once) == none.n and np.isnan(none.ceiling) and np.isnan(none.ceiled) and "ceiling_upper" not in none.more
    noise = alone.score(rng.normal(size=len(pairs)))
    assert alone.commit([noise, none, noise], Way()) == 1 and alone.per_unit(none) is None


def test_errors_are_over_sets(rng: np.random.Generator) -> None:
    values = rng.random(50)
    plain = values.std(ddof=1) / 50**0.5
    assert measures.clustered_error(values, np.arange(50)) == pytest.approx(plain, rel=1e-12)
    assert measures.clustered_error(np.repeat(values, 7), np.repeat(np.arange(50), 7)) == pytest.approx(
        plain, rel=1e-12
    )
    gaps = np.where(np.arange(50) % 2, np.nan, values)
    half = values[::2].std(ddof=1) / 25**0.5
    assert measures.clustered_error(gaps, np.arange(50)) == pytest.approx(half, rel=1e-12)
    assert np.isnan(measures.clustered_error(values, np.zeros(50, int)))


def test_people_are_told_apart(rng: np.random.Generator) -> None:
    """ann goes by the embedding, ben by chance."""
    sets = np.repeat(drawn_sets(rng, 300), 2, axis=0)
    found, pairs, _ = planted(rng, sets=sets, people=np.arange(600) % 2, observers=("ann", "ben"))
    odd = found.odd.copy()
    best = measures.similarities(pairs, sets, N).argmax(axis=1)
    odd[::2], odd[1::2] = best[::2], rng.integers(0, 3, 300)
    score = replace(found, odd=odd).score(pairs)
    table = replace(found, odd=odd).per_unit(score)
    assert table is not None and table.unit.tolist() == ["ann", "ben"] and table.r[0] == 1.0
    assert table.r[1] == pytest.approx((odd[1::2] == best[1::2]).mean(), abs=1e-6) and 0.2 < table.r[1] < 0.5
    likely = replace(found, odd=odd).score(pairs, "log_likelihood")
    table = replace(found, odd=odd).per_unit(likely)
    assert table is not None and table.r[0] > table.r[1] and table.reliability.isna().all()
    assert score.raw == pytest.approx((1 + (odd[1::2] == best[1::2]).mean()) / 2)
    assert len({one.version for one in (found, replace(found, odd=odd), replace(found, similarity="correlation"),
                                        replace(found, people=1 - found.people))}) == 4  # fmt: skip


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Twelve pictures; ann and ben judge 40 triplets each, 20 of them the same."""
    rng = np.random.default_rng(4)
    (tmp_path / "pictures").mkdir()
    for i in range(12):
        image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(4, axis=0).repeat(4, axis=1)
        Image.fromarray(image).save(tmp_path / "pictures" / f"thing{i:02d}.png")
    sets = drawn_sets(rng, 60, 12)
    rows = [*(("ann", *sets[i]) for i in range(40)), *(("ben", *sets[i]) for i in range(20, 60))]
    rows = [(who, *rng.permutation(three)) for who, *three in rows]  # the third is the odd one
    table = pd.DataFrame(rows, columns=["who", "i", "j", "odd"])
    table.to_csv(tmp_path / "plan.csv", index=False)
    return tmp_path


def told(lab: Path) -> tuple[np.ndarray, np.ndarray]:
    """(three numbers of stimuli, the last the odd one, as THINGS has it, who) of the lab."""
    table = pd.read_csv(lab / "plan.csv")
    return table[["i", "j", "odd"]].to_numpy(), table.who.to_numpy()


def described(lab: Path, **lines: Any) -> Path:
    settings = {"stimuli": "pictures", "triplets": "t.npy"} | lines
    (lab / "mine.yaml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items() if value != ""))
    return lab / "mine.yaml"


def shuffled(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in another order, and the place of the odd one in each."""
    rng = np.random.default_rng(8)
    order = np.argsort(rng.random(rows.shape), axis=1)
    return np.take_along_axis(rows, order, axis=1), (order == 2).argmax(axis=1)


def write_names(lab: Path, rows: np.ndarray, who: np.ndarray, place: bool) -> pd.DataFrame:
    mixed, odd = shuffled(rows)
    names = np.array([f"thing{i:02d}" for i in range(12)])
    table = pd.DataFrame(names[mixed], columns=["image1", "image2", "image3"])
    table["choice"] = odd + 1 if place else names[rows[:, 2]]
    return table.assign(subject_id=who)


FORMS: dict[str, Callable[[Path, np.ndarray, np.ndarray], Any]] = {
    "t.npy": lambda lab, rows, who: np.save(lab / "t.npy", rows),
    "four.npy": lambda lab, rows, who: np.save(lab / "four.npy", np.c_[shuffled(rows)[0], rows[:, 2]].astype(float)),
    "t.txt": lambda lab, rows, who: np.savetxt(lab / "t.txt", rows, fmt="%d"),
    "commas.txt": lambda lab, rows, who: np.savetxt(lab / "commas.txt", rows, fmt="%d", delimiter=", ", header="i j k"),
    "names.csv": lambda lab, rows, who: write_names(lab, rows, who, False).to_csv(lab / "names.csv", index=False),
    "places.tsv": lambda lab, rows, who: write_names(lab, rows, who, True).to_csv(
        lab / "places.tsv", index=False, sep="\t"
    ),
    "t.parquet": lambda lab, rows, who: write_names(lab, rows, who, True).to_parquet(lab / "t.parquet", index=False),
    "ooo.csv": lambda lab, rows, who: pd.DataFrame(rows, columns=["img1", "img2", "ooo"]).to_csv(
        lab / "ooo.csv", index=False
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(lab: Path, form: str) -> None:
    rows, who = told(lab)
    FORMS[form](lab, rows, who)
    found = load_yaml(described(lab, triplets=form))
    assert isinstance(found, Triplets) and found.identifier == "mine" and found.region == "behavior"
    assert np.array_equal(found.sets, np.sort(rows, axis=1))
    assert np.array_equal(found.sets[np.arange(len(rows)), found.odd], rows[:, 2])
    if form.startswith(("t.parquet", "names", "places")):
        assert found.observers == ("ann", "ben") and found.people is not None
        assert np.array_equal(np.array(found.observers)[found.people], who)
        (lab / form).rename(lab / f"x{form}")
        only = load_triplets(described(lab, triplets=f"x{form}", people="b*"))
        assert only.observers == ("ben",) and len(only.sets) == 40 and set(only.people.tolist()) == {0}  # type: ignore[union-attr]
    else:
        assert found.people is None and found.observers == ()


def test_numbers_count_from_one_and_in_an_order_of_their_own(lab: Path) -> None:
    rows, _ = told(lab)
    np.save(lab / "one.npy", rows + 1)
    assert np.array_equal(load_triplets(described(lab, triplets="one.npy", first=1)).sets, np.sort(rows, axis=1))
    backwards = [f"thing{i:02d}.png" for i in reversed(range(12))]
    (lab / "order.txt").write_text("\n".join(backwards))
    np.save(lab / "t.npy", rows)
    found = load_triplets(described(lab, names="order.txt"))
    assert np.array_equal(found.sets, np.sort(11 - rows, axis=1))
    assert np.array_equal(found.sets[np.arange(len(rows)), found.odd], 11 - rows[:, 2])


def test_mistakes_are_said(lab: Path) -> None:
    rows, who = told(lab)
    np.save(lab / "t.npy", rows)
    np.save(lab / "one.npy", rows + 1)
    np.save(lab / "two.npy", rows[:, :2])
    np.save(lab / "half.npy", rows + 0.5)
    np.save(lab / "none.npy", rows[:0])
    np.save(lab / "few.npy", np.repeat(rows[:1], 5, axis=0))
    np.save(lab / "same.npy", np.where(np.arange(3) == 1, rows[:, :1], rows))
    np.save(lab / "four.npy", np.c_[rows, (rows.max(axis=1) + 1) % 12])
    (lab / "ragged.txt").write_text("1 2 3\n1 2\n")
    (lab / "words.txt").write_text("a b c\n")
    table = write_names(lab, rows, who, False)
    table.rename(columns={"image2": "second"}).to_csv(lab / "columns.csv", index=False)
    table.rename(columns={"choice": "rt"}).to_csv(lab / "odd.csv", index=False)
    table.replace("thing03", "zebra").to_csv(lab / "zebra.csv", index=False)
    table.replace("thing03", "").to_csv(lab / "empty.csv", index=False)
    table.assign(choice="thing99").to_csv(lab / "other.csv", index=False)
    (lab / "double.txt").write_text("thing00\nthing00\n")
    (lab / "short.txt").write_text("thing00\nthing01\n")
    (lab / "strange.txt").write_text("".join(f"other{i}\n" for i in range(12)))
    for lines, error, words in (
        ({"triplets": "nowhere.npy"}, UserError, "there is no such file"),
        ({"triplets": "pictures"}, UserError, "there is no such file"),
        ({"triplets": "mine.yaml"}, UserError, r"must end in .csv, .tsv, .parquet, .npy or .txt"),
        ({"triplets": "one.npy"}, UserError, r"no stimulus 12 of 12 \(0 to 11\); first: 1, if the first stimulus is 1"),
        ({"first": 1}, UserError, r"no stimulus 0 of 12 \(1 to 12\); leave out first:"),
        ({"first": 2}, BadValue, "first=2: must be 0 or 1"),
        ({"triplets": "two.npy"}, UserError, r"has shape \(80, 2\); must be rows of three stimuli"),
        ({"triplets": "half.npy"}, UserError, "stimuli must be whole numbers"),
        ({"triplets": "none.npy"}, UserError, "has no triplets"),
        ({"triplets": "few.npy"}, UserError, "5 triplets are too few; needs two of different stimuli"),
        ({"triplets": "same.npy"}, UserError, "row 1 has one stimulus twice"),
        ({"triplets": "four.npy"}, UserError, r"row \d+: the odd one, \d+, is none of"),
        ({"triplets": "ragged.txt"}, UserError, "row 2 has 2 numbers, the first 3"),
        ({"triplets": "words.txt"}, UserError, "words.txt"),
        ({"triplets": "columns.csv"}, UserError, r"has no column stimulus_2 \(columns: image1, second"),
        ({"triplets": "odd.csv"}, UserError, "has no column odd_one_out"),
        ({"triplets": "zebra.csv"}, StimulusMismatch, r"1 stimuli have no picture \(zebra\)"),
        ({"triplets": "empty.csv"}, UserError, r"row \d+ has an empty cell; fill it or remove the row"),
        ({"triplets": "other.csv"}, StimulusMismatch, r"no picture \(thing99\)"),
        ({"names": "double.txt"}, UserError, "thing00 is there twice"),
        ({"names": "short.txt"}, UserError, "there is no stimulus 11 of 2"),
        ({"names": "strange.txt"}, StimulusMismatch, r"12 stimuli have no picture \(other"),
        ({"people": "ann"}, UserError, "has no column observer; leave out people:"),
        ({"similarity": "cosine"}, BadValue, "similarity=cosine: must be one of dot, correlation"),
        ({"metric": "kappa"}, BadValue, "metric=kappa: must be one of accuracy, log_likelihood"),
        ({"choice": "x"}, UserError, "unknown key 'choice'"),
        ({"stimuli": ""}, UserError, "stimuli is missing"),
    ):
        with pytest.raises(error, match=words) as told_of:
            load_triplets(described(lab, **lines))
        assert "\n" not in str(told_of.value)
    with pytest.raises(BadValue, match=r"people=zoe: there is nobody of this name \(observers: ann, ben\)"):
        table.to_csv(lab / "names.csv", index=False)
        load_triplets(described(lab, triplets="names.csv", people="zoe"))
    assert len(load_triplets(described(lab, triplets="one.npy", first=1)).sets) == 80  # as it advises


def test_numbers_are_refused_where_their_order_is_in_doubt(lab: Path) -> None:
    rows, _ = told(lab)
    np.save(lab / "t.npy", rows)
    names = [f"thing{i}" for i in range(12)]
    with pytest.raises(UserError, match="are in another order by the numbers in them; write names: with a file"):
        read_triplets(lab / "t.npy", sorted(names))
    sets, odd, _ = read_triplets(lab / "t.npy", sorted(names), names)
    there = np.array([sorted(names).index(name) for name in names])[rows]
    assert np.array_equal(sets, np.sort(there, axis=1)) and np.array_equal(sets[np.arange(80), odd], there[:, 2])
    alike = pd.DataFrame([[1, 2, 3, 2], [3, 1, 2, 3]], columns=["item1", "item2", "item3", "odd"])
    alike.to_csv(lab / "alike.csv", index=False)
    with pytest.raises(UserError, match="the odd ones are stimuli and places 1, 2, 3 alike"):
        read_triplets(lab / "alike.csv", ["1", "2", "3"])


# Networks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("similarity", ["dot", "correlation"])
def test_a_network_answers_by_its_layers(registry: Path, lab: Path, similarity: str) -> None:
    """From its features, as they come and as NumPy multiplies or correlates them."""
    from mlspatial.models.extract import extract
    from mlspatial.models.sinks import Features
    from mlspatial.registry.models import select

    toys.trained()
    rows, who = told(lab)
    write_names(lab, rows, who, True).to_csv(lab / "t.csv", index=False)
    path = described(lab, triplets="t.csv", similarity=similarity)
    (run_id,) = run_score(benchmarks=str(path), metrics="own,log_likelihood", layers="first.1,second.1")
    table = table_of(run_id).set_index(["metric", "layer"])
    found = load_triplets(path)
    module, spec = select("study=s")[0].load()
    sink = Features()
    extract(module, spec, found.stimuli, ("first.1", "second.1"), sink)
    for layer in ("first.1", "second.1"):
        features = sink.pop(layer)["features"].astype(np.float64)
        matrix = features @ features.T if similarity == "dot" else np.corrcoef(features)
        pairs = squareform(matrix, checks=False)
        odd = [int(np.argmax([matrix[b, c], matrix[a, c], matrix[a, b]])) for a, b, c in found.sets]
        row = table.loc[("accuracy", layer)]
        assert row.raw == pytest.approx((np.array(odd) == found.odd).mean()) and row.n == 80
        assert row.distinct == len(np.unique(found.sets, axis=0)) < 80
        assert row.ceiled == pytest.approx(row.raw / row.ceiling) and row.similarity == similarity
        likely = table.loc[("log_likelihood", layer)]
        assert likely.raw == pytest.approx(found.score(pairs, "log_likelihood").raw, abs=1e-6)
    assert table.loc["accuracy"].committed.sum() == 1
    (layer,) = found.scores(Layer({"dot": pairs, "pattern": pairs}, lambda: 1), "accuracy", Way())
    assert layer.raw == pytest.approx(row.raw)
