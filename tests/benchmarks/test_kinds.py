"""A kind of benchmark of one's own is one file and one registration: `score` knows no kind by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from mlspatial.benchmarks import BENCHMARKS, Benchmark, known_benchmarks
from mlspatial.benchmarks.base import Way, kinds
from mlspatial.benchmarks.behaviour import Behaviour
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.neurons import NeuralBenchmark, Neurons
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.score import Score
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Features, kind_version
from mlspatial.registry import runs
from mlspatial.registry.models import select
from tests import toys
from tests.steps.asking import SITES, VOXELS, run_score, table_of

KIND = '''
"""How different people find pictures, and how different they are to a network."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from mlspatial.benchmarks import BENCHMARKS, Benchmark
from mlspatial.core.score import Score
from tests import toys

VERSION = "1"


@dataclass(frozen=True, eq=False)
class Judgements(Benchmark):
    """judged: (people, pairs) differences between every two stimuli, in the order of np.triu_indices."""

    identifier: str
    region: str
    version: str
    stimuli: object
    judged: np.ndarray

    own = "tau"
    takes = "judgements take"
    metrics = ("tau",)

    @classmethod
    def versions(cls, metric, way):
        return {"judgements": VERSION}

    def scores(self, layer, metric, way, *others):
        """Kendall's tau with the mean judgement; the ceiling is that of a person with the others."""
        length = np.diag(layer.gram)
        far = (length[:, None] + length - 2 * layer.gram)[np.triu_indices(len(length), 1)]
        people = range(len(self.judged))
        ceilings = [self.tau(self.judged[i], np.delete(self.judged, i, axis=0).mean(axis=0)) for i in people]
        mean, half = self.judged.mean(axis=0), len(far) // 2
        raw, choice = self.tau(far[half:], mean[half:]), self.tau(far[:half], mean[:half])
        return [Score(raw, np.mean(ceilings), np.nan, len(self.judged), metric, VERSION, "r/c", choice=choice,
                      selection="the deepest of nine tenths of the best", more={"first_half": choice})]

    def commit(self, scores, way):
        best = max(score.choice for score in scores)
        return [place for place, score in enumerate(scores) if score.choice >= 0.9 * best][-1]

    @staticmethod
    def tau(a, b):
        return float(kendalltau(a, b).statistic)


@BENCHMARKS.register("judged")
def judged(people: int = 3):
    stimuli = toys.images()
    rng = np.random.default_rng(3)
    pixels = stimuli.images.reshape(len(stimuli), -1).astype(float)
    far = np.linalg.norm(pixels[:, None, ::48] - pixels[None, :, ::48], axis=2)[np.triu_indices(len(stimuli), 1)]
    return Judgements("judged", "behavior", "1", stimuli, far + far.std() * rng.normal(size=(people, len(far))))
'''


@pytest.fixture(autouse=True)
def kind(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file in a folder of the user's, two small networks, and nothing left of either behind the test."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "judgements.py").write_text(KIND)
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(folder))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for seed in (0, 1):
        toys.trained(seed=seed)
    yield
    BENCHMARKS._items.pop("judged", None)
    sys.modules.pop("judgements", None)


LAYERS = ("first.1", "second.1", "fc")


def test_every_kind_keeps_the_contract() -> None:
    """Those of the package and the user's: words, arrays that can be gathered, versions, the first of equal layers."""
    found = [kind for kind in kinds() if not getattr(kind, "__abstractmethods__", None) and kind is not Neurons]
    assert {NeuralBenchmark, FmriBenchmark, Behaviour, Published} < set(found)
    assert "Judgements" in {kind.__name__ for kind in found}
    scores = [Score(0.5, 1.0, 0.1, 10, "m", "1", choice=choice) for choice in (0.1, 0.4, 0.4)]
    for kind in found:
        way = Way()
        assert kind.__doc__ and not kind.refusal("own", way)
        assert kind.refusal("wishful", way) == f"{kind.takes} {', '.join(('own', *kind.metrics))}"
        for name in kind.metrics:
            metric = kind.full_name(name)
            assert kind.knows(name) and not kind.refusal(name, way)
            assert all(kind_version(array) for array in kind.reads(metric))
            assert all(isinstance(version, str) for version in kind.versions(metric, way).values())
            assert kind.versions(metric, way)
        assert set(kind.geometries) <= set(kind.metrics) and kind.options <= {"selection", "variant", "layers"}
        assert bool(kind.fixed) != ("selection" in kind.options) or kind.__name__ == "Judgements"
        if kind.commit is Benchmark.commit:
            assert kind.commit(object.__new__(kind), scores, way) == 1


def test_it_is_there_whichever_room_is_looked_at_first() -> None:
    """In a new process: its file wants names of the package that is being imported."""
    root = Path(__file__).resolve().parents[2]
    for line in ("from mlspatial.benchmarks import known_benchmarks; assert 'judged' in known_benchmarks()",
                 "from mlspatial.steps.scoring_plan import metric_names; metric_names('own,tau,rsa')"):  # fmt: skip
        done = subprocess.run([sys.executable, "-c", line], cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_it_is_scored_by_its_metric_ceiling_and_choice_of_a_layer(capsys: pytest.CaptureFixture[str]) -> None:
    assert "judged" in known_benchmarks()
    run_id, _ = run_score(benchmarks="judged", layers=",".join(LAYERS))
    table = table_of(run_id).set_index("layer")
    assert set(table.metric) == {"tau"} and table.primary.all() and list(table.depth) == [0, 1, 2]
    assert set(table.formula) == {"r/c"} and np.allclose(table.ceiled, table.raw / table.ceiling)
    judged = BENCHMARKS["judged"]()
    mean = judged.judged.mean(axis=0)
    sink = Features()
    module, spec = select("study=s")[0].load()
    extract(module, spec, judged.stimuli, LAYERS, sink)
    first_halves = []
    for layer in LAYERS:
        features = sink.pop(layer)["features"].astype(np.float64)
        far = ((features[:, None] - features) ** 2).sum(axis=2)[np.triu_indices(len(features), 1)]
        half = len(far) // 2
        first_halves.append(kendalltau(far[:half], mean[:half]).statistic)
        assert table.raw[layer] == pytest.approx(kendalltau(far[half:], mean[half:]).statistic, abs=1e-3)  # float32
        assert table.first_half[layer] == pytest.approx(first_halves[-1], abs=1e-3)
    deepest = np.flatnonzero(np.array(first_halves) >= 0.9 * max(first_halves))[-1]
    assert table.committed.tolist() == [place == deepest for place in range(3)]
    record = runs.get(run_id)
    assert record.tags["mlspatial.layer.judged"] == LAYERS[deepest]
    assert record.metrics["judged/ceiled"] == pytest.approx(table.ceiled.iloc[deepest])


def test_it_joins_others_in_one_pass_and_is_answered_by_its_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"models": "study=s,seed=0", "benchmarks": f"judged,{SITES},{VOXELS}", "metrics": "own,tau,cka"}
    (first,) = run_score(**options)
    assert len(runs.find(entry="extract")) == 1  # they show the same pictures
    found = table_of(first)
    assert set(zip(found.benchmark, found.metric, strict=True)) == {
        ("judged", "tau"), ("toy_sites6_60_4", "ridge"), ("toy_sites6_60_4", "cka_debiased"),
        ("toy_voxels_versa", "versa"),
    }  # fmt: skip
    assert run_score(**options) == [first]
    monkeypatch.setattr(sys.modules["judgements"], "VERSION", "2")
    assert run_score(**options) != [first]


def test_what_it_does_not_take_is_said_in_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"metrics=ridge: no benchmark takes it \(judged: judgements take own, tau\)"):
        run_score(benchmarks="judged", metrics="ridge")
    with pytest.raises(UserError, match=r"metrics=tau: no benchmark takes it \(toy_sites6_60_4: recordings take own"):
        run_score(metrics="tau")
    with pytest.raises(UnknownName, match=r"unknown metric 'tao'; did you mean tau\?"):
        run_score(benchmarks="judged", metrics="tao")
    for changes, words in (({"selection": "half"}, "touches none"), ({"layers": "all"}, "auto or names for judged")):
        with pytest.raises(UserError, match=words):
            run_score(benchmarks="judged", **changes)
    run_score(models="study=s,seed=0", benchmarks=f"judged,{SITES}", metrics="own,ridge")
    assert "score: judged without ridge: judgements take own, tau" in capsys.readouterr().err
