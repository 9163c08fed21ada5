"""Networks of a training that the registry cannot take just then."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from mlspatial.core.errors import Unreachable
from mlspatial.registry import patience
from mlspatial.steps.checkpoints import Checkpoints, discard, waiting


class Registry:
    """What was registered: step -> (weight, metrics). away: whether it answers."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[float, Mapping[str, float]]] = {}
        self.away = False

    def register(self, module: Any, step: int, metrics: Mapping[str, float]) -> None:
        if self.away:
            raise Unreachable("nobody there")
        self.made[step] = (module.weight.item(), metrics)


def network(weight: float) -> torch.nn.Linear:
    made = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(made.weight, weight)
    return made


@pytest.fixture
def registry_of_networks() -> Registry:
    return Registry()


def test_a_network_waits_on_disk_as_it_was_and_is_registered_before_later_ones(
    tmp_path: Path, registry_of_networks: Registry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there, state = registry_of_networks, tmp_path / "spec.pt"
    (tmp_path / "spec.step-x.pt").touch()
    made = Checkpoints("x", state, lambda: network(0.0), there.register)
    module = network(1.0)
    made.add(module, 5, {"loss": 1.0}, last=False)
    there.away = True
    made.add(module, 10, {"loss": 0.5}, last=False)
    torch.nn.init.constant_(module.weight, 2.0)  # the training goes on
    made.add(module, 200, {"loss": 0.25}, last=False)
    made.deliver()
    assert list(there.made) == [5] and [path.name[-6:] for path in waiting(state)] == ["010.pt", "200.pt"]
    with pytest.raises(Unreachable):
        made.add(module, 300, {}, last=True)
    there.away = False
    with monkeypatch.context() as patched:
        patched.setattr(patience, "down", lambda: True)  # nothing is asked before a heartbeat has got through
        made.deliver()
        assert list(there.made) == [5]
    again = Checkpoints("x", state, lambda: network(0.0), there.register)  # of a process that goes on
    again.add(module, 300, {"loss": 0.0}, last=True)
    assert there.made == {5: (1.0, {"loss": 1.0}), 10: (1.0, {"loss": 0.5}), 200: (2.0, {"loss": 0.25}),
                          300: (2.0, {"loss": 0.0})}  # fmt: skip
    assert list(there.made) == [5, 10, 200, 300] and not waiting(state)
    said = capsys.readouterr().err
    assert said.count("network of batch 10 waits in") == said.count("2 networks that waited are registered now") == 1


@pytest.mark.parametrize("back", [True, False])
def test_what_waits_when_a_training_fails_counts_if_the_registry_is_back(
    back: bool, tmp_path: Path, registry_of_networks: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    there, state = registry_of_networks, tmp_path / "spec.pt"
    there.away = True
    made = Checkpoints("x", state, lambda: network(0.0), there.register)
    for step in (10, 20):
        made.add(network(step), step, {"loss": 0.5}, last=False)
    there.away = not back
    made.give_up()
    said = capsys.readouterr().err
    assert list(there.made) == ([10, 20] if back else []) and len(waiting(state)) == (0 if back else 2)
    assert ("2 networks that waited are lost (Unreachable" in said) == (not back)


def test_what_cannot_be_read_does_not_end_the_networks_trained_beside_it(
    tmp_path: Path, registry_of_networks: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    there, state = registry_of_networks, tmp_path / "spec.pt"
    there.away = True
    made = Checkpoints("x", state, lambda: network(0.0), there.register)
    made.add(network(1.0), 1, {}, last=False)
    there.away = False
    waiting(state)[0].write_bytes(b"half of it")
    made.give_up()
    assert "1 networks that waited are lost (" in capsys.readouterr().err and not there.made


def test_what_nobody_wants_any_more_is_removed(tmp_path: Path, registry_of_networks: Registry) -> None:
    there, state = registry_of_networks, tmp_path / "spec.pt"
    state.touch()
    there.away = True
    Checkpoints("x", state, lambda: network(0.0), there.register).add(network(1.0), 1, {}, last=False)
    other = tmp_path / "spec2.step-000000000001.pt"
    other.touch()
    discard(state)
    assert list(tmp_path.iterdir()) == [other]
