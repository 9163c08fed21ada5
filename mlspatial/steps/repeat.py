"""The same study under other seeds of everything, and how far its numbers spread over such repetitions.

python -m mlspatial.steps.repeat studies/quick.yaml 1       writes studies/quick_r1.yaml: other images, networks, brains
python -m mlspatial.steps.repeat quick quick_r1 quick_r2    mean and SD over studies that were run
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.files import whole
from mlspatial.steps.train import parse_seeds

if TYPE_CHECKING:
    import pandas as pd

STEP = 100  # between the seeds of two repetitions: more than a study has
SEEDED = ("seed", "order_seed")


def _defaults() -> dict[str, dict[str, Any]]:
    """entry -> its seeds where a study names none."""
    from mlspatial.core.parameters import ENTRIES
    from mlspatial.steps import load_entries

    load_entries()
    found = {name: ENTRIES[name].defaults for name in ENTRIES}
    return {name: {key: given[key] for key in SEEDED if key in given} for name, given in found.items()}


def repeated(text: str, number: int) -> str:
    """The text of a study file -> that of its repetition `number`, 1 or more.

    The study and the datasets that it renders are called NAME_rNUMBER, wherever the file names them; 100 x number is
    added to every seed: of images and their order, of weights, in aliases of networks, of folds, of simulated responses
    where the file states it.
    """
    study = yaml.safe_load(text)
    if not isinstance(study, dict) or not study.get("name"):
        raise UserError("the study has no name; write `name: my_study`")
    if number < 1:
        raise BadValue("number", number, "must be 1 or more; 0 is the study itself")
    end, shift = f"_r{number}", STEP * number
    names = {str(study["name"])}
    for section in _sections(study.get("render", ())):
        names |= {str(name) for name in _listed(section.get("dataset", ()))}
    word = re.compile(rf"(?<![\w-])({'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})(?![\w-])")

    def renamed(words: str) -> str:
        words = word.sub(rf"\1{end}", words)
        words = re.sub(r"(@seed)(\d+)", lambda found: f"{found[1]}{int(found[2]) + shift}", words)
        return re.sub(
            r"(?<![\w-])seed=([\d|]+)",
            lambda found: "seed=" + "|".join(str(int(seed) + shift) for seed in found[1].split("|")),
            words,
        )

    def other(key: str, value: Any) -> Any:
        if key in SEEDED:
            moved = [int(seed) + shift for seed in _listed(value)]
            return moved if isinstance(value, list) else moved[0]
        if key == "seeds":
            return ",".join(str(seed + shift) for seed in parse_seeds(str(value), 0))
        if isinstance(value, list):
            return [other(key, part) for part in value]
        named = key in ("dataset", "models", "benchmarks") and isinstance(value, str)
        return renamed(value) if named else value

    made: dict[str, Any] = {}
    defaults = _defaults()
    for key, value in study.items():
        if defaults.get(key):
            sections = [defaults[key] | section for section in _sections(value)]
            sections = [{k: v for k, v in one.items() if k != "seed" or "seeds" not in one} for one in sections]
            made[key] = [{name: other(name, one) for name, one in section.items()} for section in sections]
        elif isinstance(value, dict | list) and key != "cluster":
            made[key] = [{name: other(name, one) for name, one in section.items()} for section in _sections(value)]
        else:
            made[key] = f"{value}{end}" if key == "name" else value
    if "defaults" in study:
        made["defaults"] = {name: other(name, value) for name, value in study["defaults"].items()}
    head = f"# Repetition {number} of study {study['name']}, under other seeds; written by mlspatial.steps.repeat.\n"
    return head + yaml.safe_dump(made, sort_keys=False, width=10_000)


def spread(studies: list[str]) -> pd.DataFrame:
    """One row a number: what, task, and mean, sd (n - 1) and n over studies, each the mean over its seeds.

    Held-out metrics of the last checkpoints, and raw scores at the best layer of every benchmark. Raises UserError for
    a study without finished networks.
    """
    import pandas as pd

    from mlspatial.compare.conditions import known, last
    from mlspatial.compare.evidence import load
    from mlspatial.compare.scores import committed

    rows = []
    for study in studies:
        evidence = load(study)
        networks = known(evidence.networks)
        if networks.empty:
            raise UserError(f"study {study}: the registry holds no network of it; run it first")
        networks = last(networks[networks.translation != "none"])
        scores = committed(evidence).merge(networks[["model_id", "task"]], on="model_id")
        brains = scores.benchmark.astype(str).str.replace(r":.*", "", regex=True)
        parts = [scores.assign(what="r, " + brains, value=scores.raw.astype(float))[["what", "task", "value"]]]
        for name in (name for name in networks if name.startswith("heldout/")):
            parts.append(networks.assign(what=name, value=networks[name].astype(float))[["what", "task", "value"]])
        rows.append(pd.concat(parts).dropna().groupby(["what", "task"], as_index=False).value.mean())
    table = pd.concat(rows).groupby(["what", "task"]).value.agg(["mean", "std", "count"])
    return table.rename(columns={"std": "sd", "count": "n"}).reset_index()


def _sections(value: Any) -> list[dict[str, Any]]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def main(words: list[str]) -> None:
    if len(words) == 2 and words[0].endswith((".yaml", ".yml")) and words[1].isdecimal():
        path, number = Path(words[0]), int(words[1])
        try:
            text = repeated(path.read_text(), number)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        target = path.with_name(f"{path.stem}_r{number}.yaml")
        with whole(target) as partial:
            partial.write_text(text)
        print(target)
    elif words and not any(word.endswith((".yaml", ".yml")) for word in words):
        print(spread(words).to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    else:
        raise UserError(str(__doc__).strip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as mistake:
        sys.exit(f"repeat: {mistake}")
