"""docs/verify.md, written from a computation of every check, or from checks.md of a run of all: `make checks`.

python -m mlspatial.verify.write [checks.md]
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlspatial.core.files import write_text
from mlspatial.verify import WORKERS, computed, load
from mlspatial.verify.base import chosen
from mlspatial.verify.page import markdown

FILE = Path(__file__).resolve().parents[2] / "docs" / "verify.md"
HEAD = """# Published numbers, computed anew

    mlspatial verify                        # all; what is slow are networks on 1,200 images
    mlspatial verify --only geirhos2019     # a field, a number, or a pattern such as conwell2024.*_less_*

Every number below stands in a paper, in the description of a data set, in another implementation, or follows from
mathematics; `verify` computes it again with the code and the data of the machine that it runs on. Written by `make
checks`; this is what came out where the page was made.

- *holds*: the computed number is the published one give or take the tolerance, which is half of the last printed digit
  where nothing else is known. A limit of a bootstrap interval may lie where 99 % of such resamplings put it.
- *fails*: it is not, or it could not be computed although its data are there. The command then exits with 1.
- *known to differ*: it is not, and why is known: a misprint, other data than the paper's text says. No failure.
- *cannot run*: its data are not there; the note says which files and where they come from. No failure.

The run keeps `checks.json`, `checks.csv` and `checks.md` with all of it, and every computed number as a metric. It
answers the next time as long as the checks, the code, the libraries and the files are the same; `--force true` computes
again. Data are looked for as those of benchmarks are: `MLSPATIAL_DATA`, `data/`, `../shared/data`
([brains](brains.md), [recordings](recordings.md), [fMRI](fmri.md)). None of them is part of this project.

A check of your own is a function in a file of a folder that `MLSPATIAL_PLUGINS` names:

    import numpy as np

    from mlspatial.analysis.ceiling import repeat_reliability
    from mlspatial.verify.base import Files, check

    DATA = Files("mylab", ("trials.npy",), "our server, /data/mylab")


    @check("mylab.reliability", "median reliability of V4", "Doe et al. 2025, fig. 2", 0.81, 0.005, DATA)
    def reliability() -> float:
        return float(np.median(repeat_reliability(np.load(DATA.find() / "trials.npy"))))

## Where the page was made

"""


if __name__ == "__main__":
    load()
    tables = Path(sys.argv[1]).read_text() if sys.argv[1:] else markdown(computed(chosen(""), WORKERS))
    print(write_text(FILE, HEAD + tables))
