"""A training whose registry goes away for a while, and comes back or does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mlspatial.core.errors import Unreachable
from mlspatial.registry import patience, runs, spool, store
from mlspatial.registry import run as run_module
from mlspatial.registry.models import select
from mlspatial.registry.store import client
from mlspatial.steps import train as step
from mlspatial.steps.checkpoints import waiting
from tests import toys
from tests.train.test_step import SMALL

STEPS = [10, 20, 30, 40, 50, 60]


class Registry:
    """away: whether nobody answers."""

    away = False


@pytest.fixture
def there(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    made, ask_again = Registry(), store.patiently
    client()

    def asked(ask: Callable[[], Any], found: Callable[[], Any] = lambda: None) -> Any:
        def answer() -> Any:
            if made.away:
                raise ConnectionError("[Errno 111] Connection refused")
            return ask()

        return ask_again(answer, found)

    monkeypatch.setattr(store, "patiently", asked)
    monkeypatch.setattr(run_module, "FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(runs, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(patience, "_down", False)
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.3")
    monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "cache"))
    return made


def train(folder: Path, report: Callable[[int, Any], None] | None = None) -> list[str]:
    dataset = folder / "toys"
    if not dataset.exists():
        toys.dataset(dataset)
    options = SMALL | {"arch": "toy", "batches": 60, "checkpoints": ",".join(map(str, STEPS[:-1]))}
    return step.train(task="distance", dataset=str(dataset), seed=0, report=report, **options)


def weights() -> dict[int, dict[str, torch.Tensor]]:
    return {one.step: one.load()[0].state_dict() for one in select("task=distance,step=all")}


def whole(run_id: str, expected: dict[int, dict[str, torch.Tensor]]) -> None:
    assert runs.get(run_id).status == "FINISHED"
    assert [entry.step for entry in client().get_metric_history(run_id, "train/loss")] == STEPS
    heldout = [entry.step for entry in client().get_metric_history(run_id, "heldout/loss")]
    assert sorted(set(heldout)) == STEPS  # also once for the network that it is of
    found = weights()
    assert sorted(found) == STEPS
    for number, state in expected.items():
        assert all(torch.equal(value, found[number][name]) for name, value in state.items()), number
    assert spool.of(run_id) is None and not list(Path("cache", "train").glob("*.pt"))


def test_a_training_goes_on_without_the_registry_and_ends_as_it_would_have(
    there: Registry, registry: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: dict[int, bool] = {}

    def comes_and_goes(number: int, _: Any) -> None:
        if number == 50:
            there.away = False
            while patience.down():
                pass
        seen[number] = there.away
        there.away = there.away or number == 20

    (run_id,) = train(registry, comes_and_goes)
    assert seen == {10: False, 20: False, 30: True, 40: True, 50: False, 60: False}
    told = capsys.readouterr().err
    assert told.count("goes on, and what it logs waits in") == 1 and told.count("network of batch 30 waits in") == 1
    with_outage = weights()
    whole(run_id, {})
    for network in select("task=distance,step=all"):
        client().delete_logged_model(network.uri.removeprefix("models:/"))
    client().delete_run(run_id)
    client().delete_registered_model(network.name)
    (other,) = train(registry)
    assert other != run_id
    whole(other, with_outage)


def test_one_that_ends_while_the_registry_is_away_keeps_all_that_it_has_and_goes_on_from_there(
    there: Registry, registry: Path
) -> None:
    def goes(number: int, _: Any) -> None:
        there.away = there.away or number == 20

    with pytest.raises(Unreachable, match="tried for"):
        train(registry, goes)
    (state,) = [path for path in Path("cache", "train").glob("*.pt") if ".step-" not in path.name]
    assert torch.load(state)["step"] == 50 and len(waiting(state)) == 3
    there.away = False
    seen: list[int] = []
    (run_id,) = train(registry, lambda number, _: seen.append(number))
    assert seen == [60] and runs.get(run_id).tags[runs.RESUMED] == "1"
    whole(run_id, {})
