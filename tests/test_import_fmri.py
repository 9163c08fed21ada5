"""Scores on fMRI responses from csv files become runs, with facts and noise ceilings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.compare import fmri
from mlspatial.compare.evidence import SCORES, load
from mlspatial.compare.table import TABLES
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.names import TAG
from mlspatial.papers import known_items
from mlspatial.registry import runs
from mlspatial.registry.read import table_file
from mlspatial.steps.imports import import_scores
from mlspatial.steps.imports_fmri import read

LONG = """# from the other laboratory
network,subject,metric,score,family,task,training_data,trained
a,subj01,versa,0.6,resnet50,classification,imagenet,true
a,2,versa,0.7,resnet50,classification,imagenet,true
a,subj01,crsa,0.3,resnet50,classification,imagenet,true
a,2,crsa,-0.1,resnet50,classification,imagenet,true
b,subj01,versa,0.1,resnet50,random,,false
b,2,versa,0.2,resnet50,random,,false
"""
FACTS = (
    "model_string,total_params,effective_dimensions,random_projection\na,25e6,40.5,False\na,25e6,39,True\nc,1,1,False\n"
)
CEILINGS = "subj_id,sim_id,value\n1,0,0.7\n1,1,0.9\n2,0,0.75\n"
SUMMARY = (
    "model_string,model,train_task,train_data,architecture,model_class,display_name,metric,score,compare_goal_slip,"
    "compare_goal_contrastive\n"
    "v_classification,v,classification,imagenet,v,Transformer,V,wrsa,0.6,NA,NA\n"
    "v_classification,v,classification,imagenet,v,Transformer,V,srpr,0.3,NA,NA\n"
    "v_in21k_classification,v_in21k,classification,imagenet21k,v,Transformer,V-IN21K,wrsa,0.7,NA,NA\n"
    "v_random,v,random,NA,v,Convolutional,V,wrsa,0.1,NA,NA\n"
    "ViT-S-CLIP_slip,ViT-S-CLIP,slip,YFCC15M,ViT-S,Transformer,ViT-S-CLIP,wrsa,0.5,CLIP,NA\n"
    "i_ipcl,i,ipcl,places256,alexnet,Convolutional,I,wrsa,0.4,NA,NA\n"
)
CENTRED = (
    "contrast,display_name,metric,subj_id,score,rank,grand_mean,subj_mean\n"
    "ImageNet1K,V,wrsa,1,0.61,1,0.65,0.60\nImageNet1K,V,wrsa,2,0.59,1,0.65,0.70\n"
    "ImageNet21K,V,wrsa,1,0.71,1,0.65,0.60\nImageNet21K,V,wrsa,2,0.69,1,0.65,0.70\n"
    "places256,Places256,wrsa,1,0.45,1,0.4,0.35\n"
)


def write(text: str, name: str = "scores.csv") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def test_scores_facts_and_ceilings_make_a_run_of_every_network(registry: Path, capsys: pytest.CaptureFixture) -> None:
    file = ",".join([write(LONG), write(FACTS, "facts.csv"), write(CEILINGS, "ceilings.csv")])
    first, second = import_scores(file=file, kind="fmri", source="their paper", study="s")
    record = runs.get(first)
    assert record.entry == "import" and record.status == "FINISHED" and record.studies == ("s",)
    facts = {"network": "a", "parameters": "25000000", "effective_dimensionality": "40.5", "trained": "true"}
    assert {name: record.tags[f"{TAG}fact.{name}"] for name in facts} == facts
    assert record.tags[TAG + "imported"] == "true" and record.tags[TAG + "source"] == "their paper"
    assert runs.get(second).tags[TAG + "task"] == "untrained"
    assert record.metrics == pytest.approx({"nsd/versa": 0.65, "nsd/crsa": 0.1})
    table = table_file(runs.local(first, "scores.json"))
    assert set(SCORES) - {"run_id"} <= set(table.columns)
    row = table[(table.benchmark == "nsd:subj01") & (table.metric == "versa")].iloc[0]
    assert row.region == "OTC" and row.committed and row.primary and row.engine == "imported"
    assert (row.raw, row.ceiling, row.ceiled) == pytest.approx((0.6, 0.8, 0.5625)) and row.formula == "(r/c)^2"
    assert "facts.csv: networks without a score left out: c" in capsys.readouterr().err

    seen = load("s")
    networks = seen.networks.set_index("fact/network")
    assert networks.loc["a", "fact/family"] == "resnet50" and networks.loc["b", "fact/trained"] == "false"
    found = fmri.scored(seen)
    assert found.ceilings == pytest.approx({"subj01": 0.8, "subj02": 0.75})
    assert found.of("versa").set_index("network").score.to_dict() == pytest.approx({"a": 0.65, "b": 0.15})
    known_items()
    made = TABLES["conwell_contrasts"](seen).rows["Trained less untrained, veRSA"]["difference"]
    assert made.mean == pytest.approx(0.5) and made.runs == (first, second)
    assert TABLES["alignment"](seen).columns == ("nsd:subj01", "nsd:subj02")  # the primary metric's
    assert list(table.metric[table.primary]) == ["versa", "versa"]


def test_importing_again_answers_and_only_what_changed_is_made_anew(registry: Path) -> None:
    first = import_scores(file=write(LONG), kind="fmri")
    before = len(runs.find(entry="import"))
    assert import_scores(file=write(LONG, "moved.csv"), kind="fmri", source="scores.csv") == first
    assert len(runs.find(entry="import")) == before
    assert import_scores(file="scores.csv", kind="fmri", study="late") == first
    assert all(runs.get(run).studies == ("late",) for run in first)
    runs.local(first[1], "scores.json").unlink()  # by hand
    again = import_scores(file="scores.csv", kind="fmri")
    assert again[0] == first[0] and again[1] != first[1] and again[2:] == first[2:]
    first = again
    changed = import_scores(file=write(LONG.replace("0.7,", "0.71,")), kind="fmri")
    assert changed[0] != first[0] and changed[1] == first[1]
    assert runs.get(changed[0]).model_id == runs.get(first[0]).model_id
    assert fmri.scored(load()).of("versa").set_index("network").score["a"] == pytest.approx(0.655)
    assert not set(import_scores(file="scores.csv", kind="fmri", force=True)) & set(changed)


def test_the_published_columns_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    two = "architecture,contrast,metric,subj_id,score,rank,display_name\nnew,CNN,crsa,1,0.3,1,New\n"
    three = (
        "model,display_name,train_task,contrast,subj_id,metric,score,rank\nlost,Lost,taskonomy,Taskonomy,1,crsa,.1,1\n"
    )
    texts = {"summary.csv": SUMMARY, "centred.csv": CENTRED, "two.csv": two, "three.csv": three}
    texts["facts.csv"] = "model_string,imagnet1k_top1\nv_in21k,80\nv,70\n"  # v alone could be trained or not
    names, networks = read(",".join(write(text, name) for name, text in texts.items()))
    found = {network.facts["network"]: network for network in networks}
    assert names == list(texts) and list(found)[-2:] == ["new_classification", "lost_taskonomy"]
    facts = found["v_in21k_classification"].facts
    assert facts["family"] == "v" and facts["training_data"] == "imagenet21k" and facts["imagenet_top1"] == "80"
    assert facts["supervision"] == "category" and "imagenet_top1" not in found["v_classification"].facts
    assert found["v_random"].facts["trained"] == "false" and found["v_random"].facts["architecture"] == "CNN"
    clip = found["ViT-S-CLIP_slip"].facts
    assert (clip["goal"], clip["supervision"], clip["size"]) == ("CLIP", "language", "S")
    scores = {key: value[0] for key, value in found["v_classification"].scores.items()}
    assert scores == pytest.approx({("versa", ""): 0.6, ("voxel_r", ""): 0.3, ("versa", "subj01"): 0.56,
                                    ("versa", "subj02"): 0.64})  # fmt: skip
    assert found["v_in21k_classification"].scores["versa", "subj02"][0] == pytest.approx(0.74)
    assert found["i_ipcl"].scores["versa", "subj01"][0] == pytest.approx(0.4)
    assert found["lost_taskonomy"].facts["goal"] == "lost" and found["new_classification"].facts["family"] == "new"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LONG.replace("0.6,", "1.6,"), r"scores.csv, line 3: the score is 1.6; a correlation lies"),
        (LONG.replace("0.6,", "much,"), r"scores.csv, line 3: score is 'much', not a number"),
        (LONG + "a,1,versa,0.5,,,,\n", r"line 9: versa of a, subj01 is 0.5, and was 0.6 before; keep one"),
        (LONG.replace("\nb,2", "\n,2"), r"line 8: no name of a network"),
        ("network,parameters\na,1\n", r"scores.csv: no scores; give a csv with network, metric, score"),
        ("colour,size\nred,1\n", r"its columns \(colour, size\) are neither those of scores"),
        (CENTRED, r"line 2: no network 'V' trained on imagenet in the other files; give results_summary.csv too"),
    ],
)
def test_mistakes_name_the_line(registry: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        import_scores(file=write(text), kind="fmri")
    assert runs.find(entry="import") == []


def test_unknown_metrics_files_and_facts(registry: Path) -> None:
    with pytest.raises(UnknownName, match=r"'rsa'.*known: crsa"):
        import_scores(file=write(LONG.replace("crsa", "rsa")), kind="fmri")
    with pytest.raises(UserError, match=r"file=nowhere.csv: there is no such file"):
        import_scores(file=f"{write(LONG)},nowhere.csv", kind="fmri")
    with pytest.raises(UserError, match=r"more.csv: no fact among its columns; known: network"):
        import_scores(
            file=f"{write(LONG)},{write('network,colour' + chr(10) + 'a,red' + chr(10), 'more.csv')}", kind="fmri"
        )
