"""Networks of other people, which a server lets us read but not change.

MLflow counts a metric of a network, and a network as the input of a run, as a change of both. Where the server refuses
that (403), the run is written without the link: it names the network all the same, but the network's page not the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from mlspatial.core.progress import say
from mlspatial.registry.patience import not_allowed

NETWORKS: set[str] = set()  # MLflow's ids (m-...) of those that we may not change
_told = False


def refusal(ask: Callable[[], object]) -> BaseException | None:
    """What the server says when it does not allow that (403); None when it is done. Other errors are raised."""
    from mlflow.exceptions import MlflowException

    try:
        ask()
    except MlflowException as error:
        if not not_allowed(error):
            raise
        return error
    return None


def leave(network: str) -> None:
    """Link nothing to a network any more."""
    global _told
    NETWORKS.add(network)
    if not _told:
        say(f"network {network} belongs to somebody else: its page will not show what is measured here; the runs do")
    _told = True


def own(metrics: Sequence[Any]) -> list[Any]:
    """Metrics, of networks only where those may be changed."""
    return [_plain(metric) if metric.model_id in NETWORKS else metric for metric in metrics]


def _plain(metric: Any) -> Any:
    made = copy(metric)
    made._model_id = None
    return made
