"""Linear support vector classification of many classes from one Gram matrix, solved exactly.

For every class against the rest, liblinear's objective (sklearn.svm.LinearSVC's default) is

    1/2 (|w|^2 + b^2) + C sum_i max(0, 1 - y_i f_i)^2      f_i = w x_i + b

with the intercept b penalised like a weight, which is a feature that is 1 everywhere: K is the Gram matrix plus 1.
With A the stimuli that violate their margin, the optimum is beta_A = (K_AA + 1/2C)^-1 y_A, 0 elsewhere. Newton's
method repeats "solve, find A anew" until A stays. The inverse for all stimuli is computed once and shared by all
classes; dropping the stimuli outside of A from it costs a system of their number (a Schur complement).
Source: Keerthi and DeCoste 2005 (the method); Fan et al. 2008 (liblinear's objective).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from mlspatial.analysis.device import exact, exact_device
from mlspatial.analysis.gram import block
from mlspatial.analysis.ridge import Array
from mlspatial.analysis.threads import one_thread
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

Scheme = Literal["multinomial", "one_vs_rest"]
VERSION = "1"
SCHEMES = ("multinomial", "one_vs_rest")
CATEGORY_C = 5e-3  # Xie et al. 2025, the authors' decoder
LOGISTIC_C = 1.0  # scikit-learn's default; the papers use none
TOLERANCE = 1e-9  # of the optimality condition, in units of the margin
MOST_ITERATIONS = 100  # five to ten are usual
FIRST_SHARE = 0.2  # of the stimuli, in the first set; any works, this took the fewest steps
BORDER_SHARE = 0.2  # of the set: with more changes a new factorisation takes less time
WORST_CONDITION = 1e8  # bound on it with which the inverse for all stimuli is still used
HOPELESS_CONDITION = 1e12  # and with which a solution is tried
MOST_BYTES = 2**28  # of Cholesky factors held at once
SMALLEST_STEP = 2.0**-20


@dataclass(frozen=True)
class Svc:
    """classes: (k,) labels in sorted order; coefficients: (n, k) dual; objective: (k,) liblinear's, of each class
    against the rest; iterations: Newton steps until the last class was done. Two classes mirror each other."""

    classes: np.ndarray
    coefficients: torch.Tensor
    objective: torch.Tensor
    iterations: int

    def decide(self, across: Array) -> torch.Tensor:
        """Decision values, (m, k). across: (m, n) uncentred inner products of test with training features."""
        return exact(torch.as_tensor(across)).to(self.coefficients) @ self.coefficients + self.coefficients.sum(dim=0)

    def predict(self, across: Array) -> np.ndarray:
        """The class with the largest decision value for every row of `across`, (m,)."""
        return self.classes[self.decide(across).argmax(dim=1).cpu().numpy()]


def fit_svc(
    within: Array, labels: np.ndarray, *, c: float = CATEGORY_C, start: Array | None = None, device: str = "cpu"
) -> Svc:
    """Fit all classes against the rest.

    within: (n, n) inner products of the training features, not centred; labels: (n,) of any sortable type; c: the
    weight of the violations; start: (n, k) decision values to begin from, such as those of an overlapping fold with
    the same classes: the optimum does not depend on it, the number of steps does.
    Raises UserError for fewer than two classes or features of a scale beyond double precision, BadValue for c not above
    0, StimulusMismatch for shapes that do not fit.
    """
    device = exact_device(device)
    gram = exact(torch.as_tensor(within)).to(device, torch.float64)
    classes, codes = _classes(gram, labels)
    if not 0 < c < np.inf:
        raise BadValue("c", c, "must be above 0")
    signs = torch.full((len(gram), len(classes)), -1.0, dtype=torch.float64, device=device)
    signs[torch.arange(len(gram)), torch.as_tensor(codes)] = 1.0
    if start is not None and start.shape != signs.shape:
        raise StimulusMismatch(f"start is {tuple(start.shape)}, expected {tuple(signs.shape)}")
    at_once = max(1, int(MOST_BYTES / (8 * (len(gram) / 2) ** 2)))
    with one_thread():
        problem = _Problem(gram, signs, c)
        violates = problem.guess() if start is None else signs * exact(torch.as_tensor(start)).to(signs) < 1.0
        parts = [_newton(problem, columns, violates) for columns in torch.arange(len(classes)).split(at_once)]
    beta, objective, steps = zip(*parts, strict=True)
    return Svc(classes, torch.cat(beta, dim=1), torch.cat(objective), max(steps))


def _newton(problem: _Problem, columns: torch.Tensor, violates: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """(n, columns) coefficients of some classes, their objectives, and the number of steps."""
    signs = problem.signs[:, columns]
    solvers = [_Subsets(column) for column in columns.tolist()]
    beta = _solve(problem, solvers, violates[:, columns])
    decision = problem.decide(beta)
    for iteration in range(MOST_ITERATIONS):
        margin = 1.0 - signs * decision
        rounding = 8.0 * torch.finfo(torch.float64).eps * problem.largest * beta.abs().sum(dim=0)
        residual = (problem.ridge * beta - signs * margin.clamp(min=0.0)).abs().amax(dim=0)
        todo = (residual > rounding.clamp(min=TOLERANCE)).nonzero().ravel()
        if not len(todo):
            return beta, _objective(beta, decision, signs, problem.c), iteration
        step = _solve(problem, [solvers[i] for i in todo.tolist()], margin[:, todo] > 0) - beta[:, todo]
        ahead = problem.decide(step)
        size = _step_size(beta[:, todo], decision[:, todo], step, ahead, signs[:, todo], problem.c, rounding[todo])
        beta[:, todo] += size * step
        decision[:, todo] += size * ahead
    raise problem.too_large(f"{len(todo)} classes have no support vector solution after {MOST_ITERATIONS} steps")


class _Problem:
    """What all classes share. signs: (n, k), 1 for the class and -1 for the rest."""

    def __init__(self, gram: torch.Tensor, signs: torch.Tensor, c: float) -> None:
        self.signs, self.c, self.ridge = signs, c, 1.0 / (2.0 * c)
        self.shifted = gram + 1.0  # the intercept
        self.largest = float(self.shifted.diagonal().max())
        condition = float(self.shifted.diagonal().sum()) / self.ridge
        if condition > HOPELESS_CONDITION:
            raise self.too_large("there is no support vector solution in double precision")
        # An inverse carries the condition number into the solution, a Cholesky factor does not.
        self.may_invert = condition < WORST_CONDITION
        self.shifted.diagonal().add_(self.ridge)

    def too_large(self, what: str) -> UserError:
        return UserError(
            f"{what} with c={self.c} and features of squared length up to {self.largest:.2g}; "
            "divide the features by their standard deviation"
        )

    def decide(self, beta: torch.Tensor) -> torch.Tensor:
        return self.shifted @ beta - self.ridge * beta

    @cached_property
    def inverse(self) -> torch.Tensor:
        """(K + 1/2C)^-1 for all stimuli."""
        return torch.cholesky_inverse(torch.linalg.cholesky(self.shifted))

    @cached_property
    def everyone(self) -> torch.Tensor:
        """beta when every stimulus violates its margin, (n, k)."""
        return self.inverse @ self.signs

    def guess(self) -> torch.Tensor:
        """Who may violate the margin, (n, k) bool: the class, and of the rest those that look most like it to a least
        squares fit of all others (its leave-one-out prediction). Small sets are solved fast, and grow if need be."""
        left_out = self.signs - self.everyone / self.inverse.diagonal()[:, None]
        return (self.signs > 0) | (left_out > torch.quantile(left_out, 1.0 - FIRST_SHARE, dim=0))


def _solve(problem: _Problem, solvers: Sequence[_Subsets], violates: torch.Tensor) -> torch.Tensor:
    """(n, classes): beta for the given sets of violating stimuli, (n, classes) bool."""
    beta = torch.zeros_like(problem.signs[:, : len(solvers)])
    dropped = torch.zeros_like(beta)
    by_dropping = (violates.sum(dim=0) > len(violates) / 2).tolist() if problem.may_invert else [False] * len(solvers)
    for place, solver in enumerate(solvers):
        if by_dropping[place]:
            dropped[:, place] = solver.solve(problem.inverse, problem.everyone, ~violates[:, place])
        else:
            beta[:, place] = solver.solve(problem.shifted, problem.signs, violates[:, place])
    if any(by_dropping):  # beta = everyone - inverse[:, out] (inverse[out, out])^-1 everyone[out]
        places = torch.tensor(by_dropping).nonzero().ravel()
        columns = [solvers[i].column for i in places.tolist()]
        found = problem.everyone[:, columns] - problem.inverse @ dropped[:, places]
        beta[:, places] = torch.where(violates[:, places], found, 0.0)
    return beta


class _Subsets:
    """Solves matrix[s, s] x = right[s] for one set s of stimuli after the other, of one class.

    The first set of a matrix is factorised; a set that differs from it by few stimuli is solved by bordering.
    """

    def __init__(self, column: int) -> None:
        self.column = column
        self._base: _Base | None = None

    def solve(self, matrix: torch.Tensor, right: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
        """matrix: (n, n) positive definite; right: (n, k); members: (n,) bool. Returns (n,), 0 outside of the set."""
        if self._base is not None and self._base.matrix is matrix:
            solution = self._base.bordered(members)
            if solution is not None:
                return solution
        self._base = _Base.of(matrix, right[:, self.column], members)
        return self._base.solution()


@dataclass(frozen=True)
class _Base:
    """A factorised set. rows: (m,) its stimuli; lower: (m, m) Cholesky factor; half: (m, 1) lower^-1 right[rows]."""

    matrix: torch.Tensor
    right: torch.Tensor
    members: torch.Tensor
    rows: torch.Tensor
    lower: torch.Tensor
    half: torch.Tensor

    @classmethod
    def of(cls, matrix: torch.Tensor, right: torch.Tensor, members: torch.Tensor) -> _Base:
        rows = members.nonzero().ravel()
        lower = torch.linalg.cholesky(block(matrix, rows, rows))
        half = torch.linalg.solve_triangular(lower, right[rows, None], upper=False)
        return cls(matrix, right, members, rows, lower, half)

    def solution(self) -> torch.Tensor:
        solution = torch.zeros_like(self.right)
        solution[self.rows] = torch.linalg.solve_triangular(self.lower.T, self.half, upper=True).ravel()
        return solution

    def bordered(self, members: torch.Tensor) -> torch.Tensor | None:
        """The solution for another set, None when it differs by too many stimuli.

        Stimuli that come get rows and columns of their own; those that go a multiplier that holds them at 0.
        """
        come, go = (members & ~self.members).nonzero().ravel(), (~members)[self.rows].nonzero().ravel()
        m, new, changes = len(self.rows), len(come), len(come) + len(go)
        if changes > BORDER_SHARE * m:
            return None
        border = torch.zeros(m, changes, dtype=self.matrix.dtype, device=self.matrix.device)
        border[:, :new] = block(self.matrix, self.rows, come)
        border[go, torch.arange(new, changes, device=self.matrix.device)] = 1.0
        through = torch.linalg.solve_triangular(self.lower, border, upper=False)
        corner = -through.T @ through
        corner[:new, :new] += block(self.matrix, come, come)
        rest = -through.T @ self.half
        rest[:new, 0] += self.right[come]
        outer = torch.linalg.solve(corner, rest)
        inner = torch.linalg.solve_triangular(self.lower.T, self.half - through @ outer, upper=True)
        solution = torch.zeros_like(self.right)
        solution[self.rows] = inner.ravel()
        solution[self.rows[go]] = 0.0
        solution[come] = outer[:new, 0]
        return solution


def _objective(beta: torch.Tensor, decision: torch.Tensor, signs: torch.Tensor, c: float) -> torch.Tensor:
    """liblinear's, one a class: |w|^2 + b^2 is beta K beta, and K beta are the decision values."""
    violations = (1.0 - signs * decision).clamp(min=0.0)
    return 0.5 * (beta * decision).sum(dim=0) + c * (violations**2).sum(dim=0)


def _step_size(
    beta: torch.Tensor,
    decision: torch.Tensor,
    step: torch.Tensor,
    ahead: torch.Tensor,
    signs: torch.Tensor,
    c: float,
    rounding: torch.Tensor,
) -> torch.Tensor:
    """1 for nearly every class; halved until the objective does not rise, without which the sets may cycle."""
    before = _objective(beta, decision, signs, c)
    allowed = before * (1.0 + 1e-12) + rounding * (beta.abs() + step.abs()).sum(dim=0)
    size = torch.ones_like(before)
    while True:
        rises = _objective(beta + size * step, decision + size * ahead, signs, c) > allowed
        if not (rises & (size > SMALLEST_STEP)).any():
            return size
        size = torch.where(rises, size / 2.0, size)


def predict_logistic(
    within: Array, across: Array, labels: np.ndarray, *, c: float = LOGISTIC_C, scheme: Scheme = "multinomial"
) -> np.ndarray:
    """Classes of the test stimuli by L2-penalised logistic regression, the intercept free (scikit-learn, L-BFGS), (m,).

    within: (n, n), across: (m, n) inner products from one origin; labels: (n,); c: inverse strength of the penalty;
    scheme: one multinomial model of all classes, or one model a class against the rest. The penalty does not change
    when the features are rotated, so the n coordinates that reproduce the Gram matrix stand for any number of features.
    Raises UserError for fewer than two classes, BadValue for an unknown scheme or c, StimulusMismatch for shapes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    if scheme not in SCHEMES:
        raise BadValue("scheme", scheme, f"must be one of {', '.join(SCHEMES)}")
    if not 0 < c < np.inf:
        raise BadValue("c", c, "must be above 0")
    gram = torch.as_tensor(within).cpu().double()
    _classes(gram, labels)
    values, vectors = np.linalg.eigh(gram.numpy())
    kept = values > max(values.max(), 0.0) * len(values) * np.finfo(np.float64).eps
    roots = np.sqrt(values[kept])
    model = LogisticRegression(C=c, max_iter=5000)
    if scheme == "one_vs_rest":
        model = OneVsRestClassifier(model)
    model.fit(vectors[:, kept] * roots, labels)
    return model.predict(torch.as_tensor(across).cpu().double().numpy() @ vectors[:, kept] / roots)


def _classes(gram: torch.Tensor, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if gram.shape != (len(labels), len(labels)):
        raise StimulusMismatch(f"a Gram matrix of shape {tuple(gram.shape)} does not fit {len(labels)} labels")
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"the training stimuli have {len(classes)} class, classification needs 2; use other stimuli")
    return classes, codes
