"""Several processes train one network: clocks that disagree, an evaluation that takes long, a rank 0 that ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mlspatial.core.errors import UserError
from mlspatial.data.loader import Loader
from mlspatial.train import loop
from mlspatial.train.loop import Network, Settings, train
from mlspatial.train.ranks import group_of
from tests.train.test_loop import Bench

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0  # seconds for two processes that import torch on a busy machine
SHORT = 6.0  # seconds: the timeout of collectives where an evaluation is to take longer


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


port = pytest.fixture(free_port)


def become(number: int, port: int) -> None:
    """One of two processes, as torchrun's variables say it."""
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(number), "LOCAL_RANK": str(number)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)


def together(
    number: int, folder: Path, out: Path, port: int, settings: Settings, evaluated: Any = None, timeout: float = 60.0
) -> None:
    """Train in one of two processes. Leaves weights, the steps that were kept and those at which states were saved."""
    become(number, port)
    saved: list[int] = []
    save = Network.save
    Network.save = lambda self: (saved.append(self.step), save(self))[1]  # type: ignore[method-assign]
    with group_of("cpu", timedelta(seconds=timeout)) as group:
        bench = Bench(folder, "distance", out)
        bench.network.evaluated = evaluated or bench.network.evaluated
        shared = {"columns": bench.task.columns, "batch_size": 16}
        training = Loader(folder, bench.manifest, "train", rank=number, world=2, **shared)
        heldout = Loader(folder, bench.manifest, "heldout", **shared)
        train([bench.network], training, heldout, settings, group=group)
        left = {"weights": bench.module.state_dict(), "kept": bench.kept, "saved": saved}
        torch.save(left, out / f"rank{number}.pt")


def run(work: Callable[..., None], folder: Path, out: Path, port: int) -> list[int | None]:
    """Exit codes of two processes that do work(number, folder, out, port); None for one that waits for ever."""
    context = torch.multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "torchvision.models", "pandas"])  # imported once for all of them
    processes = [context.Process(target=work, args=(number, folder, out, port), daemon=True) for number in (0, 1)]
    with contextlib.chdir(ROOT):  # from where the server imports
        for process in processes:
            process.start()
    deadline = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    return codes


def left(out: Path) -> list[dict[str, Any]]:
    return [torch.load(out / f"rank{number}.pt", weights_only=True) for number in (0, 1)]


def plainly(number: int, folder: Path, out: Path, port: int) -> None:
    together(number, folder, out, port, Settings(batches=3, save_every=0.0, schedule="one_cycle"))


def test_two_processes_share_every_batch(small_dataset: Path, tmp_path: Path, port: int) -> None:
    assert run(plainly, small_dataset, tmp_path, port) == [0, 0]
    one, two = left(tmp_path)
    parameters = dict(Bench(small_dataset, "distance", tmp_path).module.named_parameters())
    assert all(torch.equal(one["weights"][name], two["weights"][name]) for name in parameters)
    assert any(not torch.equal(one["weights"][name], value) for name, value in parameters.items())
    assert one["kept"] == [3] and two["kept"] == []
    assert one["saved"][0] == 1 and one["saved"][-1] == 3 and two["saved"] == []


def with_other_clocks(number: int, folder: Path, out: Path, port: int) -> None:
    """Rank 0's clock says at every step that it is time to save, rank 1's never; the look interval of a GPU."""
    ticks = itertools.count(step=1.0 if number == 0 else 1e-9)
    loop.time = SimpleNamespace(monotonic=ticks.__next__)  # type: ignore[attr-defined]
    loop.look_interval = lambda settings, device: settings.log_every
    together(number, folder, out, port, Settings(batches=6, log_every=4, save_every=0.5))


def test_clocks_that_disagree_do_not_part_the_ranks(small_dataset: Path, tmp_path: Path, port: int) -> None:
    assert run(with_other_clocks, small_dataset, tmp_path, port) == [0, 0]
    one, two = left(tmp_path)
    parameters = [name for name, _ in Bench(small_dataset, "distance", tmp_path).module.named_parameters()]
    assert all(torch.equal(one["weights"][name], two["weights"][name]) for name in parameters)
    assert one["saved"] == [4, 6] and two["saved"] == []  # a look later than the clock would have it


def with_a_long_evaluation(number: int, folder: Path, out: Path, port: int) -> None:
    def evaluated(module: Any, step: int, metrics: Any, checkpoint: bool) -> None:
        threading.Event().wait(SHORT + 3.0)

    together(number, folder, out, port, Settings(batches=2, checkpoints=(1,)), evaluated, SHORT)


def test_an_evaluation_may_take_longer_than_a_collective(small_dataset: Path, tmp_path: Path, port: int) -> None:
    assert run(with_a_long_evaluation, small_dataset, tmp_path, port) == [0, 0]


def with_a_death(number: int, folder: Path, out: Path, port: int) -> None:
    together(number, folder, out, port, Settings(batches=2, checkpoints=(1,)), lambda *_: os.kill(os.getpid(), 9))


def test_when_rank_0_dies_in_an_evaluation_the_others_end(small_dataset: Path, tmp_path: Path, port: int) -> None:
    first, second = run(with_a_death, small_dataset, tmp_path, port)
    assert first == -signal.SIGKILL and second == 1


def with_a_mistake(number: int, folder: Path, out: Path, port: int) -> None:
    def evaluated(*_: Any) -> None:
        raise UserError("no room for it")

    try:
        together(number, folder, out, port, Settings(batches=2, checkpoints=(1,)), evaluated)
    except UserError as error:
        (out / f"said{number}").write_text(str(error))


def test_rank_0s_mistake_ends_the_others_with_its_words(small_dataset: Path, tmp_path: Path, port: int) -> None:
    assert run(with_a_mistake, small_dataset, tmp_path, port) == [0, 0]
    assert [(tmp_path / f"said{number}").read_text() for number in (0, 1)] == ["no room for it"] * 2
