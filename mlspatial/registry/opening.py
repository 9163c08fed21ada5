"""How a run is begun: a killed one goes on, or a new one is made, once it is claimed (see `claims`)."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from mlspatial.core.errors import Busy
from mlspatial.core.names import CFG, DATASET_ID, ENTRY, MODEL_ID, PARENTS, SPEC, STUDY, TAG
from mlspatial.core.progress import say
from mlspatial.registry import claims, dead, foreign, lives, source, spool
from mlspatial.registry.artifacts import Lacks, whole
from mlspatial.registry.claims import CHOOSING, CLAIM, NONE, TICKET
from mlspatial.registry.found import ANSWER, find
from mlspatial.registry.patience import hurried
from mlspatial.registry.record import RunRecord, Spec
from mlspatial.registry.run import MAX_TAG, PARENTS_FILE, Run
from mlspatial.registry.store import client, experiment_id

RESUMED = TAG + "resumed"


class Answered(Exception):
    """Somebody else has made the result since we looked."""

    def __init__(self, run: RunRecord) -> None:
        super().__init__(run.id)
        self.run = run


class Died(Exception):
    """Somebody who was at the result has died since we looked: what it has left goes on."""


@dataclass
class Opening:
    """What a run is opened with. listed: ids of the runs it stands on; project_run: which `mlflow run` has opened;
    same: runs of the spec, newest first; claimed: whether the result is ours to make."""

    spec: Spec
    name: str
    study: str
    listed: str
    force: bool
    lacks: Lacks | None
    project_run: str | None
    same: list[RunRecord]
    claimed: bool = False
    _known: Mapping[str, str] = field(default_factory=dict)  # parameters that a run which goes on has already

    def begin(self) -> Run:
        """The run that is to be made: a killed one that is claimed, or a new one that is still to be (`claim`).

        With force it is a new one. Raises Busy, Answered.
        """
        for run in () if self.force else self.same:
            if run.status == "KILLED" and (resumed := self._resume(run)):
                return resumed
        return self._start()

    def claim(self, run: Run) -> None:
        """Claim the result for a run that `begin` has made; it is gone if others were faster.

        Raises Busy, Answered, Died.
        """
        if not self.claimed:
            try:
                found = self._enter(run.id, lambda text: run.set_tags({CLAIM: text}))
                if not self.force and any(self._has_died(one) for one in found if one.id != run.id):
                    raise Died
            except (Busy, Answered, Died):
                self._withdraw(run)
                raise
            claims.OWN.add(run.id)
            self.claimed = True

    def _enter(self, own: str, write: Callable[[str], None]) -> list[RunRecord]:
        look = partial(find, spec=self.spec.id, entry=self.spec.entry)
        try:
            found = claims.enter(own, look, write)
        except claims.Outdone as outdone:
            raise self.busy(outdone.rival.who) from None
        known = {run.id for run in self.same if run.status == "FINISHED"}
        new = [run for run in found if run.status == "FINISHED" and run.id not in known]
        if not self.force and (made := whole(new, self.name, self.lacks)):
            raise Answered(made)
        return found

    def _has_died(self, run: RunRecord) -> bool:
        """Whether a run, of nobody who lives, has come to that since we looked and could go on."""
        known = any(one.id == run.id and one.status == "KILLED" for one in self.same)
        return run.id not in dead.FOREIGN and (run.status == "RUNNING" or (run.status == "KILLED" and not known))

    def busy(self, maker: str) -> Busy:
        return Busy(self.name, maker, self.spec.entry, self.spec.id, self.spec.cfg)

    def _withdraw(self, run: Run) -> None:
        """Leave no second result: delete a run that we have made, or where we may not, have it answer for nothing."""
        nothing = {ENTRY: ANSWER, CLAIM: NONE}
        if self.project_run:
            run.set_tags(nothing)
        elif foreign.refusal(lambda: client().delete_run(run.id)):
            run.set_tags(nothing)
            client().set_terminated(run.id, "KILLED")
        run.withdrawn = True

    def _resume(self, killed: RunRecord) -> Run | None:
        """A killed run, claimed and ours; None where we may not change it, or it is no killed one any more."""
        token = uuid4().hex[:12]
        register, run = TICKET + token, Run(killed.id, resumed=True)
        if killed.id in dead.FOREIGN:
            return None
        claims.OWN.add(token)
        try:
            if not dead.may_change(killed, {register: claims.ticket(CHOOSING)}):
                return None
            try:
                found = self._enter(token, lambda text: run.set_tags({register: claims.ticket(text)}))
                now = next((one for one in found if one.id == killed.id and one.status == "KILLED"), None)
                if now:
                    self._take(run, now)
                client().delete_tag(run.id, register)
            except BaseException:
                if run.id in claims.OWN:
                    claims.OWN.discard(run.id)
                    dead.LEFT.add(run.id)  # it may say that we are at it
                with suppress(Exception), hurried():
                    client().delete_tag(run.id, register)
                raise
        finally:
            claims.OWN.discard(token)
        return run if now else None

    def _take(self, run: Run, killed: RunRecord) -> None:
        """Make a run ours: first it says whose it is, lest others think its process is dead."""
        claims.OWN.add(run.id)
        run.set_tags({RESUMED: int(killed.tags.get(RESUMED, 0)) + 1, **lives.signs(), CLAIM: claims.held()})
        self.claimed = True
        client().update_run(run.id, status="RUNNING")
        run.set_tags(source.joined(killed.tags, source.versions()))
        if kept := spool.of(run.id):
            if kept.process == killed.tags.get(lives.PROCESS):  # else others have gone on with it, and logged the same
                run.take_up(kept)
            spool.forget(run.id)
        if self.project_run:
            point_to(killed, self.project_run, self.spec, self.name, self.study)
        join_study(killed, self.study)
        self._known = killed.cfg

    def _start(self) -> Run:
        tags = {
            "mlflow.runName": self.name,
            "mlflow.user": getpass.getuser(),
            "mlflow.source.type": "LOCAL",
            "mlflow.source.name": f"entrypoints.{self.spec.entry}",
            ENTRY: self.spec.entry,
            SPEC: self.spec.id,
            STUDY: self.study,
            PARENTS: self.listed if len(self.listed) <= MAX_TAG else "",
            DATASET_ID: str(self.spec.inputs.get("dataset_id", "")),
            MODEL_ID: str(self.spec.inputs.get("model_id", "")),
            CLAIM: CHOOSING,
            **lives.signs(),
            TAG + "version": str(self.spec.version),
            **source.tags(),
            **source.versions(),
        }
        if self.project_run:
            run = Run(self.project_run, new=True)
            run.set_tags(tags)
            return run
        made = client().create_run(experiment_id(self.spec.entry), tags=tags, run_name=self.name)
        return Run(made.info.run_id, new=True)

    def describe(self, run: Run) -> None:
        """Log the parameters; of a run that was killed before all were, the rest."""
        cfg: Mapping[str, Any] = self.spec.cfg
        claim = {} if run.resumed else {CLAIM: claims.held()}
        if len(self._known) >= len(cfg):
            if claim:
                run.set_tags(claim)
            return
        run.log_params({CFG + key: value for key, value in cfg.items() if key not in self._known}, claim)
        if len(self.listed) > MAX_TAG:
            run.log_text(self.listed.replace(",", "\n"), PARENTS_FILE)
        if patch := source.dirty_patch():
            run.log_text(patch, "source/uncommitted.patch")


def point_to(answer: RunRecord, project_run: str, spec: Spec, name: str, study: str) -> None:
    """Make the empty run that `mlflow run` has opened say which run holds its result."""
    tags = {
        "mlflow.runName": f"{name} (see {answer.name}, {answer.id})",
        ENTRY: ANSWER,
        SPEC: spec.id,
        STUDY: study,
        PARENTS: answer.id,
        DATASET_ID: answer.tags.get(DATASET_ID, ""),
        MODEL_ID: answer.tags.get(MODEL_ID, ""),
    }
    Run(project_run).set_tags(tags)
    client().set_terminated(project_run, "FINISHED")


def join_study(run: RunRecord, study: str) -> None:
    """Name a run part of a study, too, where we may."""
    if not study or study in run.studies:
        return
    tags = {STUDY: ",".join([*run.studies, study])}
    if foreign.refusal(lambda: Run(run.id).set_tags(tags)):
        say(
            f"run {run.id} of {run.tags.get('mlflow.user', 'another')} ({run.name}) answers, but you may not name "
            f"it part of study {study}: what reads that study by its name is without it. Ask for the right to change "
            f"runs, or use {f'study={run.studies[0]}' if run.studies else 'no study'}"
        )
