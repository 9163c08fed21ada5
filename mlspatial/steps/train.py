"""train: tasks, seeds and a dataset in, registered networks and a run for each out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.code import code_id
from mlspatial.core.errors import BadValue
from mlspatial.core.manifest import Manifest
from mlspatial.core.names import MODEL_ID, cache_folder
from mlspatial.core.parameters import entry
from mlspatial.core.progress import say, stages
from mlspatial.registry import notes, runs
from mlspatial.registry.datasets import find_dataset
from mlspatial.registry.run import logged_id
from mlspatial.steps.checkpoints import Checkpoints, discard
from mlspatial.steps.render import rendered_first
from mlspatial.steps.run_pages import logged_before, train_pages
from mlspatial.tasks import TASKS, canonical_name, task_names
from mlspatial.train.parameters import TRAIN, without_later

if TYPE_CHECKING:  # torch takes seconds to import, and an answered run does not need it
    from mlspatial.data.loader import Source
    from mlspatial.train.loop import Network
    from mlspatial.train.ranks import Group
    from mlspatial.train.settings import Settings

VERSION = 3
LARGEST_INPUT = 224  # pixels; Xie et al. 2025
EVALUATION_BATCH = 256
LIVE = "live:"  # before the name of a dataset: fresh images by its recipe
SEEDS = 2**31  # torch's generators keep 32 bits of a seed on a CPU
#: of Settings
OF_TRAINING = ("lr", "schedule", "weight_decay", "precision", "augment", "compile", "deterministic", "stacked")

Report = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class TrainingSet:
    """Where the images come from. label: the dataset's name in that of registered models."""

    folder: Path
    manifest: Manifest
    made_by: runs.RunRecord | None
    live: bool

    @property
    def label(self) -> str:
        return self.manifest.name + ("-live" if self.live else "")

    def folders_drawn_from(self) -> dict[str, Any]:
        """The folders of models and of panoramas that the dataset's run has named."""
        named = self.made_by.cfg if self.made_by else {}
        return {
            key: named[key]
            for key in ("objects", "environments")
            if named.get(key) and not str(named[key]).startswith("procedural")
        }


def train(
    *,
    task: str,
    dataset: str,
    seed: int,
    seeds: str = "",
    resume: bool = True,
    study: str = "",
    force: bool = False,
    report: Report | None = None,
    **options: Any,
) -> list[str]:
    """Train a network for every task and seed, all on the same batches, and return the ids of their runs.

    task: one, or several with | between; seeds: such as 0-5 or 0,2, instead of seed; options: the other parameters of
    the MLproject file. report(step, held-out metrics): called after every evaluation; what it raises ends the runs.
    Networks that finished runs hold are not trained again. The number of torchrun's processes counts in what a network
    is named by: batch normalisation sees each one's part of a batch.
    """
    from mlspatial.analysis.device import named_device
    from mlspatial.models.build import ARCHITECTURES
    from mlspatial.train import augment
    from mlspatial.train.ranks import group_of

    _ = ARCHITECTURES[options["arch"]]
    tasks = list(dict.fromkeys(canonical_name(name) for name in task.split("|")))
    source = _source(dataset)
    options = without_later(options)
    options["input_size"] = options["input_size"] or min(int(source.manifest.recipe["size"]), LARGEST_INPUT)
    numbers = parse_seeds(seeds, seed)
    if version := augment.VERSIONS.get(options["augment"]):
        options["augment_version"] = version
    with group_of(named_device(options["device"])) as group:
        if group.world > 1:
            options["ranks"] = group.world
        cfgs = [
            {"task": name, "dataset": source.label, "seed": number, "resume": resume, **options}
            for name in tasks
            for number in numbers
        ]
        for cfg in cfgs:
            said = check(cfg, source.live)
        for words in said if group.first else ():
            say(f"train: {words}")
        return _Job(source, options, study, force, report).run(cfgs, resume, group)


def check(cfg: Mapping[str, Any], live: bool) -> list[str]:
    """Lines on parameters that change nothing beside others. Raises UserError for those that cannot be meant."""
    from mlspatial.train.settings import Settings

    settings_of(cfg).check()
    for name, least in (("seed", -SEEDS), ("order_seed", 0)):
        if not least <= cfg[name] < SEEDS:
            raise BadValue(name, cfg[name], f"must be at least {least} and below {SEEDS}")
    if not 0 < cfg["fraction"] <= 1:
        raise BadValue("fraction", cfg["fraction"], "must be above 0 and at most 1")
    if live and cfg["fraction"] != 1:
        raise BadValue("fraction", cfg["fraction"], f"has no meaning for dataset={LIVE}...; leave it out")
    if not live and cfg["workers"] < 1:
        raise BadValue("workers", cfg["workers"], "must be 1 or more threads")
    said = []
    of_training = {name: getattr(Settings, name) for name in OF_TRAINING} | {"order_seed": 0, "fraction": 1.0}
    given = [f"{name}={cfg[name]}" for name, default in of_training.items() if cfg.get(name, default) != default]
    if cfg["batches"] == 0 and given:
        said.append(f"batches=0 trains nothing; {', '.join(given)} changes nothing")
    if live and cfg["cache"] in ("memory", "device"):
        said.append(f"cache={cfg['cache']} keeps nothing; no image of dataset={LIVE}... comes twice")
    if live and cfg["batches"] and cfg["order_seed"] and cfg["augment"] == "none":
        said.append(f"order_seed={cfg['order_seed']} orders nothing; images of dataset={LIVE}... come by their number")
    return said


def settings_of(cfg: Mapping[str, Any]) -> Settings:
    """The loop's settings in train's parameters. Raises BadValue for checkpoints or evaluations that are no numbers."""
    from mlspatial.train.settings import Settings, parse_steps

    given: dict[str, Any] = {name: cfg[name] for name in ("batches", *OF_TRAINING) if name in cfg}
    given |= {name: parse_steps(name, cfg[name]) for name in ("checkpoints", "evaluations")}
    return Settings(**given, augment_seed=cfg["order_seed"])


def _own_code(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Hashes of a user's own code behind a network and its task, which decide the result; {} where there is none."""
    from mlspatial.models.build import code_of

    parts = {part: code_id(TASKS[part].__module__) for part in task_names(cfg["task"])}
    found = {name: code for name, code in {"arch": code_of(cfg["arch"]), **parts}.items() if code}
    return {"code": found} if found else {}


def parse_seeds(text: str, seed: int) -> list[int]:
    """'0-5' or '0,2,4-6' -> the numbers; '' -> [seed]. Raises BadValue, also for a seed beside seeds.

    seed=0 may stand beside them: it is the default, which `mlflow run` always passes.
    """
    if not text.strip():
        return [seed]
    if seed:
        raise BadValue("seed", seed, f"contradicts seeds={text}; give one of the two")
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
            raise BadValue("seeds", text, "must be numbers or ranges, such as 0-5 or 0,2,4")
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))


def _source(dataset: str) -> TrainingSet:
    live = dataset.startswith(LIVE)
    folder, manifest, made_by = find_dataset(dataset.removeprefix(LIVE))
    return TrainingSet(folder, manifest, made_by, live)


@dataclass
class _Member:
    """A run that is open, and its network's settings."""

    cfg: dict[str, Any]
    spec: runs.Spec
    run: runs.Run | None  # None in the processes that keep no records
    stack: ExitStack
    checkpoints: Checkpoints | None = None

    @property
    def state(self) -> Path:
        return cache_folder("train") / f"{self.spec.id}.pt"

    @property
    def name(self) -> str:
        return f"{self.cfg['task']} seed {self.cfg['seed']}"


@dataclass
class _Job:
    """Networks to be trained together."""

    source: TrainingSet
    options: dict[str, Any]
    study: str
    force: bool
    report: Report | None

    def run(self, cfgs: list[dict[str, Any]], resume: bool, group: Group) -> list[str]:
        from mlspatial.analysis.device import choose_device

        ids: list[str] = []
        with ExitStack() as stack:
            members = []
            for cfg in cfgs:
                inputs = {"dataset_id": self.source.manifest.dataset_id, "live": self.source.live, **_own_code(cfg)}
                spec = runs.Spec("train", VERSION, inputs, cfg, ENTRY.free)
                member = _Member(cfg, spec, None, stack.enter_context(ExitStack()))
                if not group.lead(partial(self._open, member, resume, group.device)):
                    members.append(member)
                ids += [member.run.id] if member.run else []
            if members:
                self._train(members, replace(group, device=choose_device(group.device)))
        return ids

    def _open(self, member: _Member, resume: bool, device: str) -> bool:
        """Open a member's run in the process that keeps records. Whether it was answered."""
        from mlspatial.analysis.device import choose_device, tags_of

        cfg = member.cfg
        name = f"train {cfg['task']} {cfg['arch']} seed {cfg['seed']}" + (" untrained" if cfg["batches"] == 0 else "")
        name += ", of a simulated brain" if cfg.get("hidden") else ""
        from mlspatial.registry.again import lost_networks

        parents = [self.source.made_by.id] if self.source.made_by else []
        opened = runs.open_run(
            member.spec, name=name, study=self.study, parents=parents, force=self.force, lacks=lost_networks
        )
        run = member.run = member.stack.enter_context(opened)
        if run.answered:
            discard(member.state)  # of one whose end could not be told when it came
        else:
            run.add_tags(tags_of(choose_device(device), cfg["precision"]))
            if not (run.resumed and resume):
                discard(member.state)  # a state without its run belongs to nobody
        return run.answered

    def _train(self, members: list[_Member], group: Group) -> None:
        from mlspatial.data.arriving import settle
        from mlspatial.data.clips import loader
        from mlspatial.tasks import build_task
        from mlspatial.train.loop import slow_precision
        from mlspatial.train.loop import train as run_loop

        cfg, manifest = self.options, self.source.manifest
        settings = settings_of(cfg)
        settings.check(group.device)
        if group.first and slow_precision(cfg["precision"], group.device):
            say(f"train: this processor has no instructions for {cfg['precision']}; float32 is faster here")
        tasks = {m.cfg["task"]: build_task(m.cfg["task"], manifest.schema, manifest.statistics) for m in members}
        columns = tuple(dict.fromkeys(column for task in tasks.values() for column in task.columns))
        shared = {"columns": columns, "threads": cfg["workers"]}
        heldout = loader(self.source.folder, manifest, "heldout", batch_size=EVALUATION_BATCH, **shared)
        for task in tasks.values():
            task.check(manifest.name, heldout.targets())
        training = self._training(columns, group)
        networks = [self._network(member, tasks[member.cfg["task"]]) for member in members]
        by_name = dict(zip((network.name for network in networks), members, strict=True))

        def gave_up(network: Network) -> None:
            member, reason = by_name[network.name], network.failed
            if group.first:  # of all processes of a group this one keeps records, and what waits
                say(f"train: {network.failed}")
                if member.checkpoints:
                    member.checkpoints.give_up()
                discard(member.state)
            member.stack.__exit__(type(reason) if reason else None, reason, None)

        title = f"train {members[0].name}" if len(members) == 1 else f"train {len(members)} networks"
        images = cfg["batches"] * cfg["batch_size"]
        with stages({"train": title}, {"train": "img"}) as show:

            def update(step: int, loss: float) -> None:
                show("train", step * cfg["batch_size"], images, loss=f"{loss:.3f}")

            run_loop(
                networks,
                training,
                heldout,
                settings,
                group=group,
                progress=update if group.first else None,
                gave_up=gave_up,
            )
        settle(self.source.folder)
        for network, member in zip(networks, members, strict=True):
            if group.first and not network.failed:
                member.stack.close()  # finished, whatever becomes of the others
                discard(member.state)
                shown = ", ".join(f"{key} {value:.3f}" for key, value in network.metrics.items())
                say(f"train {member.name}: held-out {shown}")
        if failed := next((network.failed for network in networks if network.failed), None):
            raise failed

    def _training(self, columns: tuple[str, ...], group: Group) -> Source:
        cfg, source = self.options, self.source
        shared: dict[str, Any] = {
            "columns": columns,
            "batch_size": cfg["batch_size"],
            "device": group.device if group.device.startswith("cuda") else None,
            "rank": group.rank,
            "world": group.world,
        }
        if source.live:
            from mlspatial.render.live import live_source

            return live_source(source.manifest, workers=cfg["workers"], **source.folders_drawn_from(), **shared)
        from mlspatial.data.clips import loader

        order = {"seed": cfg["order_seed"], "fraction": cfg["fraction"], "cache": cfg["cache"]}
        return loader(source.folder, source.manifest, "train", threads=cfg["workers"], **order, **shared)

    def _network(self, member: _Member, task: Any) -> Network:
        from mlspatial.data.clips import frames_of
        from mlspatial.models.build import build
        from mlspatial.models.spec import ModelSpec
        from mlspatial.registry.models import log_model
        from mlspatial.tasks import head_layout
        from mlspatial.train.loop import Network

        cfg, manifest, run, report = member.cfg, self.source.manifest, member.run, self.report
        layout = head_layout(manifest.schema, task.parts)
        spec = ModelSpec(
            arch=cfg["arch"],
            units=max(end for _, end in layout.values()),
            head=layout,
            supervised=tuple(task.parts),
            input_size=cfg["input_size"],
            statistics=manifest.statistics,
            classes={latent.name: latent.categories for latent in manifest.schema if latent.categories},
            frames=frames_of(manifest),
        )
        history: dict[str, dict[int, float]] = {}
        logged_until = run.last_step("train/loss") if run and run.resumed else -1

        def log(metrics: Mapping[str, float], step: int) -> None:
            for key, value in metrics.items():
                history.setdefault(key, {})[step] = float(value)
            if run and step > logged_until:
                run.log(metrics, step)
                checkpoints.deliver()

        def register(module: Any, step: int, metrics: Mapping[str, float]) -> None:
            assert run is not None
            run.flush()
            facts = {key: cfg[key] for key in ("dataset", "task", "seed")} | {"hidden": cfg.get("hidden", False)}
            dataset_id = manifest.dataset_id
            record = log_model(run, module, spec, dataset_id=dataset_id, step=step, metrics=metrics, **facts)
            run.set_tags({MODEL_ID: record.model_id})
            run.said = [f"After {step} batches, held out:\n\n" + notes.facts(dict(sorted(metrics.items())))]
            run.networks = list(dict.fromkeys([*run.networks, logged_id(record.uri)]))

        checkpoints = Checkpoints(member.name, member.state, partial(build, spec, seed=cfg["seed"]), register)
        member.checkpoints = checkpoints

        def evaluated(module: Any, step: int, metrics: dict[str, float], checkpoint: bool) -> None:
            if run and checkpoint:
                checkpoints.add(module, step, metrics, last=step == cfg["batches"])
            if report:
                report(step, metrics)

        def predicted(outputs: Any, columns: Any) -> None:
            if run:
                keep = partial(task.predictions, outputs, columns)
                train_pages(run, member.name, keep, self.source.folder, manifest, curves)

        def curves() -> Mapping[str, Mapping[int, float]]:
            before = logged_before(run) if run and run.resumed else {}
            return {key: before.get(key, {}) | history.get(key, {}) for key in (history | before)}

        if run:
            run.log_dataset(manifest, self.source.folder, "training")
        module = build(spec, seed=cfg["seed"], init=cfg["init"])
        return Network(member.name, module, spec, task, cfg["seed"], log, evaluated, member.state, predicted)


ENTRY = entry(
    "train",
    "Train a network on a task and register it at every checkpoint.\n\n"
    "The default dataset is rendered first where it does not exist yet.",
    TRAIN,
    rendered_first("train", train),
    (
        "--task translation --dataset quick --batches 300",
        '--task "distance+rotation|category" --seeds 0-2 --dataset quick --checkpoints 100,200',
        "--task translation --dataset quick --batches 0",
    ),
)
