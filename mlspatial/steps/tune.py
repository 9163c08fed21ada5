"""tune: a search space and a dataset in, one train run a trial and the best parameters out."""

from __future__ import annotations

import json
import math
import os
import re
import socket
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from mlspatial.core.errors import BadValue, Busy, Unreachable, UserError
from mlspatial.core.names import STUDY
from mlspatial.core.parameters import entry
from mlspatial.core.progress import bar, say
from mlspatial.core.secrets import shown as _hide
from mlspatial.registry import notes, runs
from mlspatial.registry.datasets import find_dataset
from mlspatial.registry.store import tracking_uri
from mlspatial.steps.render import rendered_first
from mlspatial.steps.tune_space import KINDS, Axis
from mlspatial.steps.tune_storage import among_others
from mlspatial.tasks import canonical_name
from mlspatial.train.parameters import TUNE, without_later

VERSION = 1
RANDOM_FIRST, PRUNE_AFTER = 10, 5  # trials before the sampler learns and before one is pruned; Optuna's defaults
HEARTBEAT_SECONDS = 30
DEAD_AFTER = int(runs.DEAD_AFTER) + 60  # later than the registry gives up the trial's run, so that it can go on
RETRIES = 10  # a trial that ends its process this often is left out
POLL_SECONDS, WAIT_SECONDS = 1.0, 60.0  # between looks at what other machines do; for their summary of the study
WORD_SECONDS = 60.0  # between two words about what is waited for
SQLITE = "sqlite:///"


class _Interrupted(Exception):
    """A stop, a registry that is gone, or a training that is somebody else's: the trial is left for later."""


class _Busy(Exception):
    """Another process is at a trial with the very same parameters."""


def tune(
    *,
    task: str,
    dataset: str,
    trials: int,
    storage: str,
    name: str,
    timeout: float,
    evaluations: int,
    study: str = "",
    force: bool = False,
    wait: bool = True,
    **options: Any,
) -> str:
    """Search the parameters with the lowest held-out loss; return the id of the study's run.

    trials: finished and pruned ones of the whole study, whichever machine ran them; one whose loss or memory ran away
    counts as pruned. storage: an Optuna address, by default optuna.db beside the tracking database; machines with the
    same storage and search share its trials. name: of the study in the storage, by default from the hash of the search.
    timeout: seconds after which no trial begins, 0 for none. evaluations: of a trial, equally spaced; each may prune
    it. wait: for trials that others are at and for their summary, else UserError. options: lr, batch_size,
    weight_decay, augment as `Axis.parse` takes them; further parameters of train.
    """
    from mlspatial.steps.train import LIVE

    axes = tuple(Axis.parse(key, options.pop(key)) for key in KINDS)
    options = without_later(options)
    if all(axis.fixed for axis in axes):
        raise UserError(f"nothing to search: give {', '.join(KINDS)} choices (A|B) or a range (LOW,HIGH)")
    _, manifest, _ = find_dataset(dataset.removeprefix(LIVE))
    inputs = {"dataset_id": manifest.dataset_id, "live": dataset.startswith(LIVE)}
    sought = {"task": canonical_name(task), "name": name, "evaluations": evaluations}
    sought |= {axis.name: str(axis) for axis in axes} | options
    storage = storage or default_storage()
    shown = {"dataset": manifest.name, "trials": trials, "timeout": timeout, "storage": _hide(storage)}
    spec = runs.Spec("tune", VERSION, inputs, {**sought, **shown}, ENTRY.free | {"dataset"})
    search = runs.Spec("tune", VERSION, inputs, sought, ENTRY.free)

    found = runs.finished(spec)
    if found is None or force or found.metrics["trials.done"] < trials:
        _check(axes, spec)
        own = _Search(_open(storage, name or f"tune-{search.id}", search), task, dataset, axes, evaluations, options)
        with runs.project_run_reserved():
            own.run(trials, time.monotonic() + timeout if timeout else math.inf, wait)
        run_id = own.summarise(spec, force, wait)
    else:
        with runs.open_run(spec, name=found.name) as run:
            run_id = run.id
    if study and study not in (known := runs.get(run_id).studies):
        runs.Run(run_id).set_tags({STUDY: ",".join([*known, study])})
    return run_id


def default_storage() -> str:
    """optuna.db beside the tracking database when that is an SQLite file, else in the working directory."""
    uri = tracking_uri()
    beside = Path(uri.removeprefix(SQLITE)).with_name("optuna.db") if uri.startswith(SQLITE) else "optuna.db"
    return f"{SQLITE}{beside}"


def _check(axes: tuple[Axis, ...], spec: runs.Spec) -> None:
    """Raise UserError now for what train would refuse in a later trial."""
    from mlspatial.analysis.device import choose_device
    from mlspatial.steps.train import check, settings_of

    asked = spec.cfg
    if not re.fullmatch(r"[\w.-]*", asked["name"]):
        raise BadValue("name", asked["name"], "must be letters, digits and . _ -")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("torchrun divides one training; start the same command once a GPU instead, without torchrun")
    given = {axis.name: (*axis.values, *axis.limits) for axis in axes}
    counts = {key: (asked[key], 1) for key in ("trials", "evaluations", "batches")} | {"seed": (asked["seed"], 0)}
    for key, (value, least) in (counts | {"batch_size": (min(given["batch_size"]), 1)}).items():
        if value < least:
            raise BadValue(key, value, f"must be at least {least}")
    if not asked["timeout"] >= 0:
        raise BadValue("timeout", asked["timeout"], "must be 0 (no limit) or more seconds")
    if asked["evaluations"] > asked["batches"]:
        say(f"tune: evaluations={asked['evaluations']}: a trial has {asked['batches']} batches, so many evaluations")
    one = {**asked, "checkpoints": "", "evaluations": "", **{key: values[0] for key, values in given.items()}}
    for cfg in ({**one, key: value} for key, values in given.items() for value in values):
        check(cfg, spec.inputs["live"])
        settings_of(cfg).check(choose_device(cfg["device"]))


def _open(storage: str, name: str, search: runs.Spec) -> Any:
    """The Optuna study of a name, made when it is not there. Raises UserError."""
    import optuna
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    if storage == tracking_uri():
        raise UserError(f"storage={_hide(storage)}: is MLflow's own database; give Optuna another one")
    connection = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite:") else {}
    mistakes = (SQLAlchemyError, CommandError, optuna.exceptions.OptunaError, ImportError, ValueError, RuntimeError)
    beats: dict[str, Any] = {"heartbeat_interval": HEARTBEAT_SECONDS, "grace_period": DEAD_AFTER}
    rest = {"sampler": _sampler(search.cfg["seed"]), "pruner": optuna.pruners.MedianPruner(PRUNE_AFTER)}

    def opened() -> Any:
        place = optuna.storages.RDBStorage(storage, connection, heartbeat_stale_trial_callback=_again, **beats)
        return optuna.create_study(storage=place, study_name=name, load_if_exists=True, **rest)

    try:
        study = among_others(opened)
    except mistakes as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        said = f"storage={_hide(storage)}: cannot be used ({_hide(reason)})"
        raise UserError(f"{said}; give Optuna's address, such as sqlite:///optuna.db") from error
    mine = {**search.inputs, **{key: value for key, value in search.cfg.items() if key not in search.free}}
    theirs = study.user_attrs.get("search", mine)
    other = [f"{key}: there {theirs.get(key)}, asked {mine[key]}" for key in mine if mine[key] != theirs.get(key)]
    if other:
        raise UserError(f"name={name}: there is another search ({'; '.join(other)}); give another name or none")
    study.set_user_attr("search", mine)
    return study


def _sampler(seed: int) -> Any:
    """TPE that draws by the seed, the number of the trial and the trials so far.

    So neither a study that goes on nor another machine begins with the same random numbers again.
    """
    import numpy as np
    from optuna.samplers import TPESampler

    class Sampler(TPESampler):
        def before_trial(self, study: Any, trial: Any) -> None:
            own = int(np.random.default_rng([seed, trial.number]).integers(2**32))
            TPESampler.__init__(self, n_startup_trials=RANDOM_FIRST, seed=own, multivariate=True, group=True)
            super().before_trial(study, trial)

    return Sampler()


def _again(study: Any, trial: Any) -> None:
    """Queue the parameters of a trial that was ended from outside."""
    from optuna.storages import RetryHeartbeatStaleTrialCallback

    trial.user_attrs.pop("process", None)
    RetryHeartbeatStaleTrialCallback(RETRIES, inherit_intermediate_values=True)(study, trial)


def _process(pid: int) -> str:
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.0f}"


def _is_gone(trial: Any) -> bool:
    """Whether a trial's process ran on this machine and does no more, or died before it had said who it is."""
    if "process" not in trial.user_attrs:
        return (datetime.now() - trial.datetime_start).total_seconds() > DEAD_AFTER
    host, _, rest = trial.user_attrs["process"].partition(" ")
    try:
        return host == socket.gethostname() and _process(int(rest.split()[0])) != f"{host} {rest}"
    except psutil.Error:
        return True


@dataclass
class _Search:
    """An Optuna study, and what this process does for it."""

    study: Any
    task: str
    dataset: str
    axes: tuple[Axis, ...]
    evaluations: int
    options: Mapping[str, Any]

    def run(self, trials: int, deadline: float, wait: bool) -> None:
        """Run trials until the study has so many, or until the deadline; wait for those that others are at, or end."""
        done, word_at = self._count("COMPLETE", "PRUNED"), 0.0
        with bar(f"tune {self.study.study_name}", trials, "trial", min(done, trials)) as progress:
            while done < trials and time.monotonic() <= deadline:
                self._find_dead()
                if done + self._count("RUNNING") >= trials:
                    if not wait and (others := self._others()):
                        raise UserError(f"others are at trial {others}; ask again later, or leave out wait=false")
                    word_at = self._tell_wait(word_at)
                    time.sleep(POLL_SECONDS)
                else:
                    try:
                        self.study.optimize(self._try, n_trials=1, catch=(_Busy,))
                    except _Interrupted as stopped:
                        raise stopped.__cause__ or stopped from None
                done = self._count("COMPLETE", "PRUNED")
                progress.update(min(done, trials) - progress.n)

    def _count(self, *states: str) -> int:
        return sum(trial.state.name in states for trial in self.study.get_trials(deepcopy=False))

    def _tell_wait(self, due: float) -> float:
        """Say whose trials are waited for, if a word is due at that time; when the next one is."""
        if time.monotonic() < due:
            return due
        if others := self._others():
            say(f"tune: waiting for trial {others}; one whose process is gone is tried again, here at once, "
                f"elsewhere or unsaid {DEAD_AFTER / 60:.0f} min after its last sign of life")  # fmt: skip
        return time.monotonic() + WORD_SECONDS

    def _others(self) -> str:
        """The trials that are running, and who is at them, for people."""
        makers = []
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.name == "RUNNING":
                host, _, rest = trial.user_attrs.get("process", "").partition(" ")
                whose = f"process {rest.split()[0]} on {host}" if rest else "a process that did not say which"
                makers.append(f"{trial.number} ({whose}, since {trial.datetime_start:%H:%M})")
        return ", ".join(makers)

    def _find_dead(self) -> None:
        """Queue the trials of dead processes: of this machine at once, of others when their heartbeat is old."""
        import optuna

        optuna.storages.fail_stale_trials(self.study)
        for trial in self.study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            if _is_gone(trial):
                try:
                    self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
                except (ValueError, RuntimeError):
                    continue  # another process was faster
                say(f"tune: trial {trial.number} was killed; it is tried again")
                _again(self.study, trial)

    def _try(self, trial: Any) -> float:
        """Train one network and return its held-out loss: what Optuna calls the objective."""
        import optuna
        from torch import OutOfMemoryError

        from mlspatial.steps.train import train
        from mlspatial.train.loop import Diverged

        trial.set_user_attr("process", _process(os.getpid()))
        values = {axis.name: axis.suggest(trial) for axis in self.axes}
        others = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        if any(other.number < trial.number and other.params == trial.params for other in others):
            time.sleep(POLL_SECONDS)
            raise _Busy
        batches, known = self.options["batches"], set(self.study.trials[trial.number].intermediate_values)

        def report(step: int, metrics: Mapping[str, float]) -> None:
            if step not in known:  # told before the trial was killed
                trial.report(metrics["loss"], step)
            if step < batches and trial.should_prune():
                raise runs.Stopped(f"pruned at batch {step}, trial {trial.number}")

        steps = sorted({batches * part // self.evaluations for part in range(1, self.evaluations)} - {0})
        given = {**self.options, **values, "study": self.study.study_name}
        given |= {"checkpoints": "", "evaluations": ",".join(map(str, steps))}
        reason = ""
        try:
            (run_id,) = train(task=self.task, dataset=self.dataset, report=report, **given)
        except (runs.Stopped, Diverged, OutOfMemoryError) as error:
            reason, run_id = str(error), self._run_of(values)
        except (KeyboardInterrupt, runs.Terminated, Busy, Unreachable) as error:
            _again(self.study, self.study.trials[trial.number])
            raise _Interrupted from error
        loss = math.nan if reason else runs.get(run_id).metrics["heldout/loss"]
        reason = reason or ("" if math.isfinite(loss) else f"the held-out loss is {loss}")
        for key, value in {**values, "run_id": run_id, "reason": reason}.items():
            trial.set_user_attr(key, value)
        if reason:
            say(f"tune: trial {trial.number} given up: {reason}")
            raise optuna.TrialPruned
        return loss

    def _run_of(self, values: Mapping[str, Any]) -> str:
        """The newest train run of this study with these values; '' when none was begun."""
        name = self.study.study_name
        made = runs.find(entry="train", where=f"tags.`{STUDY}` LIKE '%{name}%'")
        same = (run for run in made if all(run.cfg.get(key) == str(value) for key, value in values.items()))
        return next((run.id for run in same if name in run.studies), "")

    def summarise(self, spec: runs.Spec, force: bool, wait: bool) -> str:
        """Write the study's own run, unless another machine does; the id of that run."""
        name, done = self.study.study_name, self._count("COMPLETE", "PRUNED")
        told = [trial.user_attrs for trial in self.study.trials]
        if not self._count("COMPLETE"):
            reasons = [facts["reason"] for facts in told if facts.get("reason")]
            said = f"the last: {reasons[-1]}; try a smaller lr" if reasons else "give it more time"
            raise UserError(f"{name}: no trial has finished ({said})")
        parents = dict.fromkeys(facts["run_id"] for facts in told if facts.get("run_id"))
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = runs.finished(spec)
            force = force or (found is not None and found.metrics["trials.done"] != done)
            try:
                with runs.open_run(spec, name=f"tune {name}", study=name, parents=parents, force=force) as run:
                    if not run.answered:
                        self._log(run)
                return run.id
            except Busy:  # another process is writing it
                if not wait or time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)

    def _log(self, run: runs.Run) -> None:
        attributes = ("number", "state", "value", "datetime_start", "duration", "user_attrs")
        table = self.study.trials_dataframe(attributes).rename(columns=lambda name: name.removeprefix("user_attrs_"))
        trial = self.study.best_trial
        values = {axis.name: trial.user_attrs[axis.name] for axis in self.axes}
        best = {"run_id": trial.user_attrs["run_id"], "trial": trial.number, "loss": trial.value, "parameters": values}
        counts = {"done": ("COMPLETE", "PRUNED"), "pruned": ("PRUNED",), "failed": ("FAIL",)}
        run.log({f"trials.{key}": self._count(*states) for key, states in counts.items()})
        run.log({"best.loss": trial.value} | {f"best.{key}": values[key] for key in values if key != "augment"})
        run.log_text(json.dumps(best, indent=1), "best.json")
        run.describe(notes.facts({"trials": len(table), "best held-out loss": trial.value, **values}))
        run.log_text(table.to_csv(index=False), "trials.csv")
        run.log_table(table, "trials.json")
        self._plot(run)
        said = ", ".join(f"{key}={value}" for key, value in values.items())
        say(f"tune {self.study.study_name}: best held-out loss {trial.value:.4g} with {said} (run {best['run_id']})")

    def _plot(self, run: runs.Run) -> None:
        from matplotlib import pyplot
        from optuna.visualization import matplotlib as draw

        plots: dict[str, Any] = {"history": draw.plot_optimization_history, "slice": draw.plot_slice}
        losses = {trial.value for trial in self.study.trials if trial.state.name == "COMPLETE"}
        plots |= {"importance": draw.plot_param_importances} if len(losses) > 1 else {}
        if len(losses) < 2:
            say("tune: no picture of the importances, which takes two finished trials with different losses")
        with tempfile.TemporaryDirectory() as folder, pyplot.rc_context(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name, plot in plots.items():
                pyplot.switch_backend("agg")
                plot(self.study, target_name="held-out loss")
                if name != "importance" and 0 < 100 * min(losses) < max(losses):  # a few large learning rates
                    pyplot.gcf().axes[0].set_yscale("log")
                for suffix in ("png", "svg"):
                    path = Path(folder) / f"{name}.{suffix}"
                    pyplot.savefig(path, bbox_inches="tight", dpi=150)
                    run.log_file(path, "plots")
                pyplot.close()


ENTRY = entry(
    "tune",
    "Search learning rate, batch size, weight decay and augmentation; every trial is a train run.\n\n"
    "The trials are found by study=NAME. The same command goes on where it was stopped; more trials continue the "
    "study.",
    TUNE,
    rendered_first("tune", tune),
    ('--task category --dataset quick --batches 100 --trials 12 --lr 1e-4,1e-2 --batch_size "32|64"',),
)
