"""One-to-one mapping: every neuroid is explained by a unit of its own, as it is, without weights.

A regression may rotate and mix units, so it cannot see whether single units are tuned as single neurons are. Here each
neuroid is given one unit, no unit twice, such that the sum of training correlations is largest (a linear sum
assignment), and the correlation on the test stimuli is reported.

Soft matching (Khosla and Williams 2024) is the symmetric form of this: both populations carry mass 1, spread evenly,
and the best transport between them replaces the assignment. For populations of equal size the best transport is a
permutation, and both agree (Birkhoff). A layer has many more units than there are neuroids; soft matching then asks
that every unit be used, one-to-one mapping leaves most of them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, eye_array, kron, vstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from mlspatial.analysis.device import exact, sent
from mlspatial.analysis.pls import Split
from mlspatial.core.errors import StimulusMismatch, UserError

VERSION = "1"
CONSTANT = 1e-12  # share of a unit's squares below which what varies within a subset of stimuli is only rounding
MOST_PAIRS = 250_000  # of soft matching: a linear program of 86,000 unknowns takes 2.4 s, time grows with their square


class OneToOne:
    """Best unit for every neuroid, from units that come in chunks and are not kept.

    responses: (n stimuli, neuroids), finite; folds: (train, test) indices. Units are correlated in float64 on the
    device of the chunks.

    For each fold only the q best candidates of every neuroid are kept, q = number of neuroids, and the assignment
    stays exact. Proof: take a best assignment among all units in which a neuroid has a unit outside of its q best. The
    other q - 1 neuroids occupy at most q - 1 of these, so one is free, and it correlates at least as well; moving the
    neuroid there loses nothing and moves nobody else. At most q such moves lead to an equally good assignment within
    the candidates. Memory: 3 x folds x neuroids^2 numbers, whatever the number of units.
    """

    def __init__(self, responses: np.ndarray, folds: Sequence[Split]) -> None:
        values = np.asarray(responses, np.float64)
        if values.ndim != 2 or not np.isfinite(values).all():
            raise UserError(f"responses of shape {values.shape} must be (stimuli, neuroids) and finite")
        self.n, self.neuroids = values.shape
        self.units = 0
        self._responses = torch.from_numpy(values - values.mean(axis=0))
        self._tests = [torch.as_tensor(np.asarray(test)) for _, test in folds]
        self._rests = [torch.from_numpy(np.setdiff1d(np.arange(self.n), train)) for train, _ in folds]
        self._silent = [torch.from_numpy(np.ptp(values[train], axis=0) == 0) for train, _ in folds]
        # whether a fold trains on all that it does not test
        self._whole = [
            torch.equal(rest, test.sort().values) for test, rest in zip(self._tests, self._rests, strict=True)
        ]
        shape = len(folds), self.neuroids, 0
        self._known = self._tested = torch.empty(shape, dtype=torch.float64)
        self._names = torch.empty(shape, dtype=torch.int64)

    def add(self, chunk: torch.Tensor) -> None:
        """Take the next units. chunk: (n stimuli, features). Raises StimulusMismatch for another number of stimuli,
        UserError for values that are not finite."""
        if chunk.ndim != 2 or len(chunk) != self.n:
            raise StimulusMismatch(f"units of shape {tuple(chunk.shape)}, expected ({self.n} stimuli, features)")
        units = exact(chunk.detach()).to(torch.float64)
        if not torch.isfinite(units).all():
            raise UserError("activations are not finite; look at the network, or extract in float32")
        units = units - units.mean(dim=0)
        scale = units.square().sum(dim=0)
        units = units / torch.where(scale > 0, scale, 1.0).sqrt()
        device = units.device
        if self._responses.device != device:
            self._responses, self._known, self._tested, self._names = (
                sent(one, device) for one in (self._responses, self._known, self._tested, self._names)
            )
            for places in (self._tests, self._rests, self._silent):
                places[:] = [sent(one, device) for one in places]
        everything = _moments(units, self._responses)
        names = torch.arange(self.units, self.units + units.shape[1], device=device)
        self.units += units.shape[1]
        kept: list[list[torch.Tensor]] = [[], [], []]
        for fold, (test, rest) in enumerate(zip(self._tests, self._rests, strict=True)):
            of_test = _moments(units[test], self._responses[test])
            of_rest = of_test if self._whole[fold] else _moments(units[rest], self._responses[rest])
            known, varies = _correlations([whole - part for whole, part in zip(everything, of_rest, strict=True)])
            tested, _ = _correlations(of_test)
            silent = self._silent[fold][:, None]  # any unit will do for a neuroid that never changes
            known = torch.where(varies, torch.where(silent, 0.0, known), -torch.inf)
            tested = torch.where(silent, torch.nan, tested)
            columns = (
                torch.cat([self._known[fold], known], dim=1),
                torch.cat([self._tested[fold], tested], dim=1),
                torch.cat([self._names[fold], names.expand(self.neuroids, -1)], dim=1),
            )
            best = columns[0].topk(min(self.neuroids, columns[0].shape[1]), dim=1).indices
            for part, values in zip(kept, columns, strict=True):
                part.append(values.gather(1, best))
        self._known, self._tested, self._names = (torch.stack(part) for part in kept)

    def assigned(self) -> np.ndarray:
        """(splits, neuroids) place of each neuroid's unit in the order in which units were added.

        Raises UserError when there are fewer units that vary over the training stimuli than neuroids.
        """
        return np.take_along_axis(self._names.cpu().numpy(), self._choices()[:, :, None], axis=2)[:, :, 0]

    def correlations(self) -> np.ndarray:
        """(splits, neuroids) Pearson r on the test stimuli; NaN where unit or neuroid is constant there.

        Raises UserError as `assigned`.
        """
        return np.take_along_axis(self._tested.cpu().numpy(), self._choices()[:, :, None], axis=2)[:, :, 0]

    def _choices(self) -> np.ndarray:
        """(splits, neuroids) which of its candidates each neuroid gets."""
        choices = np.empty((len(self._tests), self.neuroids), np.int64)
        for fold, (r, names) in enumerate(zip(self._known.cpu().numpy(), self._names.cpu().numpy(), strict=True)):
            varies = np.isfinite(r)
            units, places = np.unique(names, return_inverse=True)
            places = places.reshape(names.shape)
            rows = np.broadcast_to(np.arange(self.neuroids)[:, None], names.shape)
            # A stored zero would be no edge: correlations are moved above 0, by as much for every neuroid.
            weights = csr_array(
                (r[varies] + 2.0, (rows[varies], places[varies])), shape=(self.neuroids, max(len(units), self.neuroids))
            )
            try:
                neuroids, chosen = min_weight_full_bipartite_matching(weights, maximize=True)
            except ValueError:
                live = len(np.unique(names[varies]))
                raise UserError(
                    f"one-to-one: {live} of {self.units} units vary over the training stimuli of split {fold}, fewer "
                    f"than the {self.neuroids} neuroids; use a wider layer"
                ) from None
            choices[fold, neuroids] = (places[neuroids] == chosen[:, None]).argmax(axis=1)
        return choices


@dataclass(frozen=True)
class SoftMatching:
    """plan: (units of x, units of y) transport, sums to 1; correlation: sum of plan times the Pearson r of the units,
    1 for populations with the same units; distance: the soft-matching distance between the units scaled to length 1,
    sqrt(2 - 2 correlation)."""

    plan: np.ndarray
    correlation: float
    distance: float


def soft_matching(x: np.ndarray, y: np.ndarray) -> SoftMatching:
    """The best transport between two populations with equal shares for all units, exactly, by a linear program.

    x: (n stimuli, units), y: (n stimuli, other units). Symmetric; with equally many units it is the best assignment.
    Raises StimulusMismatch for other stimuli, UserError for constant units or more than 250,000 pairs of units.
    Source: Khosla and Williams 2024, soft matching; HiGHS through SciPy solves it.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise StimulusMismatch(f"populations of shape {x.shape} and {y.shape} did not see the same stimuli")
    a, b = x.shape[1], y.shape[1]
    if a * b > MOST_PAIRS:
        raise UserError(f"soft matching of {a} x {b} units has more than {MOST_PAIRS} unknowns; choose fewer units")
    units = []
    for side in (x, y):
        if (still := np.flatnonzero(~(np.ptp(side, axis=0) > 0))).size:
            raise UserError(f"{still.size} units (first: {still[0]}) are constant or not finite; leave them out")
        rest = side - side.mean(axis=0)
        units.append(rest / np.linalg.norm(rest, axis=0))
    r = units[0].T @ units[1]
    sums = vstack([kron(eye_array(a), np.ones((1, b))), kron(np.ones((1, a)), eye_array(b))])
    shares = np.concatenate([np.full(a, 1 / a), np.full(b, 1 / b)])
    # Mass is counted in units of 1 / max(a, b), so that the solver's absolute tolerances are relative ones.
    solved = linprog(-r.ravel(), A_eq=coo_array(sums), b_eq=shares * max(a, b), bounds=(0, None), method="highs-ds")
    if solved.x is None:
        raise RuntimeError(f"linear program: {solved.message}")
    plan = solved.x.reshape(a, b) / max(a, b)
    correlation = float((plan * r).sum())
    return SoftMatching(plan, correlation, float(np.sqrt(max(0.0, 2 - 2 * correlation))))


def _moments(units: torch.Tensor, responses: torch.Tensor) -> list[torch.Tensor]:
    """Sums over stimuli, from which correlations follow and which are differences for the stimuli that are left."""
    return [
        units.new_full((), len(units)),
        units.sum(dim=0),
        units.square().sum(dim=0),
        responses.sum(dim=0),
        responses.square().sum(dim=0),
        responses.T @ units,
    ]


def _correlations(moments: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """((neuroids, units) Pearson r, NaN where one of the two is constant; (units,) which units vary)."""
    n, x, xx, y, yy, yx = moments
    own_x, own_y = xx - x * x / n, yy - y * y / n
    varies = own_x > CONSTANT * (x * x / n + 1.0)  # units have length 1 over all stimuli
    own_x = torch.where(varies, own_x, torch.nan)
    own_y = torch.where(own_y > CONSTANT * yy, own_y, torch.nan)
    return (yx - torch.outer(y, x) / n) / own_y.sqrt()[:, None] / own_x.sqrt(), varies
