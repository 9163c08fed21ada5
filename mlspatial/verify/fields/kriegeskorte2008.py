"""Geometries of 92 objects in the inferior temporal cortex of monkeys and people (Kriegeskorte et al. 2008)."""

from __future__ import annotations

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.verify.base import Check, Files, check, register

if TYPE_CHECKING:
    from mlspatial.benchmarks.rdm_files import Rdms
    from mlspatial.benchmarks.rdms import Geometries

ORIGIN = "the demonstrations of rsatoolbox; docs/brains.md"
BOTH = Files("kriegeskorte2008", ("Kriegeskorte_Neuron2008_supplementalData.mat",), ORIGIN)
PEOPLE = Files("kriegeskorte2008", (*BOTH.names, "92_brainRDMs.mat"), ORIGIN)
JUDGED = Files("kriegeskorte2008", ("92_behavRDMs.mat",), ORIGIN)
PAPER = "Kriegeskorte et al. 2008"
TOOLBOX = "rsatoolbox's noise ceiling of the same file"


@lru_cache(maxsize=2)
def read(folder: str, name: str) -> Rdms:
    """The matrices of a file."""
    from pathlib import Path

    from mlspatial.benchmarks.rdm_files import read_rdms

    return read_rdms(Path(folder) / name)


@lru_cache(maxsize=1)
def people(folder: str) -> Geometries:
    """Human IT, four people; folder: what it is remembered by."""
    from mlspatial.benchmarks import find_benchmark
    from mlspatial.benchmarks.rdms import Geometries

    found = find_benchmark("kriegeskorte2008")
    assert isinstance(found, Geometries)
    return found


def _species() -> Rdms:
    return read(str(BOTH.find()), BOTH.names[0])


@check("kriegeskorte2008.monkey_human", "Pearson r of monkey and human IT", f"{PAPER}, fig. 1", 0.49, 0.005, BOTH)
def _monkey_human() -> float:
    from mlspatial.analysis.rsa import compare

    monkey, human = _species().values
    return float(compare(monkey[None], human[None], method="pearson")[0, 0])


@check(
    "kriegeskorte2008.monkey_human_pearson", "the same to three decimals", "NumPy's corrcoef, by others", 0.491, 0.0005,
    BOTH,
)  # fmt: skip
def _monkey_human_again() -> float:
    return _monkey_human()


@check("kriegeskorte2008.objects", "pictures of objects", PAPER, 92, 0, BOTH)
def _objects() -> float:
    return _species().count


def _named(pattern: str) -> float:
    """The number in the name of the matrix that a pattern finds."""
    found = next(re.search(pattern, name) for name in _species().names if re.search(pattern, name))
    assert found is not None
    return float(found[1])


register(
    Check("kriegeskorte2008.neurons", "neurons behind the monkeys' matrix", PAPER, (674,), 0,
          partial(_named, r"(\d+)neurons"), (BOTH,))
)  # fmt: skip
register(
    Check("kriegeskorte2008.voxels", "voxels behind the people's matrix", PAPER, (316,), 0, partial(_named, r"(\d+)vx"),
          (BOTH,))
)  # fmt: skip


@check("kriegeskorte2008.people", "people in the scanner", PAPER, 4, 0, PEOPLE)
def _people() -> float:
    return len(people(str(PEOPLE.find())).subjects)


@check("kriegeskorte2008.judges", "people who judged similarity", "Mur et al. 2013", 16, 0, JUDGED)
def _judges() -> float:
    return len(read(str(JUDGED.find()), JUDGED.names[0]).values)


def _ceiling(side: int) -> float:
    return float(people(str(PEOPLE.find())).ceiling_by("rdm_spearman")[side].mean())


for _side, _name, _value in ((0, "lower", 0.379), (1, "upper", 0.661)):
    register(
        Check(f"kriegeskorte2008.ceiling_{_name}", f"{_name} noise ceiling of four people, Spearman", TOOLBOX,
              (_value,), 0.0005, partial(_ceiling, _side), (PEOPLE,))
    )  # fmt: skip


@check(
    "kriegeskorte2008.spearman", "Spearman r of the monkeys with each person, largest difference", "SciPy's spearmanr",
    0.0, 1e-9, PEOPLE,
)  # fmt: skip
def _spearman() -> float:
    from scipy.stats import spearmanr

    found, monkey = people(str(PEOPLE.find())), _species().values[0]
    ours = np.asarray(found.score(monkey).values)[0]
    return float(np.abs(ours - [spearmanr(monkey, rdm).statistic for rdm in found.rdms]).max())
