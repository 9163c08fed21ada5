"""Of analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mlspatial.analysis import (
    bootstrap,
    decoding,
    gram,
    gsn,
    kernel_ridge,
    matching,
    pls,
    ridge,
    svc,
    versa,
    yardsticks,
)
from mlspatial.analysis.dots import Dots
from mlspatial.analysis.fixed_split import InnerProducts, split_ridge
from mlspatial.analysis.projection import SparseProjection
from mlspatial.analysis.reverse_pls import ReversePLS
from mlspatial.analysis.splits import k_folds
from mlspatial.core.latents import Latent
from tests.meta.register import CASES, FINITE, HOST, READS, Case, case, double, tensor

N, WIDTH, TARGETS = 40, 90, 6
FOLDS = k_folds(N, seed=0, folds=2)


def square(device: str, n: int = N) -> torch.Tensor:
    given = double(device, n, WIDTH)
    return given @ given.T


@case()
def products(device: str) -> Any:
    x, left = tensor(device, N, WIDTH), torch.empty(N, WIDTH, device=device)
    gram._centre(x, x.mean(0), left, torch.empty(N, dtype=torch.float64, device=device))
    made = torch.zeros(N, N, device=device)
    gram._multiply(x, made)
    rows, columns = torch.arange(3, device=device), torch.arange(5, device=device)
    return [gram.upper_product(x), gram.upper_product(x, made, more=True), left, gram.block(made, rows, columns)]


@case("chooses float64 where float32 squares vanish or few directions drown the others, and " + FINITE)
def gram_matrix(device: str) -> Any:
    made = gram.Gram(N)
    made.add(tensor(device, N, WIDTH))
    made._check(tensor(device, N, WIDTH))
    return made.packed()


@case("the same, and " + HOST)
def pattern_gram(device: str) -> Any:
    made = gram.PatternGram(N)
    made.add(tensor(device, N, WIDTH))
    return made.patterns(), made.correlations()


@case("sums are float64 on the host")
def dot_products(device: str) -> Any:
    made = Dots(N)
    made.add(tensor(device, N, WIDTH))
    return made.condensed()


@case(FINITE)
def inner_products(device: str) -> Any:
    made = InnerProducts(N)
    made.add(tensor(device, N, WIDTH))
    known, new = np.random.default_rng(0).normal(size=(30, 4)), np.random.default_rng(1).normal(size=(10, 4))
    return split_ridge(made, np.arange(30), np.arange(30, N), known, new, [np.arange(4)], (1.0, 10.0)).r


def _fold(device: str) -> ridge.RidgeFold:
    return ridge.RidgeFold.from_gram(square(device), double(device, 7, N), device=device)


@case()
def ridge_fold(device: str) -> Any:
    fold, alphas = _fold(device), (0.1, 1.0, 10.0)
    chunk = ridge._Chunk.of(fold, double(device, N, TARGETS))
    duals = list(chunk.duals(alphas))
    errors, blocks = fold._loo_errors(alphas), fold._block_errors(alphas, [np.arange(20), np.arange(20, N)])
    scores = [ridge._score(chunk.centred, errors(1, duals[1]), criterion) for criterion in ridge.CRITERIA]
    weights = 1.0 / (fold.values[:, None] + 1.0)
    return [fold.values, fold.test, *duals, chunk.dual(weights, 1.0), *scores, blocks(0, duals[0])]


@case(FINITE)
def ridge_from_features(device: str) -> Any:
    wide, narrow = double(device, N, WIDTH), double(device, N, 5)
    return [ridge.RidgeFold.from_features(x[:30], x[30:], device=device).test for x in (wide, narrow)]


@case(FINITE)
def ridge_fit(device: str) -> Any:
    fold, targets = _fold(device), double(device, N, TARGETS)
    fitted = fold.fit(targets, (0.1, 1.0))
    return fitted.alpha, fitted.predictions, fold.loo_predictions(targets, fitted.alpha), fold.predict(targets, 1.0)


@case("the scale of its penalties is a number, and " + HOST)
def kernel_ridge_regression(device: str) -> Any:
    y = np.random.default_rng(0).normal(size=(N, TARGETS))
    return kernel_ridge.cross_validated_ridge(square("cpu").numpy(), [y], FOLDS, device)


@case("iterations on matrices of neuroids x neuroids are the host's")
def partial_least_squares(device: str) -> Any:
    y = np.random.default_rng(0).normal(size=(N, TARGETS))
    return pls.cross_validated_pls_many(square("cpu").numpy(), [y], FOLDS, components=3, device=device)


@case()
def support_vector_parts(device: str) -> Any:
    beta, signs = double(device, N, 3), double(device, N, 3).sign()
    made = svc.Svc(np.arange(3), beta, beta.sum(0), 1)
    return made.decide(double(device, 7, N)), svc._objective(beta, beta, signs, 1.0)


@case("Newton's steps end when the sets of support vectors stay, whose sizes are numbers")
def support_vectors(device: str) -> Any:
    labels = np.arange(N) % 3
    machine = svc.fit_svc(square(device), labels, c=1.0, device=device)
    return (
        machine.coefficients,
        machine.predict(square(device)),
        svc.predict_logistic(square(device), square(device), labels),
    )


@case(HOST)
def read_outs(device: str) -> Any:
    values = {"z": np.linspace(0, 1, N), "category": np.arange(N) % 3}
    latents = [Latent("z", "m", "linear"), Latent("category", "", "category", categories=("a", "b", "c"))]
    given = decoding.decode(tensor(device, N, WIDTH), values, latents, FOLDS, device=device)
    gram = decoding.decode(square(device), values, latents, FOLDS, is_gram=True, device=device)
    return np.array([one.value for one in [*given, *gram]])


@case(FINITE)
def voxels(device: str) -> Any:
    responses = np.random.default_rng(0).normal(size=(N, 12))
    return versa.versa(tensor(device, N, WIDTH), responses, *versa.halves(N), device=device).predicted


@case("whether a matrix is a covariance already is known when its factor fails")
def nearest_covariance(device: str) -> Any:
    there = np.random.default_rng(0).normal(size=(N, N))
    made, root = gsn._nearest(there + there.T, device)
    return made, root()


@case()
def matched_moments(device: str) -> Any:
    return matching._correlations(matching._moments(double(device, N, WIDTH), double(device, N, TARGETS)))


@case(FINITE)
def matched_units(device: str) -> Any:
    made = matching.OneToOne(np.random.default_rng(0).normal(size=(N, TARGETS)), FOLDS)
    made.add(tensor(device, N, WIDTH))
    return made.correlations()


@case(FINITE)
def reverse_predictivity(device: str) -> Any:
    made = ReversePLS(np.random.default_rng(0).normal(size=(N, TARGETS)), FOLDS, components=2)
    made.add(tensor(device, N, WIDTH))
    made.rewind()
    made.add(tensor(device, N, WIDTH))
    return made.correlations()


@case()
def bootstrap_moments(device: str) -> Any:
    return bootstrap._moments(tensor(device, N, TARGETS), tensor(device, 9, N))


@case()
def totals(device: str) -> Any:
    return yardsticks._total(square(device), double(device, N, 3))


@case("torch has no sparse matrices without numbers")
def random_projection(device: str) -> Any:
    made = SparseProjection(WIDTH, 20, 0)
    sums = torch.zeros(N, 20, device=device)
    made.add(sums, tensor(device, N, WIDTH), 0)
    return sums, made.project(tensor(device, N, WIDTH))


def yardstick(name: str) -> Case:
    def measured(device: str) -> Any:
        shown = yardsticks.representation_of(np.random.default_rng(0).normal(size=(60, WIDTH)))
        responses = np.random.default_rng(1).normal(size=(60, 30))
        return np.array(yardsticks.METRICS[name](shown, responses, k_folds(60, seed=0, folds=3), device=device).raw)

    return measured


CASES |= {f"metric_{name}": yardstick(name) for name in yardsticks.METRICS}
READS |= dict.fromkeys([f"metric_{name}" for name in yardsticks.METRICS], HOST)
