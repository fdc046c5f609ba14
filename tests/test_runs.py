"""Runs measured elsewhere: export, the card, the same analysis as the run `live`, and their stages."""

import hashlib
import importlib
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import repos
from run_folders import NAME, edit_card
from worlds import EMOTIONS, run

from model_emotion.base.errors import UserError
from model_emotion.base.files import parse_yaml, read_tensors, read_yaml, write_tensors
from model_emotion.base.results import read_activations
from model_emotion.live import run_card as card
from model_emotion.live import run_check as check
from model_emotion.live import run_export as export
from model_emotion.masking import mask_plan
from model_emotion.params import load_params
from model_emotion.report import content
from stages import drops, retests

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[1]
MEASURED = ("activations.safetensors", "accuracy.csv", "masked_accuracy.csv")
ANALYSED = (
    "mask_plan.json", "attribute_rdms.csv", "weights.csv", "searchlight.parquet",
    "searchlight_spaces.parquet", "significant_by_layer.csv", "model_rsa.csv", "masks.safetensors",
    "overlap.csv", "selectivity.csv",
    "drops.parquet", "drop_by_emotion.csv", "drop_by_attribute.csv", "metrics.json", "retests.csv",
)  # fmt: skip


@pytest.fixture
def exported(measured):
    """The folder data/runs/elsewhere, made of the run `live` of the synthetic project."""
    measured("analysis.bootstrap.samples", 100, "analysis.permutations.samples", 100)
    return export.export(NAME, load_params(), "A <b>laboratory</b>")


def analyse(monkeypatch, *names):
    """Call stages for the imported run, as dvc.yaml does."""
    for name in names:
        monkeypatch.setattr(sys, "argv", ["stage", "--run", NAME])
        importlib.import_module(f"stages.{name}").main()


def test_an_exported_run_is_analysed_as_the_run_live_is(exported, monkeypatch):
    for name in MEASURED:
        assert (exported / name).read_bytes() == Path("results/live", name).read_bytes(), name
    assert {path.stem for path in (exported / "prompts").iterdir()} == set(EMOTIONS)
    shutil.copy("results/live/accuracy.csv", "results/published")  # for the re-test accuracy_order
    run(monkeypatch, drops, retests)
    shutil.rmtree("data/finished")  # nothing of the measurement is left but the folder
    stages = ("import_run", "targets", "searchlight", "masks", "drops", "retests")
    analyse(monkeypatch, *stages)
    for name in (*MEASURED, *ANALYSED):
        assert Path(f"results/{NAME}", name).read_bytes() == Path("results/live", name).read_bytes(), name
    assert "accuracy_order" in Path(f"results/{NAME}/retests.csv").read_text()


def test_a_card_names_the_commit_of_a_pinned_model():
    backbone = load_params(ROOT / "params.yaml").backbone
    assert backbone.revision == "" and re.fullmatch(r"[0-9a-f]{40}", export.revision(backbone))
    for name, revision in (("data/models/mine", ""), ("roberta-base", "f" * 40)):
        changed = backbone.model_copy(update={"name": name, "revision": revision})
        assert export.revision(changed) == revision


def test_another_measurement_gives_other_results(exported, monkeypatch):
    """The analysis reads the folder, and not the run `live`."""
    path = exported / "activations.safetensors"
    tensors, axes = read_tensors(path)
    write_tensors({"activations": tensors["activations"][:, ::-1].copy()}, path, axes)
    analyse(monkeypatch, "import_run", "targets", "searchlight")
    ours, theirs = (pd.read_parquet(f"results/{of}/searchlight.parquet")["tau"] for of in (NAME, "live"))
    assert (ours - theirs).abs().max() > 0.1


def test_float16_is_widened_without_loss(exported, monkeypatch):
    path = exported / "activations.safetensors"
    tensors, axes = read_tensors(path)
    half = tensors["activations"].astype(np.float16)
    write_tensors({"activations": half}, path, axes)
    assert check.faults(exported) == []
    analyse(monkeypatch, "import_run")
    found = read_activations(f"results/{NAME}/activations.safetensors").values
    assert found.dtype == np.float32 and np.array_equal(found, half)


def test_the_card_says_what_was_measured(exported):
    found, params = card.read(exported / "run.yaml"), load_params()
    assert found.plan() == mask_plan.read("live")
    assert (found.layers, found.width, found.emotions, found.seeds) == (3, 24, EMOTIONS, [1, 3])
    assert (found.training, found.protocol) == (params.training, params.protocol)
    assert found.measured.by == "A <b>laboratory</b>" and found.backbone.precision == "float32"
    weights = Path(found.backbone.name, "model.safetensors")
    assert weights == Path("tiny/model.safetensors")
    assert found.backbone.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    names = pd.read_csv("results/live/masked_accuracy.csv").drop_duplicates(
        ["kind", "attribute", "k", "draw"]
    )
    assert len(found.mask_names()) == len(names) == 2 * 14 + 4 + 1 + 2


def test_the_hash_of_a_model_is_that_of_its_weights(tmp_path):
    for name in ("model-00002-of-2.safetensors", "model-00001-of-2.safetensors", "other.safetensors"):
        (tmp_path / name).write_text(name)
    (tmp_path / "config.json").write_text("{}")
    joined = b"model-00001-of-2.safetensorsmodel-00002-of-2.safetensors"
    assert export.weights_sha256(str(tmp_path)) == hashlib.sha256(joined).hexdigest()
    assert export.weights_sha256(str(tmp_path / "on-the-hub")) == ""


def test_a_card_without_the_hash_of_its_model_is_valid(exported):
    values = parse_yaml((exported / "run.yaml").read_text())
    del values["backbone"]["sha256"]
    edit_card(exported, backbone=values["backbone"])
    assert check.faults(exported) == [] and card.read(exported / "run.yaml").backbone.sha256 == ""


def test_dvc_lock_tells_the_settings_of_the_measurement():
    values = {"training": {"lr": 0.5, "epochs": 3}, "seeds": [1, 2]}
    recorded = {"params": {"params.yaml": {"seeds": [7], "training": {"lr": 0.1, "epochs": 3}}}}
    found = export.as_measured(values, {"stages": {"prompts": recorded, "drops": {"params": {}}}})
    assert found == {"training": {"lr": 0.1, "epochs": 3}, "seeds": [7]}


def test_what_cannot_be_exported(exported, measured):
    with pytest.raises(UserError, match="elsewhere: exists already"):
        export.export(NAME, load_params())
    measured("own.texts", "mine.csv")
    with pytest.raises(UserError, match=r"own\.texts: a run on your own texts can't be exported"):
        export.export("other", load_params())
    measured("own.texts", None)
    Path("results/live/masked_accuracy.csv").unlink()
    with pytest.raises(UserError, match="masked_accuracy.csv: not found"):
        export.export("other", load_params())
    assert [path.name for path in Path("data/runs").iterdir()] == [NAME]


def stages_of(folder, runs, imported):
    """The names of the stages that DVC makes of dvc.yaml, and those that the report waits for."""
    text, both = (ROOT / "params.yaml").read_text(), "\nruns: [published, live, mpnet]\nimported: [mpnet]"
    assert both in text
    (folder / "params.yaml").write_text(text.replace(both, f"\nruns: {runs}\nimported: {imported}"))
    listed = repos.dvc("stage", "list", "--name-only", cwd=folder)
    waited = repos.dvc("dag", "--dot", "report", cwd=folder)
    assert listed.returncode == waited.returncode == 0, listed.stderr + waited.stderr
    return set(listed.stdout.split()), waited.stdout


def test_params_yaml_alone_adds_a_run_to_the_pipeline(tmp_path):
    """The new run has every stage of a run, and the report waits for it; the others keep their stages."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    repos.dvc("init", "--quiet", "--no-scm", cwd=tmp_path).check_returncode()
    before, _ = stages_of(tmp_path, "[published, live]", "[]")
    after, waited = stages_of(tmp_path, "[published, live, mini]", "[mini]")
    of_live = {name.removesuffix("@live") for name in before if name.endswith("@live")}
    assert before <= after and len(of_live) == 7
    assert after - before == {f"{name}@mini" for name in (*of_live, "import_run", "run_files")}
    assert all(f"{name}@mini" in waited for name in of_live)


def test_the_report_knows_which_stage_made_a_file_of_an_imported_run():
    runs = ["published", "live", "mpnet"]
    made_by = content.stages_by_output(str(ROOT / "dvc.yaml"), runs)
    named = [made_by[f"results/{run}/activations.safetensors"] for run in runs]
    assert named == ["published", "activations", "import_run@mpnet"]
    assert made_by["results/live/mask_plan.json"] == "mask_plan"


def test_the_stage_that_hashes_a_runs_files_waits_for_each_of_them(exported, monkeypatch):
    """Otherwise it keeps old hashes, and the report, which waits for them, is not made anew."""
    Path("results", NAME).mkdir(parents=True)
    Path("results", NAME, "retests.csv").write_text("")
    analyse(monkeypatch, "run_files")
    hashed = read_yaml(f"results/imported/{NAME}.json")
    assert {f"results/{NAME}/retests.csv", f"data/runs/{NAME}/run.yaml"} <= set(hashed)
    deps = read_yaml(ROOT / "dvc.yaml")["stages"]["run_files"]["deps"]
    folders = [dep.replace("${item.run}", NAME) for dep in deps]
    assert [path for path in hashed if not any(Path(path).is_relative_to(folder) for folder in folders)] == []
