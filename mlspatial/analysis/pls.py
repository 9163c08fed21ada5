"""Neural predictivity by partial least squares, as Brain-Score computes it, from Gram matrices.

PLS needs the features only through their inner products K = X X^T. NIPALS' power iteration on the features-by-
targets matrix, its start and its stopping rule are followed step for step on the small targets-by-targets matrix
Y^T K Y, so that predictions equal those of scikit-learn's PLSRegression(25, scale=False) to rounding, whatever the
number of features.

One K serves all folds and all regions: a fold is a mask on the stimuli, and each component costs two products of K
with one vector a fold and region. Only the small matrices are deflated. For component k with target weights c,

    direction u = Y_k c, x-weights X^T u,  score t = P K u,  h = P K t,  P: away from the earlier scores,
    Y_{k+1}^T K_{k+1} Y_{k+1} = Y_k^T K_k Y_k - x y^T - y x^T,  x = Y^T t / t.t,  y = Y^T h - (t.h / 2) x.

Squares lose half of the digits: a component whose singular value is s times smaller than the largest is known to about
2e-16 s^2 (1e-8 for s = 1e4, measured), and what lies 1e7 times below is rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mlspatial.analysis.device import exact, exact_device, sent
from mlspatial.analysis.gram import Gram
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

COMPONENTS = 25  # Brain-Score, metrics/regression_correlation
TOLERANCE = 1e-6  # scikit-learn's PLSRegression
MOST_ITERATIONS = 500
SPLITS = 10
TRAIN_SIZE = 0.9
SPLIT_SEED = 1
VERSION = "1"
TINY = np.finfo(np.float64).tiny
SPENT = 64 * np.finfo(np.float64).eps  # share of the first component's covariance that is only rounding

Split = tuple[np.ndarray, np.ndarray]


def splits(n: int, strata: Sequence[object] | np.ndarray | None = None) -> list[Split]:
    """Brain-Score's cross-validation: 10 x (90 % train, 10 % test), random_state 1.

    strata: (n,) labels whose shares both sides keep (texture type, object name), None to split without looking at any.
    The indices are into the stimuli in the order of the recorded responses, on which the draws depend.
    Returns (train indices, test indices) pairs. Raises StimulusMismatch when strata are not one a stimulus, UserError
    when a label has one stimulus or a side has fewer stimuli than there are labels.
    Source: brainscore_vision 2.4.2, metric_helpers/transformations.py, which draws with scikit-learn as this does.
    """
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    if strata is None:
        return list(ShuffleSplit(SPLITS, train_size=TRAIN_SIZE, random_state=SPLIT_SEED).split(np.zeros(n)))
    labels = np.asarray(strata)
    if labels.shape != (n,):
        raise StimulusMismatch(f"strata of shape {labels.shape} for {n} stimuli; hand over one label a stimulus")
    values, counts = np.unique(labels, return_counts=True)
    tested = n - int(TRAIN_SIZE * n)
    if counts.min() < 2:
        raise UserError(f"stratum {values[counts.argmin()].item()!r} has one stimulus, a stratified split needs two")
    if tested < len(values):
        raise UserError(f"{tested} of {n} stimuli are tested, fewer than the {len(values)} strata; do not stratify")
    splitter = StratifiedShuffleSplit(SPLITS, train_size=TRAIN_SIZE, random_state=SPLIT_SEED)
    return list(splitter.split(np.zeros(n), labels))


def gram_matrix(features: np.ndarray) -> np.ndarray:
    """(n, p) -> (n, n) float64 inner products of the centred features, by a `Gram`, whose precision it has: float32
    features move a score by less than 1e-6; hand over float64 for exact ones. Raises UserError as Gram does."""
    gram = Gram(len(features))
    gram.add(features)
    return gram.matrix()


def cross_validated_pls(
    gram: np.ndarray,
    responses: np.ndarray,
    folds: Iterable[Split],
    *,
    components: int = COMPONENTS,
    device: str = "cpu",
) -> np.ndarray:
    """Pearson r between predicted and measured test responses, (splits, neuroids); NaN where either is constant.

    gram: (n stimuli, n stimuli) of the features; responses: (n stimuli, neuroids); folds: (train, test) indices,
    e.g. `splits(n)`. Raises UserError when there are not more training stimuli than components.
    """
    return cross_validated_pls_many(gram, [responses], folds, components=components, device=device)[0]


def cross_validated_pls_many(
    gram: np.ndarray,
    responses: Sequence[np.ndarray],
    folds: Iterable[Split],
    *,
    components: int = COMPONENTS,
    device: str = "cpu",
) -> list[np.ndarray]:
    """`cross_validated_pls` of several regions that saw the same stimuli, at little more than the price of one.

    responses: (n stimuli, neuroids) each; each region is a regression of its own. Products with the Gram run in float64
    on `device`, the iterations on the small matrices on the CPU. Where the features are of lower rank than
    `components`, further ones stay out; scikit-learn fits rounding there, with arbitrary predictions.
    Memory: 2 x components x n x folds x regions numbers beside the Gram, and folds x the square of the region's
    neuroids or of n, whichever is less.
    Raises UserError for too few training stimuli and for values that are not finite, StimulusMismatch for other shapes.
    """
    folds = list(folds)
    predicted = predicted_pls_many(gram, responses, folds, components=components, device=device)
    return correlations(predicted, responses, folds)


def correlations(
    predicted: Sequence[Sequence[np.ndarray]], responses: Sequence[np.ndarray], folds: Sequence[Split]
) -> list[np.ndarray]:
    """Pearson r of predictions and responses over each fold's test stimuli, (splits, neuroids) of each region.

    predicted: of each region and fold (n test, neuroids); responses: (n, neuroids) each.
    """
    return [
        np.stack(
            [pearson(part, np.asarray(values, np.float64)[test]) for part, (_, test) in zip(of, folds, strict=True)]
        )
        for of, values in zip(predicted, responses, strict=True)
    ]


def predicted_pls_many(
    gram: np.ndarray,
    responses: Sequence[np.ndarray],
    folds: Iterable[Split],
    *,
    components: int = COMPONENTS,
    device: str = "cpu",
) -> list[list[np.ndarray]]:
    """The predictions that `cross_validated_pls_many` correlates: (n test, neuroids) of every fold of each region."""
    folds = list(folds)
    product = exact(torch.as_tensor(gram)).to(exact_device(device), torch.float64)
    n = len(product)
    for values in responses:
        _check(product, values, n)
    check(folds, components)
    means = product.mean(dim=0)
    product = product - means
    product -= product.mean(dim=1, keepdim=True)  # the origin in the mean of all, for conditioning only
    found = [[np.empty(0)] * len(folds) for _ in responses]
    measured = [np.asarray(values, np.float64) for values in responses]
    for region, split, predicted in _predictions(product, measured, folds, components):
        found[region][split] = predicted
    return found


def predict_pls(
    within: np.ndarray, across: np.ndarray, responses: np.ndarray, *, components: int = COMPONENTS
) -> np.ndarray:
    """Test responses predicted by PLS, (n test, neuroids).

    within: (n train, n train) Gram matrix; across: (n test, n train) inner products of test with training features
    (the same origin, any); responses: (n train, neuroids).
    Source: Rosipal and Trejo 2001 for the kernel form; scikit-learn 1.5's NIPALS for iteration and deflation.
    """
    known, new = len(within), len(across)
    column_means = within.mean(axis=0)
    product = np.zeros((known + new, known + new))  # products between test stimuli are not needed
    product[known:, :known] = across - across.mean(axis=1, keepdims=True) - column_means + column_means.mean()
    product[:known, known:] = product[known:, :known].T
    product[:known, :known] = within - column_means - column_means[:, None] + column_means.mean()
    padded = np.concatenate([responses, np.zeros((new, responses.shape[1]))])
    fold = np.arange(known), np.arange(known, known + new)
    return next(_predictions(torch.from_numpy(product), [padded], [fold], components))[2]


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson r of each column, in float64. a, b: (n, columns). Returns (columns,); NaN where a column is constant."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    flat = (np.ptp(a, axis=0) == 0) | (np.ptp(b, axis=0) == 0)  # rounding of the mean would hide it
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((norms > 0) & ~flat, (a * b).sum(axis=0) / norms, np.nan)


@dataclass
class _Region:
    """Responses of one region in r coordinates: the m neuroids or, where these are more than the stimuli, a basis of
    what they can do, in which every regression is the same but for a turn.

    values: (n, r) without their overall mean; offset: (m,) that mean; means: (folds, r) of the training stimuli; live:
    (folds, m) neuroids that vary in training; covariances: (folds, r, r) Y^T K Y, deflated in place; loadings: (folds,
    components, r); basis: (m, r) orthonormal, None where the coordinates are the neuroids.
    """

    values: torch.Tensor
    offset: np.ndarray
    means: np.ndarray
    live: np.ndarray
    covariances: np.ndarray
    loadings: np.ndarray
    basis: np.ndarray | None

    def starts(self) -> np.ndarray:
        """(folds, r) the first neuroid with a covariance left; zero where none has."""
        found = np.zeros_like(self.means)
        if self.basis is None:
            alive = np.diagonal(self.covariances, axis1=1, axis2=2) > TINY
            found[np.arange(len(alive)), alive.argmax(axis=1)] = alive.any(axis=1)
            return found
        for fold, (covariance, live) in enumerate(zip(self.covariances, self.live, strict=True)):
            for neuroid in np.flatnonzero(live):
                row = self.basis[neuroid]
                if row @ covariance @ row > TINY:
                    found[fold] = row
                    break
        return found

    def shown(self, predicted: np.ndarray, fold: int) -> np.ndarray:
        """(n test, r) predictions less the fold's mean -> (n test, m) of neuroids."""
        predicted = predicted + self.means[fold]
        if self.basis is None:
            return predicted + self.offset
        turned = predicted @ self.basis.T + self.offset
        turned[:, ~self.live[fold]] = turned[:1, ~self.live[fold]]  # nothing but rounding tells these apart
        return turned


def _predictions(
    product: torch.Tensor, responses: Sequence[np.ndarray], folds: Sequence[Split], components: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """(region, split, (n test, neuroids) predicted responses). product: (n, n) float64 inner products, symmetric."""
    n, jobs = len(product), len(folds) * len(responses)
    inside = np.stack([np.isin(np.arange(n), train) for train, _ in folds])
    masks = sent(torch.from_numpy(inside.astype(np.float64)), product.device)
    places = [tuple(sent(torch.from_numpy(np.flatnonzero(side)), product.device) for side in (fold, ~fold))
              for fold in inside]  # fmt: skip
    regions = [_region(product, values, places, components) for values in responses]
    mask = masks.repeat(len(responses), 1)  # job = region x folds + fold
    counts = mask.sum(dim=1, keepdim=True)
    scores = product.new_zeros(jobs, components, n)  # of unit length
    images = product.new_zeros(jobs, components, n)  # K times direction, centred on the training stimuli: all stimuli
    lengths = np.ones((jobs, components))
    first = np.zeros(jobs)  # covariance of the first component

    def through(rows: torch.Tensor) -> torch.Tensor:
        """Centred K times rows that are zero outside and sum to zero inside the training stimuli."""
        image = rows @ product
        return image - (image * mask).sum(dim=1, keepdim=True) / counts

    def away(rows: torch.Tensor, k: int) -> torch.Tensor:
        """The part within the training stimuli, without the earlier scores."""
        rows = (rows * mask)[:, :, None]
        earlier = scores[:, :k]
        return torch.baddbmm(rows, earlier.transpose(1, 2), earlier @ rows, alpha=-1)[:, :, 0]

    for k in range(components):
        directions, old = product.new_zeros(jobs, n), np.zeros((jobs, max(k, 1)))
        for r, region in enumerate(regions):
            mine = slice(r * len(folds), (r + 1) * len(folds))
            weights, sizes = _leading_weights(region.covariances, region.starts())
            weights[sizes <= SPENT * first[mine]] = 0.0  # nothing is left to predict, or to predict it from
            first[mine] = np.where(first[mine] > 0, first[mine], sizes)
            directions[mine] = (
                _on(weights, product) @ region.values.T - _on((weights * region.means).sum(1), product)[:, None]
            )
            old[mine, :k] = np.einsum("skm,sm->sk", region.loadings[:, :k], weights)
        directions *= mask
        if k:  # deflation of Y
            directions -= (_on(old, product)[:, None] @ scores[:, :k])[:, 0]
        images[:, k] = through(directions)
        score = away(images[:, k], k)  # deflation of X
        length = torch.linalg.vector_norm(score, dim=1)
        lengths[:, k] = length.cpu().numpy()
        score /= length.masked_fill(length == 0, 1.0)[:, None]
        second = away(through(score), k)
        energies = (score * second).sum(dim=1).cpu().numpy()
        scores[:, k] = score
        for r, region in enumerate(regions):
            mine = slice(r * len(folds), (r + 1) * len(folds))
            both = torch.cat([score[mine], second[mine]]) @ region.values
            live = region.live if region.basis is None else 1.0
            loading, change = (part * live for part in both.cpu().numpy().reshape(2, len(folds), -1))
            region.loadings[:, k] = loading
            change -= energies[mine, None] / 2 * loading
            for covariance, x, y in zip(region.covariances, loading, change, strict=True):
                outer = np.outer(x, y)
                covariance -= outer
                covariance -= outer.T
    for r, region in enumerate(regions):
        for s, (_, test) in enumerate(folds):
            job = r * len(folds) + s
            used = lengths[job] > 0
            image = images[job].cpu().numpy()[used]
            rotation = np.linalg.solve(scores[job].cpu().numpy()[used] @ image.T, region.loadings[s][used])
            yield r, s, region.shown(image[:, test].T @ rotation, s)


def _region(
    product: torch.Tensor, responses: np.ndarray, places: Sequence[tuple[torch.Tensor, ...]], components: int
) -> _Region:
    """What a region's regressions begin with. places: of the training stimuli of each fold, and of the others.

    The covariance of a training part is that of all stimuli less what the others add, which costs a tenth of it where
    they are a tenth."""
    offset = responses.mean(axis=0)
    centred, basis = responses - offset, None
    if responses.shape[1] > len(responses):
        basis, turned = np.linalg.qr(centred.T)
        centred = turned.T
    values = _on(centred, product)
    image, ones = product @ values, product.sum(dim=1)
    everything, with_ones, total = values.T @ image, values.T @ ones, ones.sum()
    folds, r = len(places), centred.shape[1]
    means, live = np.empty((folds, r)), np.empty((folds, responses.shape[1]), bool)
    covariances = np.empty((folds, r, r))
    for s, (train, rest) in enumerate(places):
        known = values[train]
        mean = known.mean(dim=0)
        live[s] = np.ptp(responses[train.cpu().numpy()], axis=0) > 0
        if len(rest) <= len(train):
            y, corner = values[rest], product[rest][:, rest]
            shared = y.T @ image[rest]
            covariance = everything - shared - shared.T + y.T @ (corner @ y)
            sums = with_ones - y.T @ ones[rest] - image[rest].sum(dim=0) + y.T @ corner.sum(dim=1)
            size = total - 2 * ones[rest].sum() + corner.sum()
        else:
            corner = product[train][:, train]
            covariance, sums, size = known.T @ (corner @ known), known.T @ corner.sum(dim=1), corner.sum()
        covariance = covariance - torch.outer(sums, mean) - torch.outer(mean, sums) + size * torch.outer(mean, mean)
        dense = ((covariance + covariance.T) / 2).cpu().numpy()
        if basis is None:
            dense[~live[s]] = 0.0
            dense[:, ~live[s]] = 0.0
        means[s] = mean.cpu().numpy()
        covariances[s] = dense
    return _Region(values, offset, means, live, covariances, np.zeros((folds, components, r)), basis)


def _leading_weights(covariances: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """NIPALS' estimate of the leading target weights c of every fold, scaled so that c^T M c = 1; c^T M c at length 1.

    covariances: (folds, r, r) M = Y^T K Y; starts: (folds, r) unit vectors, zero where nothing is left. Returns (folds,
    r) and (folds,), both zero where nothing is left or M is no longer positive, which rounding makes of zero. The
    iteration c <- M c stops, each fold for itself, when the squared change of the unit x-weights,
    2 - 2 c'Mc_old / (|c'| |c_old|), falls below the tolerance.
    """
    found, lengths = np.zeros_like(starts), np.zeros(len(starts))
    at = np.flatnonzero(starts.any(axis=1))  # folds that still iterate; what follows is in their order
    weights = starts[at]
    image = np.array([covariances[fold] @ row for fold, row in zip(at, weights, strict=True)]).reshape(weights.shape)
    size = np.einsum("sm,sm->s", weights, image)
    for _ in range(1, MOST_ITERATIONS):
        if not len(at):
            break
        norm = np.sqrt(np.einsum("sm,sm->s", image, image))  # of M c_old, which is its product with the next c
        weights, before = image / norm[:, None], size
        image = np.array([covariances[fold] @ row for fold, row in zip(at, weights, strict=True)])
        size = np.einsum("sm,sm->s", weights, image)
        if size.min() <= 0:
            on = size > 0
            at, weights, image, size, before, norm = (part[on] for part in (at, weights, image, size, before, norm))
        ended = 2 - 2 * norm / np.sqrt(before * size) < TOLERANCE
        if ended.any():
            found[at[ended]], lengths[at[ended]] = weights[ended], size[ended]
            at, weights, image, size = (part[~ended] for part in (at, weights, image, size))
    found[at], lengths[at] = weights, size
    return found / np.sqrt(np.where(lengths > 0, lengths, 1.0))[:, None], lengths


def _on(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    return sent(torch.from_numpy(np.ascontiguousarray(values, np.float64)), like.device)


def _check(product: torch.Tensor, responses: np.ndarray, n: int) -> None:
    if product.shape != (n, n) or np.ndim(responses) != 2 or len(responses) != n:
        raise StimulusMismatch(
            f"a Gram matrix of shape {tuple(product.shape)} and responses of shape {np.shape(responses)} do not fit; "
            "both must be of the same stimuli"
        )
    bad = ~np.isfinite(responses).all(axis=0)
    if bad.any():
        raise UserError(
            f"responses of {bad.sum()} of {len(bad)} neuroids (first: {np.argmax(bad)}) are not finite; leave them out"
        )


def check(folds: Iterable[Split], components: int) -> None:
    """Raises UserError when a fold has no more training stimuli than components."""
    for train, _ in folds:
        _enough(len(train), components)


def _enough(train: int, components: int) -> None:
    if components < 1:
        raise BadValue("components", components, "must be at least 1")
    if train <= components:
        raise UserError(
            f"pls: {train} training stimuli are too few for {components} components; "
            f"use more stimuli or set components below {train}"
        )
