"""What a network takes is told before it sees an image: sums against measured peaks, refusals whose advice works."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from entrypoints import score, similarity
from mlspatial.benchmarks import find_benchmark
from mlspatial.core.errors import UserError
from mlspatial.models import costs
from mlspatial.models import extract as extracting
from mlspatial.models.costs import look
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Features
from mlspatial.models.spec import ModelSpec
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.steps import estimate
from mlspatial.steps.scoring_plan import ways_of
from mlspatial.steps.ways import SQUARE, SQUARES, Ways, square
from tests.test_entrypoints import call
from tests.toys import dataset, trained

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]

#: run on its own: the peak of a process' memory while arrays of a network are gathered, above what it had before
MEASURE = """
import json, sys, tempfile
from pathlib import Path
import numpy as np, torch
from mlspatial.analysis.fixed_split import InnerProducts, split_ridge
from mlspatial.analysis.pls import splits
from mlspatial.analysis.reverse_pls import ReversePLS
from mlspatial.models.costs import look
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from mlspatial.steps import gather
from mlspatial.steps.estimate import Bill
from mlspatial.steps.ways import Job, Ways

torch.set_num_threads(1)
size, n, channels, kinds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")
rng = np.random.default_rng(0)
parts = torch.nn.Conv2d(3, channels, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(channels, 8, 3, stride=2)
net = torch.nn.Sequential(*parts, torch.nn.Flatten()).eval()
spec = ModelSpec("net", 1000, {"imagenet": (0, 1000)}, (), size)
images = np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
gather.store_folder = lambda: None

class Progress:
    n = 0
    def update(self, images): pass

def brought(kind, count):  # a product as Brain-Score's benchmarks bring it
    if kind.startswith("reverse_pls"):
        return (lambda _: ReversePLS(rng.normal(size=(count, 40)), splits(count))), ReversePLS.correlations
    train = np.arange(count * 4 // 5)
    test, targets = np.arange(len(train), count), rng.normal(size=(count, 20))
    alphas = np.logspace(-3, 8, 12) if "chosen" in kind else [1.0]

    def correlated(products):
        return split_ridge(products, train, test, targets[train], targets[test], [np.arange(20)], alphas).r

    return InnerProducts, correlated

def go(count):
    stimuli = Stimuli(tuple(map(str, range(count))), images[:count])
    with tempfile.TemporaryDirectory() as folder:
        arrays = [(kind, layer) for kind in kinds for layer in "012"]
        more = {kind: brought(kind, count) for kind in kinds if kind not in ("gram", "pattern")}
        gather._extract(net, spec, stimuli, arrays, Path(folder), more, "cpu", Progress(), Job("net", Ways(), 1))

def memory(key):
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith(key))

go(64)
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
go(n)
bill = Bill(n, look(net, spec, list("012")), tuple(kinds), Ways())
told = sum(bill.memory(bill.passes(1 << 40, 1 << 40)).values())
print(json.dumps([memory("VmHWM") - before, told]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are measured on Linux")
@pytest.mark.parametrize(
    ("size", "n", "channels", "kinds"),
    [
        (32, 1000, 8, "gram,pattern"),  # activations wait, products are summed
        (16, 1800, 4, "gram"),  # products of many stimuli take most
        (64, 200, 64, "gram"),  # a batch on its way through the network, and wide layers
        (16, 2400, 4, "fixed_split-a"),  # a factor beside the products
        (16, 1800, 4, "fixed_split-chosen-a"),  # eigenvectors
        (16, 2400, 4, "reverse_pls-a"),
        (32, 1000, 8, "reverse_pls-a"),
    ],
)
def test_the_estimate_is_near_the_measured_peak(tmp_path: Path, size: int, n: int, channels: int, kinds: str) -> None:
    words = [str(size), str(n), str(channels), kinds]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MLSPATIAL_CACHE": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", MEASURE, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    measured, told = json.loads(ran.stdout.splitlines()[-1])
    assert measured / 2 < told < 2 * measured, (measured / MIB, told / MIB)


@pytest.mark.parametrize("kind", ["fixed_split-a", "fixed_split-chosen-a", "reverse_pls-a"])
def test_what_benchmarks_bring_is_counted(kind: str) -> None:
    """Memory grows with the square of the stimuli, on GPUs' hosts too; time with the products, which are float64's."""
    held = [costs.held((kind,), n, 9000) for n in (10_000, 20_000)]
    assert 3.5 < held[1].solved / held[0].solved < 4.5 and held[0].solved > 8 * 10_000**2
    assert held[0].kept > 0 or kind.startswith("fixed")
    looked = costs.Look({"layer": 100_000}, 0.0, 1e-9, 32)
    float32, ours = (costs.seconds(looked, kinds, 2000, 1) for kinds in (("gram",), (kind,)))
    assert 2 * float32 < ours < 100 * float32
    bill = estimate.Bill(10_000, looked, (kind,), Ways(), device="cuda")
    assert sum(bill.memory([["layer"]]).values()) > 8 * 10_000**2


def test_metrics_take_what_is_said_of_them_alone() -> None:
    """ridge decomposes afterwards what `ridge_split` has solved while it was gathered."""
    assert (square("ridge"), square("pls25"), square("temporal_pls25")) == (72.0, 24.0, 24.0)
    assert square("ridge_split") == square("ridgecv_split") == square("reverse_pls25") == 0.0
    assert square("rdm_spearman") == square("one_to_one") == SQUARE


@pytest.mark.parametrize(
    ("n", "most", "told"),
    [(40, 37, 30), (40, 11, 10), (40, 10, 10), (11, 10, 10), (10_000, 9_999, 9_990)]
    + [(40, 9, 0), (40, 1, 0), (40, 0, 0), (9, 8, 0), (1, 0, 0)],
)
def test_the_largest_round_number_that_fits(n: int, most: int, told: int) -> None:
    asked = []

    def fits(count: int) -> bool:
        asked.append(count)
        return 0 < count <= most

    assert estimate._most(fits, n) == told and min(asked, default=1) >= 1


def test_a_round_number_that_does_not_fit_is_not_told() -> None:
    """A few images less can take more: small layers wait in float32."""
    assert estimate._most(lambda count: count < 38, 47) == 30
    assert estimate._most(lambda count: count < 38 and count != 30, 47) == 37


class Large(torch.nn.Module):
    """A network on a GPU with room for some images at a time."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.act, self.room = torch.nn.ReLU(), room

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.room:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate 9.00 GiB.\nGPU 0 has {'x' * 500}")
        return self.act(images)


def test_a_network_without_room_on_a_gpu_is_one_line() -> None:
    spec = ModelSpec("large", 2, {"category": (0, 2)}, ("category",), 32)
    words = r"^large on an image of 32 pixels: a GPU's memory is too small \(CUDA out of memory\. Tried to allocate 9.*"
    with pytest.raises(UserError, match=words + r" \.\.\.\); end what else runs there, or use device=cpu$") as no:
        look(Large(0), spec, ["act"])
    assert "\n" not in str(no.value) and len(str(no.value)) < 300
    assert look(Large(1), spec, ["act"]).widths == {"act": 3 * 32 * 32}


def test_a_batch_without_room_on_a_gpu_is_one_line(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 9.00 GiB")

    monkeypatch.setattr(extracting, "extract", full)
    arguments = ["--models", "study=s,seed=0", "--benchmarks", "toy_sites", "--study", "s"]
    line = refused(score.main, *arguments)
    assert re.search(r"on \d+ stimuli: a GPU's memory is too small \(CUDA out of memory\. Tried to allocate", line)


@pytest.fixture
def networks(registry: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two toy networks and the name of a dataset's folder."""
    monkeypatch.setattr(estimate, "_told", set())
    trained(seed=0)
    trained(seed=1)
    return str(dataset(registry / "toys"))


def limited(monkeypatch: pytest.MonkeyPatch, **less: float) -> None:
    """Make a machine small: memory, disk in bytes."""
    if "memory" in less:
        monkeypatch.setattr(estimate, "free_memory", lambda: less["memory"])
    if "disk" in less:
        free = int(less["disk"])
        there = type("Usage", (), {"free": free, "total": 10 * free, "used": 9 * free})
        monkeypatch.setattr(estimate.shutil, "disk_usage", lambda _place: there)


def test_one_line_tells_what_it_takes_before_the_first_image(
    networks: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = call(score.main, "--models", "study=s", "--benchmarks", "toy_sites", "--study", "s")
    assert code == 0, err
    told = [line for line in err.splitlines() if "will take about" in line]
    assert len(told) == 1, err  # of networks alike once
    words = r"2 layers will take about [\d.,]+ [MG]iB of memory \([\d.,]+ GiB are free\), [\d.,]+ [MG]iB of disk "
    assert re.search(rf"60 stimuli: {words}.*\) and \d+ s to gather, each of 2 networks", told[0])


def refused(main: Any, *arguments: str) -> str:
    """The one line of a call that is refused, before a network is run."""
    before = len(runs.find(entry="extract", status="FINISHED"))
    code, _, err = call(main, *arguments)
    line = err.strip().splitlines()[-1]
    assert code == 2 and "Traceback" not in err and len(runs.find(entry="extract", status="FINISHED")) == before, err
    return line


def test_too_little_memory_is_refused_and_fewer_layers_do(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer that the message names is small enough; the others are not looked at."""
    arguments = ["--models", "study=s,seed=0", "--benchmarks", "toy_sites:n=400,sites=4", "--study", "s"]
    arguments += ["--metrics", "pls", "--layers"]
    limited(monkeypatch, memory=_peak("toy_sites:n=400,sites=4", ("fc",), "pls25") * 1.02)
    line = refused(score.main, *arguments, "first.1,second.1,fc")
    assert re.search(r"would take about .* of memory, .* are free; most of it, .*, is for arrays of a layer", line)
    (layers,) = re.findall(r"--layers (\S+)", line)
    code, _, err = call(score.main, *arguments, layers)
    assert layers == "fc" and code == 0, err


def _peak(benchmark: str, layers: tuple[str, ...], metric: str) -> float:
    found = find_benchmark(benchmark)
    module, spec = select("study=s,seed=0")[0].load()
    bill = estimate.Bill(len(found.stimuli), look(module, spec, layers), ("gram",), ways_of([(found, metric)], [], 1))
    return sum(bill.memory(bill.passes(1 << 40, 1 << 40)).values())


def test_a_metric_that_takes_too_much_can_be_left_out(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--models", "study=s,seed=0", "--benchmarks", "toy_sites:n=300", "--study", "s", "--metrics"]
    monkeypatch.setitem(SQUARES, "ridge", 1000.0)  # as if there were a metric of this kind
    limited(monkeypatch, memory=_peak("toy_sites:n=300", ("first.1", "second.1"), "pls25") * 1.02)
    line = refused(score.main, *arguments, "ridge,pls")
    assert "is for ridge of toy_sites" in line
    (metrics,) = re.findall(r"leave out metric ridge \(--metrics (\S+)\)", line)
    code, _, err = call(score.main, *arguments, metrics)
    assert code == 0, err


def test_a_benchmark_of_too_many_stimuli_can_be_left_out(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--models", "study=s,seed=0", "--study", "s", "--benchmarks"]
    limited(monkeypatch, memory=_peak("toy_sites", ("first.1", "second.1"), "ridge") * 1.02)
    line = refused(score.main, *arguments, "toy_sites:n=500,toy_sites:sites=5")
    assert "leave out benchmark toy_sites6_500_4" in line
    code, _, err = call(score.main, *arguments, "toy_sites:sites=5")
    assert code == 0, err


def test_activations_need_not_be_kept(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the first to go where the disk is full."""
    common = ["--models", "study=s", "--dataset", networks, "--study", "s", "--stimuli"]
    limited(monkeypatch, disk=60_000)
    line = refused(similarity.main, *common, "heldout:40", "--activations", "float32", "--layers", "first.1,fc")
    assert re.search(r"of disk in .* are free; most of it, .*, is for layer first\.1; leave activations out", line)
    code, _, err = call(similarity.main, *common, "heldout:40", "--layers", "first.1,fc", "--activations", "none")
    assert code == 0, err


def test_fewer_images_where_these_take_too_much(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [
        "--models",
        "study=s",
        "--dataset",
        networks,
        "--study",
        "s",
        "--layers",
        "fc",
        "--metric",
        "procrustes",
    ]
    monkeypatch.setattr(estimate.costs, "forward", lambda _looked: 0.0)
    limited(monkeypatch, memory=60_000)
    line = refused(similarity.main, *arguments, "--stimuli", "heldout:40")
    (stimuli,) = re.findall(r"take fewer images, as --stimuli (heldout:\d+)", line)
    assert 10 <= int(stimuli.partition(":")[2]) < 40
    code, _, err = call(similarity.main, *arguments, "--stimuli", stimuli)
    assert code == 0, err


def test_layers_that_do_not_fit_together_are_gathered_in_passes(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheaper way is taken, said, and gives the numbers of the features themselves."""
    monkeypatch.setattr(estimate, "SHARE", 1e-9)
    arguments = ["--models", "study=s,seed=0", "--benchmarks", "toy_sites:n=200", "--study", "s"]
    code, out, err = call(score.main, *arguments)
    assert code == 0 and re.search(r"in 2 passes, as activations of all layers take .* of memory at once", err), err
    table = pd.read_json(io.StringIO(runs.local(out.split()[-1], "scores.json").read_text()), orient="split")
    benchmark = find_benchmark("toy_sites:n=200")
    module, spec = select("study=s,seed=0")[0].load()
    extract(module, spec, benchmark.stimuli, list(table.layer), sink := Features())
    for row in table.itertuples():
        assert row.raw == pytest.approx(benchmark.score(sink.pop(row.layer)["features"]).raw, abs=1e-4)  # type: ignore[attr-defined]


def test_arrays_that_are_there_take_nothing(networks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--models", "study=s,seed=0", "--benchmarks", "toy_sites", "--study", "s"]
    code, _, err = call(score.main, *arguments)
    assert code == 0, err
    limited(monkeypatch, memory=1, disk=1)
    code, _, err = call(score.main, *arguments, "--force", "true")
    assert code == 0, err
