"""Every statistic that Conwell et al. 2024 print, from the tables that they published with the paper."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.errors import UserError
from mlspatial.papers import known_items
from mlspatial.papers.conwell2024 import PAPER, VALUES
from mlspatial.papers.conwell2024.statements import Statement, statements, unit
from mlspatial.verify.base import Check, Files, Resampled, Value, register

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence

TABLES = Files(
    "conwell2024",
    tuple(
        f"{name}.csv"
        for name in (
            "results_summary", "Figure2", "Figure3", "Figure4A", "Figure4B", "dimensionality", "imagenet1k",
            "parameter_count", "noise_ceilings",
        )
    ),
    "source tables in the authors' public repository; docs/fmri.md",
)  # fmt: skip
SOURCE = "Conwell et al. 2024"
PARTS = {"value": "", "interval": "_interval", "p": "_p"}
#: what is printed and does not follow from the published tables; published.csv says why
DIFFERENT = {
    ("in21k_pairs", "value"), ("openimages_less_imagenet", "p"), ("trained_less_random", "interval"),
    ("parameters_trained", "p"), ("explainable_best", "value"), ("dimensionality_all", "value"),
    *(("dimensionality_trained", part) for part in PARTS), *(("dimensionality_random", part) for part in PARTS),
}  # fmt: skip
FACTS = {
    "networks": ("networks that were scored", 224.0),
    "trained": ("of these, trained ones", 160.0),
    "untrained": ("of these, untrained ones", 64.0),
    "cnns": ("CNNs in the contrast of architectures", 34.0),
    "transformers": ("transformers in the contrast of architectures", 21.0),
}


@lru_cache(maxsize=1)
def printed(folder: str) -> dict[tuple[str, str, str], Statement]:
    """(item, metric, part) -> the statement with our number. folder: of the tables."""
    known_items()
    return {(one.item, one.metric, one.part): one for one in statements(_evidence(folder))}


@lru_cache(maxsize=1)
def _evidence(folder: str) -> Evidence:
    from mlspatial.steps.imports_fmri import read
    from mlspatial.verify.evidence import of_fmri

    return of_fmri(read(",".join(str(Path(folder) / name) for name in TABLES.names))[1], "conwell2024")


def _register(item: str, metric: str, part: str, row: dict[str, str]) -> None:
    texts = (row["low"], row["high"]) if part == "interval" else (row["value" if part == "value" else "p"],)
    below = texts[0].startswith("<")
    values = tuple(float(text.lstrip("<")) for text in texts)
    room = 0.0 if below else max(0.5 * unit(text) for text in texts)
    words = " ".join(filter(None, (item.replace("_", " "), {"versa": "veRSA", "crsa": "cRSA"}.get(metric, ""))))
    words += {"value": "", "interval": ", 95 % interval", "p": ", p"}[part]
    different = (item, part) in DIFFERENT and (item, metric) != ("openimages_less_imagenet", "crsa")
    register(
        Check(
            f"conwell2024.{item}{f'_{metric}' if metric else ''}{PARTS[part]}", words, f"{SOURCE}, {row['source']}",
            values, room, partial(_answer, item, metric, part), (TABLES,), "below" if below else "equal",
            row["remark"] if different else "",
        )
    )  # fmt: skip


def _answer(item: str, metric: str, part: str) -> Value:
    """Our number; of a resampled interval with the spans that its limits fall into."""
    found = printed(str(TABLES.find()))[item, metric, part]
    if not found.ours:
        raise UserError(found.reason or "the tables do not hold what it follows from")
    if len(found.ours) == 1:
        return found.ours[0]
    low, high = found.ours
    (a, b), (c, d) = found.spans or ((low, low), (high, high))
    return Resampled((low, high), ((min(a, low), max(b, low)), (min(c, high), max(d, high))))


for _row in PAPER.rows(VALUES):
    if _row["item"].startswith("similarity_"):
        continue  # of matrices between networks that no published table of these holds
    for _part, _column in (("value", "value"), ("interval", "low"), ("p", "p")):
        if _row[_column]:
            _register(_row["item"], _row["metric"], _part, _row)


def _count(what: str) -> float:
    from mlspatial.compare.fmri import scored
    from mlspatial.papers.conwell2024 import groupings

    found = scored(_evidence(str(TABLES.find())))
    networks = found.networks
    groups = groupings.architectures(found.of("versa")).group
    counts = {
        "networks": len(networks), "trained": networks.trained.sum(), "untrained": (~networks.trained).sum(),
        "cnns": (groups == "CNN").sum(), "transformers": (groups == "Transformer").sum(),
    }  # fmt: skip
    return float(counts[what])


for _name, (_words, _value) in FACTS.items():
    register(Check(f"conwell2024.count_{_name}", _words, SOURCE, (_value,), 0, partial(_count, _name), (TABLES,)))


# ---- the brain behind them ----------------------------------------------------------------------------------------

VOXELS = {1: 8088, 2: 7528, 5: 8015, 7: 5849}


class Copy:
    """What of the Natural Scenes Dataset tells a subject's voxels: masks, labels, t maps, ncsnr."""

    def __init__(self, subject: int) -> None:
        self.subject = subject

    def __repr__(self) -> str:
        return f"Copy({self.subject})"

    def files(self) -> list[Path]:
        from mlspatial.benchmarks.nsd import voxel_files
        from mlspatial.benchmarks.nsd_files import NsdFolder

        return voxel_files(NsdFolder(self.folder()), self.subject)

    def folder(self) -> Path:
        """The folder that benchmark nsd reads."""
        from mlspatial.benchmarks.nsd import copies

        places = copies()
        return next((place for place in places if place.is_dir()), places[-1])

    def lacks(self) -> str:
        gone = [path.relative_to(self.folder()) for path in self.files() if not path.is_file()]
        more = f" and {len(gone) - 1} more of its masks" if len(gone) > 1 else ""
        origin = "the Natural Scenes Dataset, after its data agreement, NSD_DATA; docs/fmri.md"
        return f"{gone[0]}{more} ({origin})" if gone else ""

    def state(self) -> list[str]:
        from mlspatial.core.hashing import file_sha256

        return [file_sha256(path) if path.is_file() else "" for path in self.files()]


def _voxels(subject: int) -> float:
    from mlspatial.benchmarks.nsd import select_voxels
    from mlspatial.benchmarks.nsd_files import NsdFolder

    found = select_voxels(NsdFolder(Copy(subject).folder()), subject, "OTC")
    return float((found.regions["OTC"] & found.reliable).sum())


for _subject, _number in VOXELS.items():
    register(
        Check(f"conwell2024.voxels_subj{_subject:02d}", f"reliable voxels of OTC, subject {_subject}",
              f"{SOURCE}, voxel_metadata_OTC.csv", (_number,), 0, partial(_voxels, _subject), (Copy(_subject),))
    )  # fmt: skip
