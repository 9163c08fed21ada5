"""The linear SVC against liblinear, logistic regression against scikit-learn on the features themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from mlspatial.analysis import svc
from mlspatial.analysis.ridge import inner_products
from mlspatial.analysis.svc import CATEGORY_C, Svc, fit_svc, predict_logistic
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from tests.analysis.conftest import BACKENDS, Backend

TRAIN = 150


def data(p: int, classes: int, *, scale: float = 1.0, signal: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Features with a mean and decaying variances, and what they show."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, TRAIN + 80)
    features = rng.normal(size=(TRAIN + 80, p)) + signal * rng.normal(size=(classes, p))[labels]
    return scale * (features / np.arange(1, p + 1) ** 0.4 + 0.5), labels


def fit(
    features: np.ndarray, labels: np.ndarray, backend: Backend = BACKENDS["cpu64"], **options: object
) -> tuple[Svc, np.ndarray]:
    """The fit, and decision values for the test stimuli."""
    train, new, there = backend.on(features[:TRAIN]), backend.on(features[TRAIN:]), backend.device
    within = inner_products(train, device=there)
    machine = fit_svc(within, labels[:TRAIN], device=there, **options)  # type: ignore[arg-type]
    return machine, machine.decide(inner_products(new, train, device=there)).cpu().numpy()


def objective(model: LinearSVC, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1/2 (|w|^2 + b^2) + C sum max(0, 1 - y f)^2 of liblinear's solution."""
    values = []
    positives = model.classes_ if len(model.coef_) > 1 else model.classes_[1:]
    for weights, intercept, positive in zip(model.coef_, model.intercept_, positives, strict=True):
        margins = 1 - np.where(labels == positive, 1, -1) * (features @ weights + intercept)
        values.append((weights @ weights + intercept**2) / 2 + model.C * (np.maximum(margins, 0) ** 2).sum())
    return np.array(values)


@pytest.mark.parametrize("scale", [0.05, 1.0, 5.0])  # nearly all stimuli violate their margin; some; few
@pytest.mark.parametrize(("p", "classes"), [(300, 7), (40, 7), (3, 4), (300, 2)])
def test_the_optimum_is_liblinear_s(p: int, classes: int, scale: float, backend: Backend) -> None:
    features, labels = data(p, classes, scale=scale)
    features = backend.rounded(features)
    machine, decided = fit(features, labels, backend)
    model = LinearSVC(C=CATEGORY_C, tol=1e-7, max_iter=500_000).fit(features[:TRAIN], labels[:TRAIN])
    theirs = objective(model, features[:TRAIN], labels[:TRAIN])
    ours = machine.objective.cpu().numpy()[-len(theirs) :]
    assert (ours <= theirs * (1 + 1e-9)).all() and ours == pytest.approx(theirs, rel=1e-4)
    expected = model.decision_function(features[TRAIN:]).reshape(80, -1)
    assert decided[:, -len(theirs) :] == pytest.approx(expected, abs=2e-3)
    guessed = machine.predict(inner_products(features[TRAIN:], features[:TRAIN]))
    assert np.mean(guessed == model.predict(features[TRAIN:])) > 0.98


def test_two_classes_mirror_each_other(backend: Backend) -> None:
    machine, decided = fit(*data(60, 2), backend)
    assert decided[:, 0] == pytest.approx(-decided[:, 1], abs=1e-9)
    assert machine.objective[0].item() == pytest.approx(machine.objective[1].item())


@pytest.mark.parametrize("start", [-3.0, 0.0, 3.0])
def test_the_start_does_not_move_the_optimum(start: float) -> None:
    features, labels = data(200, 6)
    expected, decided = fit(features, labels)
    machine, again = fit(features, labels, start=np.full((TRAIN, 6), start))
    assert again == pytest.approx(decided, abs=1e-8)
    _, warm = fit(features, labels, start=expected.decide(inner_products(features[:TRAIN])))
    assert warm == pytest.approx(decided, abs=1e-8)
    assert machine.objective.numpy() == pytest.approx(expected.objective.numpy())


@pytest.mark.parametrize(
    ("name", "value"), [("BORDER_SHARE", 0.0), ("BORDER_SHARE", 10.0), ("WORST_CONDITION", 0.0), ("MOST_BYTES", 1)]
)
def test_nor_does_the_way_there(monkeypatch: pytest.MonkeyPatch, name: str, value: float) -> None:
    """Factorise anew or border, drop from the inverse or not, all classes at once or one by one."""
    for scale in (0.1, 1.0, 3.0):
        features, labels = data(200, 6, scale=scale)
        _, decided = fit(features, labels)
        with monkeypatch.context() as patch:
            patch.setattr(svc, name, value)
            assert fit(features, labels)[1] == pytest.approx(decided, abs=1e-7)


def test_labels_may_be_names_and_a_rare_class_may_have_one_stimulus() -> None:
    features, codes = data(100, 3)
    labels = np.array(["chair", "apple", "tea kettle"])[codes]
    labels[0] = "bottle"
    machine, decided = fit(features, labels)
    assert machine.classes.tolist() == ["apple", "bottle", "chair", "tea kettle"]
    guessed = machine.predict(inner_products(features[TRAIN:], features[:TRAIN]))
    assert guessed.tolist() == machine.classes[decided.argmax(axis=1)].tolist()


def test_large_features_converge_and_absurd_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = data(30, 5)
    machine, _ = fit(300 * features, labels)
    assert torch.isfinite(machine.coefficients).all() and machine.iterations > 3
    with pytest.raises(UserError, match=r"no support vector solution in .* up to .*; divide the features"):
        fit(1e8 * features, labels)
    monkeypatch.setattr(svc, "MOST_ITERATIONS", 2)
    with pytest.raises(UserError, match=r"classes have no support vector solution after 2 steps with c=0.005"):
        fit(300 * features, labels)


@pytest.mark.parametrize("p", [300, 20])
@pytest.mark.parametrize("scheme", svc.SCHEMES)
def test_logistic_regression_equals_scikit_learn_s_on_the_features(p: int, scheme: svc.Scheme) -> None:
    features, labels = data(p, 4)
    train, test = features[:TRAIN], features[TRAIN:]
    ours = predict_logistic(inner_products(train), inner_products(test, train), labels[:TRAIN], c=0.1, scheme=scheme)
    model = LogisticRegression(C=0.1, max_iter=5000)
    model = OneVsRestClassifier(model) if scheme == "one_vs_rest" else model
    assert np.mean(ours == model.fit(train, labels[:TRAIN]).predict(test)) > 0.98


def test_what_cannot_be_fitted_is_said() -> None:
    features, labels = data(20, 3)
    gram = inner_products(features)
    with pytest.raises(UserError, match="have 1 class, classification needs 2"):
        fit_svc(gram, np.zeros(len(gram)))
    with pytest.raises(StimulusMismatch, match="does not fit 5 labels"):
        fit_svc(gram, labels[:5])
    with pytest.raises(StimulusMismatch, match="start is"):
        fit_svc(gram, labels, start=np.zeros((len(gram), 2)))
    with pytest.raises(BadValue, match="c=0"):
        fit_svc(gram, labels, c=0)
    with pytest.raises(BadValue, match="c=-1"):
        predict_logistic(gram, gram, labels, c=-1)
    with pytest.raises(BadValue, match="scheme=softmax: must be one of multinomial, one_vs_rest"):
        predict_logistic(gram, gram, labels, scheme="softmax")  # type: ignore[arg-type]
