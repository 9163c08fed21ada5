"""Many runs through a server with passwords: few requests, and the same numbers as file by file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from speed.server import of_lab, populate, timed
from tests.lab.services import Lab

RUNS, STUDY = 24, "read by others"
SEARCHES = 45  # requests that do not grow with the runs: searches, histories, versions, and pages of experiments


def test_who_may_only_read_reads_the_runs_of_others_with_one_request_each_and_then_with_few(
    here: Lab, tmp_path: Path
) -> None:
    ann = of_lab(here, "ann")
    populate(ann, RUNS, STUDY)
    guest = replace(ann, environment=here.client("guest"))
    cold, warm = (timed(guest, "new", str(tmp_path / "new"), STUDY) for _ in range(2))
    former = timed(guest, "former", str(tmp_path / "former"), STUDY)
    assert cold["requests"] <= RUNS + SEARCHES and warm["requests"] <= SEARCHES / 2
    assert former["requests"] > 3 * cold["requests"] / 2
    assert cold["hash"] == warm["hash"] == former["hash"]
