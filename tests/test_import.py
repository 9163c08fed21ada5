"""Scores from a csv become runs; mistakes are one line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from mlspatial.compare import published
from mlspatial.compare.evidence import SCORES, load
from mlspatial.compare.table import TABLES
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.names import TAG
from mlspatial.papers import known_items
from mlspatial.papers.xie2025 import CORRELATIONS, MEANS, PAPER
from mlspatial.papers.xie2025.published import values as published_values
from mlspatial.registry import runs
from mlspatial.registry.read import table_file
from mlspatial.steps.imports import import_scores, region_of

LONG = """# from the other laboratory
task,arch,dataset,seed,step,benchmark,score,raw,ceiling,layer,loss,n_train,colour
distance,ResNet-50,tdw,0,1000000,MajajHong2015public.IT-pls,0.5,0.64,0.8192,layer3,0.02,1300000,red

distance,ResNet-50,tdw,0,1000000,MajajHong2015public.IT-pls,0.4,,,layer4,0.02,1300000,red
distance,ResNet-50,tdw,0,1000000,Rajalingham2018public-i2n,-0.05,,,avgpool,,1300000,red
Rotation + distance,resnet50,tdw,,,MajajHong2015public.IT-pls,0.61,0.64,0.8192,,,,red
"""


def write(text: str, name: str = "scores.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def table_of(run_id: str) -> pd.DataFrame:
    return table_file(runs.local(run_id, "scores.json"))


def test_the_long_form_makes_a_run_of_every_network(registry: Path) -> None:
    first, second = import_scores(file=write(LONG), kind="scores", study="s")
    record = runs.get(first)
    assert record.entry == "import" and record.status == "FINISHED" and record.studies == ("s",)
    facts = {"task": "distance", "arch": "resnet50", "dataset": "tdw", "seed": "0", "step": "1000000"}
    facts |= {"imported": "true", "n_train": "1300000", "source": "scores.csv"}
    assert {name: record.tags[TAG + name] for name in facts} == facts
    it, i2n = "MajajHong2015public.IT-pls", "Rajalingham2018public-i2n"
    wanted = {f"{it}/ceiled": 0.5, f"{it}/raw": 0.64, f"{it}/ceiling": 0.8192, f"{i2n}/ceiled": -0.05}
    assert record.metrics == pytest.approx(wanted | {"heldout/loss": 0.02})
    table = table_of(first)
    assert set(SCORES) - {"run_id"} <= set(table.columns) and set(table.engine) == {"imported"}
    assert set(table.model_id) == {record.model_id}
    assert list(table.layer[table.committed]) == ["layer3", "avgpool"] and list(table.region) == [
        "IT",
        "IT",
        "behavior",
    ]
    known = table.iloc[0]
    assert known.formula == "r^2/c" and known.r2_over_c == pytest.approx(0.5)
    assert known.r_over_c_squared == pytest.approx((0.64 / 0.8192) ** 2)
    assert table.r_over_c_squared[1:].isna().all() and set(table.formula[1:]) == {"unknown"}
    mean = runs.get(second)
    assert mean.tags[TAG + "task"] == "rotation+distance" and mean.tags[TAG + "seed"] == "-1"
    assert table_of(second).formula[0] == "(r/c)^2"
    lines = runs.local(second, "imported.csv").read_text().splitlines()
    assert lines == [LONG.splitlines()[1], LONG.splitlines()[-1]]


def test_importing_again_answers_and_a_corrected_file_replaces(registry: Path) -> None:
    first = import_scores(file=write(LONG), kind="scores")
    assert import_scores(file=write(LONG, "elsewhere.csv"), kind="scores", source="scores.csv") == first
    corrected = import_scores(file=write(LONG.replace("0.5,0.64", "0.51,0.64")), kind="scores")
    assert not set(corrected) & set(first)
    assert runs.get(corrected[0]).model_id == runs.get(first[0]).model_id
    assert not set(import_scores(file="scores.csv", kind="scores", force=True)) & set(corrected)


def test_the_wide_form_and_a_loss_that_is_a_performance(registry: Path) -> None:
    text = "task,arch,dataset,seed,step,V1,Neural mean,IT,performance\ncategory,resnet18,d,3,20,0.25,.3,,-1.5\n"
    (run_id,) = import_scores(file=write(text), kind="scores", source="a poster")
    record = runs.get(run_id)
    assert record.metrics == pytest.approx({"V1/ceiled": 0.25, "neural_mean/ceiled": 0.3, "heldout/loss": 1.5})
    assert record.tags[TAG + "source"] == "a poster" and list(table_of(run_id).region) == ["V1", "neural_mean"]


def test_a_published_table_that_was_imported_is_printed_digit_for_digit(registry: Path) -> None:
    known_items()
    ids = import_scores(file=str(PAPER.path(MEANS)), kind="scores", study="paper")
    import_scores(file=str(PAPER.path(CORRELATIONS)), kind="correlations", study="paper")
    last = runs.get(ids[-1])
    values = published_values(MEANS, "resnet18")["imagenet"]
    assert len(ids) == 24 and last.tags[TAG + "source"] == "Xie et al. 2025 table C.2"
    assert last.metrics == {f"{published.BENCHMARKS[column]}/ceiled": value for column, value in values.items()}
    seen = load("paper")
    for id, arch in (("table_c1", "resnet50"), ("table_c2", "resnet18")):
        table = TABLES[id](seen)
        rows = [row for row in PAPER.rows(MEANS) if row["arch"] == arch]
        assert [line[2:] for line in table.lines(published=False)[1:]] == [
            [f"{row[head]} ({row['networks']})" for head in published.BENCHMARKS.values()] for row in rows
        ]
        assert "Every number here is the published one to three decimals." in table.notes
        assert any("mean over 5 networks, imported" in note for note in table.notes)
        assert len(table.runs) == 12 and table.caption.startswith(
            "Score at the committed layer of the last checkpoint, ceiled: by an unknown formula; mean"
        )
    table = TABLES["table_c3"](seen)
    assert [line[1:] for line in table.lines(published=False)[1:]] == [
        [f"{row[column]} (?)" for column in published.BENCHMARKS] for row in PAPER.rows(CORRELATIONS)
    ]
    assert load("other").networks.empty


def test_imported_networks_stand_beside_each_other_by_seed_and_step(registry: Path) -> None:
    known_items()
    lines = [
        f"rotation,resnet50,d,{seed},{step},{0.3 + seed / 100 + step / 1e4},{1 / step}"
        for seed in range(3)
        for step in (100, 200, 400)
    ]
    file = write("\n".join(["task,arch,dataset,seed,step,IT,loss", *lines, "rotation,resnet50,d,,,0.9,", ""]))
    import_scores(file=file, kind="scores")
    seen = load()
    cell = TABLES["table_c1"](seen).rows["Rotation"]["IT"]
    assert cell.n == 3 and cell.mean == pytest.approx(0.35) and cell.sd == pytest.approx(0.01)
    points = [(-1 / step, 0.3 + seed / 100 + step / 1e4) for seed in range(3) for step in (100, 200, 400)]
    r = TABLES["table_c3"](seen).rows["Rotation"]["IT"]
    assert r.n == 9 and r.mean == pytest.approx(np.corrcoef(np.array(points).T)[0, 1])


def test_correlations(registry: Path) -> None:
    text = "task,arch,dataset,region,correlation\ncategory,resnet18,d,IT,0.9\ncategory,resnet18,d,V1,-0.1\n"
    (run_id,) = import_scores(file=write(text), kind="correlations")
    assert runs.get(run_id).metrics == {"correlation/IT": 0.9, "correlation/V1": -0.1}
    table = table_of(run_id)
    assert set(table.metric) == {published.CORRELATION} and not table.committed.any() and not table.primary.any()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed", "seeds", r"scores.csv: no column 'seed'; is it 'seeds'\?"),
        (",score,", ",value,", r"no column 'score' \(or columns of regions: V1, V2, .*\); columns there: task"),
        ("0.5,", "0.5x,", r"scores.csv, line 3: score is '0.5x', not a number"),
        ("-0.05", "inf", r"line 6: score is 'inf', not a number"),
        ("tdw,0,", "tdw,zero,", r"line 3: seed is 'zero', not a number"),
        ("tdw,0,", "tdw,0.5,", r"line 3: seed is '0.5'; a whole number"),
        ("layer4", "layer3", r"line 5: a second MajajHong2015public.IT-pls IT layer3 of resnet50 distance seed 0"),
        (",layer4,0.02", ",layer4,0.03", r"line 5: loss 0.03 of resnet50 distance .* had 0.02 before"),
        ("Rajalingham2018public-i2n", "mine", r"line 6: the region of benchmark 'mine' is not in its name; add"),
        ("benchmark", "bench", r"no column 'region'"),
        ("avgpool,,", "avgpool,", r"line 6: 12 fields, the header has 13"),
        ("Rotation + distance", "", r"line 7: task is empty"),
        ("colour", "task", r"column 'task' is there twice"),
    ],
)  # fmt: skip
def test_mistakes_name_the_line(registry: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        import_scores(file=write(LONG.replace(old, new)), kind="scores")
    assert runs.find(entry="import") == []


def test_other_mistakes(registry: Path) -> None:
    with pytest.raises(UnknownName, match="unknown kind of import 'score'; did you mean scores"):
        import_scores(file=write(LONG), kind="score")
    with pytest.raises(UserError, match=r"file=nowhere.csv: there is no such file"):
        import_scores(file="nowhere.csv", kind="scores")
    with pytest.raises(UserError, match="has no rows below a header"):
        import_scores(file=write("task,arch\n"), kind="scores")
    with pytest.raises(UserError, match="no row holds a value"):
        import_scores(file=write("task,arch,dataset,seed,step,V1\na,b,c,0,0,\n"), kind="scores")
    with pytest.raises(UserError, match=r"line 2: the correlation of V1 is 1.2; it lies between"):
        import_scores(file=write("task,arch,dataset,V1\na,b,c,1.2\n"), kind="correlations")
    Path("image.csv").write_bytes(b"task,\xff\xfe\n1,2\n")
    with pytest.raises(UserError, match="cannot be read as a csv in utf-8"):
        import_scores(file="image.csv", kind="scores")


def test_a_mistake_exits_2_with_one_line(registry: Path) -> None:
    import importlib

    main = importlib.import_module("entrypoints.import").main
    said = CliRunner().invoke(main, ["--file", write(LONG), "--kind", "pictures"])
    assert said.exit_code == 2 and re.fullmatch(
        r"import: unknown kind of import 'pictures'; .*known: .*\n", said.stderr
    )
    made = CliRunner().invoke(main, ["--file", write(LONG)])
    assert made.exit_code == 0 and re.fullmatch(r"run \w{32}", made.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("v4", "V4"), ("Behaviour", "behavior"), ("FreemanZiemba2013.V2.public-pls", "V2"),
        ("SanghaviMurty2020.IT-pls", "IT"), ("Rajalingham2018public-i2n", "behavior"), ("neural_mean", "neural_mean"),
        ("it_is", ""), ("seed", ""), ("Bracci2019.anteriorVTC-rdm", ""), ("kit.fit", ""),
    ],
)  # fmt: skip
def test_regions_by_name(name: str, region: str) -> None:
    assert region_of(name) == region


def test_scores_in_per_cent_are_asked_about(registry: Path) -> None:
    import importlib

    main = importlib.import_module("entrypoints.import").main
    wide = "task,arch,dataset,seed,step,V1,V4\ncategory,resnet18,d,0,20,0.3,0.2\ndistance,resnet18,d,0,20,45.3,1.4\n"
    said = CliRunner().invoke(main, ["--file", write(wide)])
    assert said.exit_code == 2 and said.stderr == (
        "import: scores.csv, line 3: V1 of resnet18 distance seed 0 step 20 is 45.3, and a score is a fraction, about "
        "1 at the ceiling; are these per cent? write 0.453 (divide the columns of scores by 100)\n"
    )
    assert runs.find(entry="import") == []
    (_, second) = import_scores(file=write(wide.replace("45.3", "0.453")), kind="scores")  # the advice; 1.4 is possible
    assert runs.get(second).metrics["V1/ceiled"] == 0.453
    long = "task,arch,dataset,seed,step,region,score,raw,ceiling\na,b,c,0,0,V1,{},{},{}\n"
    for values in (("50", "64", "81.92"), ("0.5", "0.64", "81.92"), ("50", "", "")):  # 64² / 81.92 is 50
        with pytest.raises(UserError, match=r"line 2: (score|ceiling) of b a seed 0 step 0 is (50|81.92), and a score"):
            import_scores(file=write(long.format(*values)), kind="scores")
    (possible,) = import_scores(file=write(long.format("4", "0.6", "0.3")), kind="scores")  # (.6 / .3)²
    assert table_of(possible).formula[0] == "(r/c)^2"


@pytest.mark.parametrize("sign", [";", "\t"])
def test_what_spreadsheets_write_where_numbers_have_commas(
    registry: Path, sign: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (("task", "arch", "dataset", "seed", "step", "V1", "loss", "source"),
            ("category", "resnet18", "d, e", "0", "20", "0,25", "1,5e-2", "a poster, 2024"))  # fmt: skip
    text = "".join(sign.join(row) + "\n" for row in rows)
    (run_id,) = import_scores(file=write(text), kind="scores")
    record = runs.get(run_id)
    assert record.metrics == pytest.approx({"V1/ceiled": 0.25, "heldout/loss": 0.015})
    assert record.tags[TAG + "dataset"] == "d, e" and record.tags[TAG + "source"] == "a poster, 2024"
    assert "fields are taken as apart at" in capsys.readouterr().err
    with pytest.raises(
        UserError, match=rf"line 2: 7 fields, the header has 8; add {'tabs' if sign != ';' else 'semic'}"
    ):
        import_scores(file=write(text.replace(f"{sign}20", "")), kind="scores")
    quoted = text.replace(sign, ",").replace("0,25", '"0,25"').replace("1,5e-2", "1").replace("d, e", "d")
    with pytest.raises(
        UserError, match=r"V1 is '0,25', with a decimal comma; put semicolons between fields, or points"
    ):
        import_scores(file=write(quoted.replace("a poster, 2024", "x")), kind="scores")


def test_imported_scores_without_layers_are_named_in_c4(registry: Path) -> None:
    from mlspatial.compare.drawing import FIGURES

    known_items()
    import_scores(file=str(PAPER.path(MEANS)), kind="scores", study="paper")
    drawing = FIGURES["figure_c4"](load("paper"))
    assert drawing.figure is None and drawing.caption.startswith("No best layer is known: the scores of Distance, ")
    assert "imported without their layers" in drawing.caption
    import_scores(
        file=write(LONG.replace("ResNet-50", "resnet18").replace("resnet50", "resnet18")), kind="scores", study="l"
    )
    some = FIGURES["figure_c4"](load("l"))
    assert some.figure is not None and set(some.data.layer) == {"layer3", "avgpool"}
    assert set(some.data.label) == {"Distance"}
