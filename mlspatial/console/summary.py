"""What stands at the end of a command: what was made, its numbers, where to look, what one might do next."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from mlspatial.console.cells import best_readouts, means, of_last_layer, within_and_across
from mlspatial.console.layout import WIDTH, Cell, command, facts, invocation, place, table
from mlspatial.core.errors import in_one_line
from mlspatial.core.names import CHECKS, FOLDER, STUDY, TAG
from mlspatial.core.progress import duration, say, silent
from mlspatial.registry import runs
from mlspatial.registry.places import local_path
from mlspatial.registry.published import at_of, stated
from mlspatial.registry.read import table_rows
from mlspatial.registry.record import RunRecord
from mlspatial.registry.store import database, ui_address

INNER = WIDTH - 2  # columns of a table, which is indented
MOST = 60  # runs that are read; a summary must not take longer than what it sums up
DRAWN = ("seed", "seeds", "device", "workers", "cache", "resume", "checkpoints", "evaluations")  # not of a condition
SAME = "_mae_", "mae_deg", "/loss"  # parts of metrics' names that say again what others say
HELDOUT = "heldout/"
MOST_CHECKS, MOST_LACKING = 40, 8  # of verify: shown one by one; lines on what is not there
VERDICTS = ("holds", "known to differ", "fails", "cannot run")
Lines = dict[str, str]

_SUMMARIES: dict[str, Callable[[list[RunRecord]], Lines]] = {}


def tell(entry: str, ids: Sequence[str], began: float) -> None:
    """Say the summary of a command that began at a time (of time.time()) on standard error, unless that is silenced.

    What goes wrong on the way is told in one line: the runs are there whatever becomes of their summary.
    """
    if silent() or not ids or entry not in _SUMMARIES:
        return
    try:
        text = summary(entry, ids, began)
    except Exception as error:
        text = f"{entry}: no summary ({type(error).__name__}: {in_one_line(error)}); the runs are there"
    say(text)


def summary(entry: str, ids: Sequence[str], began: float) -> str:
    """The lines of an entry point's summary. ids: of its finished runs; began: when, in seconds since 1970."""
    records = [runs.get(run) for run in ids[:MOST]]
    lines = {name: text for name, text in _SUMMARIES[entry](records).items() if text}
    numbers = lines.pop("numbers", "")
    made = lines.pop("made", "")
    made += f" and {len(ids) - MOST} more runs" if len(ids) > MOST else ""
    known = all(record.end < 1000 * began for record in records)
    took = duration(time.time() - began)
    made = f"{made.removesuffix(':')} ({'--force true makes it anew' if known else took}){':' if numbers else ''}"
    head = facts({"was there" if known else "made": made})
    return "\n".join(part for part in ("", head, _indented(numbers), facts(lines)) if part)


def _of(entry: str) -> Callable[[Callable[[list[RunRecord]], Lines]], Callable[[list[RunRecord]], Lines]]:
    def add(function: Callable[[list[RunRecord]], Lines]) -> Callable[[list[RunRecord]], Lines]:
        _SUMMARIES[entry] = function
        return function

    return add


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _look(record: RunRecord, *names: str) -> str:
    """Where the artifacts of a run lie, and its page where a server shows one."""
    folder = local_path(record.artifacts) if record.artifacts else None
    shown = [f"{place(folder)}{': ' + ', '.join(names) if names else ''}"] if folder else []
    if database() is None:
        shown.append(ui_address(record.experiment, record.id).partition("?")[0])
    else:
        shown.append(f"MLflow's pages: mlflow ui --backend-store-uri sqlite:///{place(_database())}")
    return "\n".join(shown)


def _database() -> Path:
    file = database()
    assert file is not None
    return file


def _compare_next(records: list[RunRecord]) -> str:
    studies = records[-1].studies
    return command("compare", study=studies[-1]) if studies else command("compare", out="reports/mine")


def _counted(number: int, what: str, several: str = "") -> str:
    return f"{number} {what if number == 1 else several or what + 's'}"


@_of("render")
def _render(records: list[RunRecord]) -> Lines:
    from mlspatial.steps.render import FORMER_SHEET, LATENTS, SHEET

    (record,) = records[:1]
    sheet = FORMER_SHEET if runs.there(record.id, [FORMER_SHEET]) else SHEET
    cfg, folder = record.cfg, record.tags.get(FOLDER, record.cfg.get("out", ""))
    images = f"{int(cfg['n_train']):,} training and {int(cfg['n_heldout']):,} held-out" if "n_train" in cfg else ""
    images = f"{images or format(int(cfg['images']), ',')} images of {cfg['size']} px"
    speed = record.metrics.get("images_per_s")
    return {
        "made": f"dataset {cfg['dataset']} ({record.dataset_id}): {images}, "
        f"{_counted(int(cfg['n_categories']), 'category', 'categories')}"
        + (f"; {speed:.0f} images/s" if speed else ""),
        "look at": f"{place(folder)}\n" + _look(record, sheet, LATENTS),
        "published": at_of(record, known) if (known := stated(record)) else "",
        "next": command("tuning", models="task=translation|category", dataset=cfg["dataset"])
        if "design" in cfg
        else command("train", task="translation", dataset=cfg["dataset"], batches=300),
    }


@_of("train")
def _train(records: list[RunRecord]) -> Lines:
    rows: list[dict[str, Cell]] = []
    for record in records:
        row: dict[str, Cell] = {
            "task": record.cfg["task"],
            "seed": record.cfg["seed"],
            "batches": record.cfg["batches"],
        }
        row |= heldout(record)
        rows.append(row)
    first = records[0]
    tasks = "|".join(dict.fromkeys(record.cfg["task"] for record in records))
    seeds = "|".join(dict.fromkeys(record.cfg["seed"] for record in records))
    selector = f"task={tasks},dataset={first.cfg['dataset']},arch={first.cfg['arch']},seed={seeds}"
    selector += ",step=0" if first.cfg["batches"] == "0" else ""
    if first.cfg.get("hidden") == "True":  # no selector finds these
        selector = ",".join(f"runs:/{record.id}/model" for record in records)
    return {
        "made": f"{_counted(len(records), 'network')} ({first.cfg['arch']}), on held-out images:",
        "numbers": table(rows, INNER),
        "look at": f"{invocation('show')} {shlex.quote(selector)}\n" + _look(first),
        "next": command("score", models=selector, benchmarks="simulated_v1"),
    }


def heldout(record: RunRecord) -> dict[str, Cell]:
    """The loss, then what says most: shares of variance and of hits, and angles, by their names without the task."""
    found = {name.removeprefix(HELDOUT): value for name, value in record.metrics.items() if name.startswith(HELDOUT)}
    kept = [name for name in found if "/" in name and not any(word in name for word in SAME)]
    last = Counter(name.rpartition("/")[2] for name in kept)
    short = {name: part if last[part := name.rpartition("/")[2]] == 1 else name for name in kept}
    means_first = sorted(kept, key=lambda name: "_" in name.rpartition("/")[2])
    return {"loss": found.get("loss"), **{short[name]: found[name] for name in means_first}}


@_of("tune")
def _tune(records: list[RunRecord]) -> Lines:
    (record,) = records[:1]
    best = json.loads(runs.local(record.id, "best.json").read_text())
    given = " ".join(f"--{name} {value}" for name, value in best["parameters"].items())
    counts = {name: int(record.metrics.get(f"trials.{name}", 0)) for name in ("done", "pruned", "failed")}
    return {
        "made": f"{counts['done']} trials, {counts['pruned']} of them pruned, {counts['failed']} failed",
        "best": f"held-out loss {best['loss']:.4g} of trial {best['trial']} (run {best['run_id']})",
        "look at": _look(record, "plots/history.png", "plots/slice.png", "trials.csv"),
        "next": f"{command('train', task=record.cfg['task'], dataset=place(record.cfg['dataset']))} {given}",
    }


@_of("score")
def _score(records: list[RunRecord]) -> Lines:
    from mlspatial.steps.score import SCORES

    rows: list[dict[str, Cell]] = []
    for record in records:
        if not runs.there(record.id, [SCORES]):
            continue  # what networks are compared by
        for one in table_rows(runs.local(record.id, SCORES)):
            if one["committed"] and one.get("primary", True):
                shown = ("benchmark", "layer", "raw", "ceiled", "error")
                rows.append({**_network(record), **{name: one[name] for name in shown}})
    networks = len({record.tags.get(TAG + "model_id") or record.id for record in records})
    return {
        "made": f"scores of {_counted(networks, 'network')}, at the layer that counts:",
        "numbers": table(rows, INNER),
        "look at": _look(records[-1]),
        "next": _compare_next(records),
    }


def _network(record: RunRecord) -> dict[str, Cell]:
    """What a run says of its network."""
    said = {name: record.tags.get(TAG + name, "") for name in ("task", "seed", "step")}
    return dict(said) if said["task"] else {"task": record.name}


@_of("similarity")
def _similarity(records: list[RunRecord]) -> Lines:
    (record,) = records[:1]
    metric = record.cfg["metric"].split(",")[0]
    groups = table_rows(runs.local(record.id, f"groups_{metric}.json"))
    found = means(((_pair(one["first"], one["second"]), one["layer"]), one["mean"]) for one in groups)
    layers = list(dict.fromkeys(layer for (_, layer), mean in found.items() if mean is not None))
    pairs = dict.fromkeys(pair for (pair, _), mean in found.items() if mean is not None)
    rows: list[dict[str, Cell]] = [
        {"between": pair, **{str(layer): found.get((pair, layer)) for layer in layers}} for pair in pairs
    ]
    return {
        "made": f"{record.name} by {record.cfg['metric']}; mean {metric} at each layer:",
        "numbers": table(rows, INNER),
        "look at": _look(record, f"pictures/{metric}_matrices.png", f"groups_{metric}.json"),
        "next": command("decode", models=record.cfg["models"], dataset=place(record.cfg["dataset"])),
    }


def _pair(first: str, second: str) -> str:
    return f"within {first}" if first == second else f"{first} and {second}"


@_of("decode")
def _decode(records: list[RunRecord]) -> Lines:
    from mlspatial.steps.decode import SHOWN, TABLE
    from mlspatial.steps.decode_splits import is_left_out

    if is_left_out(records[-1].cfg.get("split", "")):
        return _generalisation(records)
    each = [record for record in records if TAG + "task" in record.tags] or records
    rows: list[dict[str, Cell]] = []
    for record in each:
        found = [one for one in table_rows(runs.local(record.id, TABLE)) if one["measure"] in SHOWN.values()]
        rows.append({**_network(record), **best_readouts(found)})
    return {
        "made": f"read-outs of {_counted(len(each), 'network')} (pixels are one); best layer of each latent,\n"
        "accuracy of a category, correlation of the others, mean over splits:",
        "numbers": table(rows, INNER),
        "look at": _look(records[-1], f"pictures/decoding{'_by_group' if len(each) < len(records) else ''}.png", TABLE),
        "next": _compare_next(records),
    }


def _generalisation(records: list[RunRecord]) -> Lines:
    from mlspatial.steps.decode import SHOWN
    from mlspatial.steps.decode_generalisation import GENERALISATION, PICTURE
    from mlspatial.steps.decode_splits import COMPARISON

    each = [record for record in records if TAG + "task" in record.tags] or records
    is_alike = not COMPARISON.fullmatch(records[-1].cfg["split"].partition(":")[2])
    rows: list[dict[str, Cell]] = []
    for record in each:
        found = [one for one in table_rows(runs.local(record.id, GENERALISATION)) if one["measure"] in SHOWN.values()]
        rows.append({**_network(record), **within_and_across(found, is_alike=is_alike)})
    drawn = f"pictures/{PICTURE}{'_by_group' if len(each) < len(records) else ''}.png"
    return {
        "made": f"read-outs of {_counted(len(each), 'network')} (pixels are one) with {records[-1].cfg['split']};\n"
        "within/across conditions, means over folds, at the layer of each latent that is best within:",
        "numbers": table(rows, INNER),
        "look at": _look(records[-1], drawn, GENERALISATION),
        "next": _compare_next(records),
    }


@_of("tuning")
def _tuning(records: list[RunRecord]) -> Lines:
    import pyarrow.parquet as pq

    from mlspatial.steps.tuning_files import MAIN, PICTURES, POPULATION

    each = [record for record in records if TAG + "task" in record.tags] or records
    rows: list[dict[str, Cell]] = []
    for record in each:
        found = pq.read_table(runs.local(record.id, POPULATION)).to_pylist()
        rows.append({**_network(record), **of_last_layer(found, MAIN)})
    shown = [f"pictures/{name}.png" for name in (("distances",) if len(each) < len(records) else PICTURES)]
    return {
        "made": f"what {_counted(len(each), 'network')} (pixels and brains are some) do with the design;\n"
        "factorisation of each factor in the last layer:",
        "numbers": table(rows, INNER),
        "look at": _look(records[-1], *shown),
        "next": _compare_next(records),
    }


@_of("compare")
def _compare(records: list[RunRecord]) -> Lines:
    (record,) = records[:1]
    folder = Path(record.cfg["out"])
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    kinds = Counter(Path(name).suffix.removeprefix(".") for name in names)
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()) if kind)
    report = folder / "report.html"
    return {
        "made": f"report of {_counted(len(record.parents), 'run')}" + (f"; files: {counts}" if counts else ""),
        "look at": place(report if report.is_file() else folder),
        "next": command("study", config="studies/quick.yaml", dry_run="true") + "  (a grid of conditions)",
    }


@_of("import")
def _import(records: list[RunRecord]) -> Lines:
    rows: list[dict[str, Cell]] = [{"run": record.name, **dict(list(record.metrics.items())[:4])} for record in records]
    return {
        "made": f"{_counted(len(records), 'run')}, marked as imported:",
        "numbers": table(rows, INNER),
        "next": _compare_next(records),
    }


@_of("export")
def _export(records: list[RunRecord]) -> Lines:
    (record,) = records[:1]
    return {
        "made": f"{record.name} in {place(record.tags.get(FOLDER, record.cfg.get('out', '')))}",
        "look at": _look(record, "README.md"),
        "next": command("score", models=f"file:{place(record.tags.get(FOLDER, ''))}", benchmarks="simulated_v1"),
    }


@_of("study")
def _study(records: list[RunRecord]) -> Lines:
    (record,) = records[:1]
    name = record.cfg["name"]
    made = [
        run
        for run in runs.find(where=f"tags.`{STUDY}` LIKE '%{name}%'", status="FINISHED")
        if name in run.studies and run.entry != "study"
    ]
    counts = Counter(run.entry for run in made)
    order = ("render", "train", "tune", "score", "similarity", "decode", "tuning", "import", "compare")
    reports = [run.cfg.get("out", "") for run in made if run.entry == "compare"]
    report = Path(reports[0]) / "report.html" if reports else None
    best: list[dict[str, Cell]] = []
    trained: dict[str, RunRecord] = {}  # the newest of a spec
    for run in made:
        if run.entry == "train" and run.cfg.get("batches") != "0" and run.cfg.get("hidden") != "True":
            trained.setdefault(run.spec, run)

    def condition(run: RunRecord) -> tuple[str, ...]:
        return run.cfg["task"], *(value for key, value in sorted(run.cfg.items()) if key not in ("task", *DRAWN))

    several = len({run.cfg["dataset"] for run in trained.values()}) > 1
    for one in dict.fromkeys(map(condition, reversed(trained.values()))):
        alike = [run for run in trained.values() if condition(run) == one]
        same = [heldout(run) for run in alike]
        task = one[0] + (f" ({alike[0].cfg['dataset']})" if several else "")
        names = [key for key in same[0] if all(isinstance(one.get(key), float) for one in same)]
        means = {key: sum(float(one[key] or 0.0) for one in same) / len(same) for key in names}
        best.append({"trained on": task, "runs": len(same), **means})
    return {
        "made": f"study {name}: " + ", ".join(f"{counts[entry]} {entry}" for entry in order if counts[entry])
        + (" runs; held-out means over trained networks:" if best else " runs"),
        "numbers": table(best, INNER),
        "look at": f"{place(report) if report and report.is_file() else ''}\n".lstrip() + _look(record),
        "next": f"{invocation('show')} study={name}\n" + command("compare", study=name),
    }  # fmt: skip


@_of("verify")
def _verify(records: list[RunRecord]) -> Lines:
    (record,) = records[:1]
    found = table_rows(runs.local(record.id, CHECKS))
    counts = Counter(one["verdict"] for one in found)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    fields = [str(one["name"]).partition(".")[0] for one in found]
    rows: list[dict[str, Cell]] = []
    if len(found) <= MOST_CHECKS:
        texts = ("name", "published_text", "computed_text", "verdict")
        rows = [dict(zip(("number", "published", "computed", "verdict"), map(one.get, texts), strict=True))
                for one in found]  # fmt: skip
    else:
        for name in dict.fromkeys(fields):
            mine = Counter(one["verdict"] for one, field in zip(found, fields, strict=True) if field == name)
            rows.append({"field": name, "checks": sum(mine.values()), **{v: mine[v] for v in VERDICTS}})
    wrong = [f"{one['name']}: {one['computed_text'] or one['note']} for {one['published_text']}"
             for one in found if one["verdict"] == "fails"]  # fmt: skip
    lacking = dict.fromkeys(one["note"] for one in found if one["verdict"] == "cannot run")
    return {
        "made": f"{_counted(len(found), 'published number')} computed anew: {told}",
        "numbers": table(rows, INNER, most=MOST_CHECKS),
        "fails": "\n".join(wrong),
        "cannot run": "\n".join(f"- {note}" for note in list(lacking)[:MOST_LACKING])
        + (f"\n... and {len(lacking) - MOST_LACKING} more" if len(lacking) > MOST_LACKING else ""),
        "look at": _look(record, "checks.md", "checks.csv"),
        "next": command("verify", only=f"{fields[0]}.*"),
    }
