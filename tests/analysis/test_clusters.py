"""Contexts that share an object are no independent draws: what one object does with a factor is no main effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlspatial.analysis.anova import unit_variance_split, variance_split
from mlspatial.analysis.curves import monotonicity, width
from mlspatial.analysis.factorisation import factorisation
from mlspatial.analysis.manifold import discriminability, information, path
from mlspatial.analysis.marginals import marginals, unbiased_variances
from mlspatial.analysis.subspaces import dimensions
from mlspatial.analysis.tuning import tuning
from mlspatial.core.crossing import Crossing, Factor
from tests.analysis.crossings import crossing_of, responses_of

OBJECTS, SCENES, LEVELS, UNITS = 8, 4, 6, 30
OF_CONTEXT = np.arange(OBJECTS * SCENES) // SCENES


def crossing() -> Crossing:
    """Of x, on 8 objects in 4 scenes each."""
    return replace(crossing_of({"x": LEVELS}, OBJECTS * SCENES), clusters=tuple(int(o) for o in OF_CONTEXT))


def responses(rng: np.random.Generator, main: float = 0.0) -> np.ndarray:
    """(rows, UNITS): an effect of x that is the same everywhere, one that each object has of its own, and noise."""
    effect = main * rng.normal(size=(LEVELS, 1, UNITS))
    own = rng.normal(size=(LEVELS, OBJECTS, UNITS))[:, OF_CONTEXT]
    noise = 0.5 * rng.normal(size=(LEVELS, OBJECTS * SCENES, UNITS))
    return responses_of(crossing(), effect + own + noise)


def test_what_objects_do_is_no_main_effect() -> None:
    """Without a main effect its component is 0 on average, its interval holds 0, its p are even, its d' is none."""
    rng, design = np.random.default_rng(0), crossing()
    found, variances, held, p, steps, known = [], [], [], [], [], []
    for _ in range(60):
        given = responses(rng)
        share = variance_split(given @ given.T, design)[0]
        found.append(share.component_share)
        held.append(share.low <= 0 <= share.high)
        variances.append(unbiased_variances(marginals(given @ given.T, [design]).independent, np.arange(OBJECTS))[0])
        p += list(tuning(given, design, rng, 99)[0].p)
        steps += [step.distance.value for step in discriminability(given @ given.T, design, "x")]
        known += [one.mean.value for one in information([given + 10], design, "x")]
    for values in (found, variances, steps, known):
        assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60), np.mean(values)
    assert np.mean(held) > 0.85 and np.mean(np.array(p) < 0.05) < 0.09
    blind = replace(design, clusters=tuple(range(OBJECTS * SCENES)))  # as if all contexts were drawn apart
    given = responses(rng)
    assert variance_split(given @ given.T, blind)[0].low > 0


def test_a_main_effect_is_found_at_its_size() -> None:
    """Variances: 1 of the main effect, 1 of each object's own, .25 of noise; 5 of 6 of each is about the mean."""
    rng, design, found = np.random.default_rng(1), crossing(), []
    for _ in range(60):
        given = responses(rng, 1.0)
        found.append([share.component / UNITS for share in variance_split(given @ given.T, design)[:3]])
    x, context, both = np.mean(found, axis=0)
    assert x == pytest.approx(5 / 6, rel=0.1)
    assert context == pytest.approx(1.25 / 6, rel=0.1)  # the means over levels
    assert both == pytest.approx(1.25 * 5 / 6, rel=0.1)


def test_units_and_populations_agree_and_single_contexts_are_as_before() -> None:
    given = responses(np.random.default_rng(2), 0.5)
    for design in (crossing(), replace(crossing(), clusters=tuple(range(OBJECTS * SCENES)))):
        whole = variance_split(given @ given.T, design)
        units = unit_variance_split(given, design)
        assert units.component.sum(axis=1) == pytest.approx([one.component for one in whole])
        assert units.ss.sum(axis=1) == pytest.approx([one.ss for one in whole])


def test_errors_are_over_objects() -> None:
    """The jackknife leaves out one object with all its scenes: as by hand."""
    given = responses(np.random.default_rng(3), 1.0)
    gram, design = given @ given.T, crossing()

    def without(leave: int) -> Crossing:
        kept = leave != OF_CONTEXT
        order = {o: k for k, o in enumerate(np.unique(OF_CONTEXT[kept]))}
        return Crossing("c", design.factors, design.rows[:, kept], (), tuple(order[o] for o in OF_CONTEXT[kept]))

    parts = [without(leave) for leave in range(OBJECTS)]

    def by_hand(values: list[float]) -> float:
        return float(np.sqrt((OBJECTS - 1) / OBJECTS * np.square(np.array(values) - np.mean(values)).sum()))

    shares = [variance_split(gram, part)[0].component_share for part in parts]
    assert variance_split(gram, design)[0].error == pytest.approx(by_hand(shares))
    whole, paths = path(gram, design, "x"), [path(gram, part, "x") for part in parts]
    assert whole.debiased.error == pytest.approx(by_hand([one.debiased.value for one in paths]))
    assert whole.within.error == pytest.approx(by_hand([one.within.value for one in paths]))


def test_debiased_numbers_are_those_of_objects_means() -> None:
    """As of responses that were averaged over each object's scenes first."""
    rng = np.random.default_rng(4)
    first = crossing()
    second = replace(crossing_of({"y": LEVELS}, OBJECTS * SCENES, first=first.rows.size), clusters=first.clusters)
    given = rng.normal(size=(first.rows.size + second.rows.size, UNITS))
    few = [crossing_of({"x": LEVELS}, OBJECTS), crossing_of({"y": LEVELS}, OBJECTS, first=LEVELS * OBJECTS)]
    means = np.concatenate([given[c.rows].reshape(LEVELS, OBJECTS, SCENES, UNITS).mean(2) for c in (first, second)])
    averaged = means.reshape(-1, UNITS)
    gram, of_means = given @ given.T, averaged @ averaged.T
    ours, theirs = marginals(gram, [first, second]), marginals(of_means, few)
    for one, other in zip(dimensions(ours), dimensions(theirs), strict=True):
        assert one.debiased.value == pytest.approx(other.debiased.value, nan_ok=True)
        assert one.stability.error == pytest.approx(other.stability.error)
    for one, other in zip(factorisation(gram, [first, second]), factorisation(of_means, few), strict=True):
        assert one.debiased.value == pytest.approx(other.debiased.value, nan_ok=True)
        assert one.debiased.error == pytest.approx(other.debiased.error, nan_ok=True)
    steps = zip(discriminability(gram, first, "x"), discriminability(of_means, few[0], "x"), strict=True)
    assert all(one.d_prime.value == pytest.approx(other.d_prime.value, nan_ok=True) for one, other in steps)


def test_angles_go_the_shorter_way_on() -> None:
    """Views of the back, which cross 180 degrees, and a whole circle that does not begin at -180."""
    back = Factor("rot_1", "circular", (150.0, 165.0, 180.0, -165.0, -150.0), "deg")
    rising = np.arange(5.0)[:, None]
    peak = np.array([0.0, 1.0, 2.0, 1.0, 0.0])[:, None]
    assert monotonicity(rising, back) == pytest.approx(1.0)
    assert width(peak, back) == pytest.approx(30.0)
    turn = Factor("rot_1", "circular", (0.0, 90.0, 180.0, -90.0), "deg")
    plain = Crossing("turn", (turn,), np.arange(4 * 8).reshape(4, 8))
    angles = np.deg2rad([0, 90, 180, 270])
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)[:, None]
    noise = 0.1 * np.random.default_rng(5).normal(size=(4, 8, 2))
    given = (circle + noise).reshape(-1, 2)
    per_unit = [step.per_unit.value for step in discriminability(given @ given.T, plain, "rot_1")]
    assert min(per_unit) > 0
    assert [step.per_unit.value * 90 for step in discriminability(given @ given.T, plain, "rot_1")] == pytest.approx(
        [step.d_prime.value for step in discriminability(given @ given.T, plain, "rot_1")]
    )
    last = information([given + 2], plain, "rot_1")[-1]
    assert (last.low, last.high) == (180.0, -90.0) and last.within.value < 1.0
