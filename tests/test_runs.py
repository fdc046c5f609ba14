"""Runs measured elsewhere: export, checks of hostile folders, and the same analysis as the run `live`."""

import hashlib
import importlib
import json
import os
import pickle
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import repos
from scipy import stats
from worlds import EMOTIONS, run

from model_emotion.base.errors import UserError
from model_emotion.base.files import parse_yaml, read_tensors, write_tensors
from model_emotion.base.results import read_activations
from model_emotion.live import run_card as card
from model_emotion.live import run_check as check
from model_emotion.live import run_export as export
from model_emotion.live.run_import import import_run
from model_emotion.masking import mask_plan
from model_emotion.params import load_params
from model_emotion.report import compare, content
from model_emotion.report.page import templates_of_page
from stages import drops, retests

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[1]
NAME = "elsewhere"
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
    shutil.rmtree("data/cells")  # nothing of the measurement is left but the folder
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


def edit_card(folder, **values):
    path = folder / "run.yaml"
    path.write_text(json.dumps(parse_yaml(path.read_text()) | values))


def edit_csv(folder, name, change):
    table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    change(table).to_csv(folder / name, index=False)


def edit_tensors(folder, change=lambda values: values, **changed):
    tensors, axes = read_tensors(folder / "activations.safetensors")
    write_tensors(
        {"activations": change(tensors["activations"])}, folder / "activations.safetensors", axes | changed
    )


def with_nan(values):
    values = values.copy()
    values[1, 2, 7] = np.nan
    return values


def with_a_dead_layer(values, emotions=slice(None), value=0):
    """Set the last of three layers to a value under some emotions' prompts."""
    values = values.copy()
    values[1, emotions, 48:] = value
    return values


def set_cell(column, value, row=3):
    def change(table):
        table.loc[row, column] = value
        return table

    return change


U, M, A = "accuracy.csv", "masked_accuracy.csv", "activations.safetensors"
FAULTS = {
    "missing": (lambda at: (at / U).unlink(), f"{U}: is missing"),
    "nan": (lambda at: edit_tensors(at, with_nan), f"{A}: anger, seed 3: a value is not finite"),
    "dead layer": (
        lambda at: edit_tensors(at, lambda v: with_a_dead_layer(v, 3)),
        f"{A}: layer 3 is 0 under a prompt in all neurons, so that it has no RDM",
    ),
    "constant layer": (
        lambda at: edit_tensors(at, lambda v: with_a_dead_layer(v, value=0.5)),
        f"{A}: layer 3 is the same under all prompts, so that it has no RDM",
    ),
    "a neuron less": (
        lambda at: edit_tensors(at, lambda v: np.ascontiguousarray(v[..., :-1])),
        "the shape is [2, 5, 71], but run.yaml (seeds, emotions, layers x width) needs [2, 5, 72]",
    ),
    "float64": (lambda at: edit_tensors(at, lambda v: v.astype(float)), f"{A}: the type is F64"),
    "other axes": (
        lambda at: edit_tensors(at, emotions=EMOTIONS[::-1]),
        f"{A}: emotions in its metadata differ from those in run.yaml",
    ),
    "seeds of another type": (
        lambda at: edit_tensors(at, seeds=[True, 3.0]),
        f"{A}: seeds in its metadata differ from those in run.yaml",
    ),
    "other metadata": (lambda at: edit_tensors(at, more=1), f"{A}: the metadata must name seeds"),
    "not safetensors": (lambda at: (at / A).write_bytes(b"{}" * 40), f"{A}: a header of "),
    "no safetensors": (
        lambda at: (at / A).write_bytes(b"\x02" + bytes(7) + b"{}x"), f"{A}: not a complete safetensors file"
    ),
    "a seed less": (
        lambda at: edit_csv(at, U, lambda t: t[~((t["emotion"] == "love") & (t["seed"] == "3"))]),
        f"{U}: love, seed 3: 0 rows; there must be one",
    ),
    "a seed twice": (
        lambda at: edit_csv(at, U, lambda t: pd.concat([t, t[:1]])),
        f"{U}: joy, seed 1: 2 rows; there must be one",
    ),
    "accuracy above 1": (
        lambda at: edit_csv(at, U, set_cell("accuracy", "1.01")),
        f"{U}: data row 4, column 'accuracy': is not a number from 0 to 1",
    ),
    "no accuracy": (
        lambda at: edit_csv(at, M, set_cell("accuracy", "")), f"{M}: data row 4, column 'accuracy': is not"
    ),
    "infinite": (lambda at: edit_csv(at, M, set_cell("accuracy", "inf")), "column 'accuracy': is not"),
    "unknown emotion": (
        lambda at: edit_csv(at, M, set_cell("emotion", "zest")),
        f"{M}: data row 4, column 'emotion': is not an emotion of the card",
    ),
    "no size": (
        lambda at: edit_csv(at, M, set_cell("k", "17")),
        f"{M}: data row 4, column 'k': is not one of the card's mask sizes [18, 5]",
    ),
    "half a text": (lambda at: edit_csv(at, U, set_cell("n", "2.5")), "column 'n': is neither empty nor"),
    "a mask less": (
        lambda at: edit_csv(at, M, lambda t: t[1:]), f"{M}: joy, seed 1: lacks 1 masks, such as 'arousal/18'"
    ),
    "a mask twice": (
        lambda at: edit_csv(at, M, lambda t: pd.concat([t, t[:1]])),
        f"{M}: joy, seed 1: repeats 1 masks, such as 'arousal/18'",
    ),
    "unknown attribute": (
        lambda at: edit_csv(at, M, set_cell("attribute", "colour", 0)),
        f"{M}: joy, seed 1: has unknown 1 masks",
    ),
    "other columns": (
        lambda at: edit_csv(at, U, lambda t: t.rename(columns={"n": "m"})),
        f"{U}: the columns must be emotion,",
    ),
    "not text": (lambda at: (at / U).write_bytes(b"\xff\xfe\x00"), f"{U}: not a CSV file"),
    "card and arrays": (lambda at: edit_card(at, width=12), "needs [2, 5, 36]"),
    "card's seeds": (lambda at: edit_card(at, seeds=[1, 3, 5]), "needs [3, 5, 72]"),
    "card's name": (lambda at: edit_card(at, name="another"), "name: 'another', but the folder is"),
    "a terminal's control character": (
        lambda at: edit_card(at, measured={"by": "a\x9b2Jb", "on": ""}),
        "run.yaml: measured.by: must be one line of plain text, without the character U+009B",
    ),
    "text in another order": (
        lambda at: edit_card(at, measured={"by": "", "on": "\u202eelpmaxe"}),
        "run.yaml: measured.on: must be one line of plain text, without the character U+202E",
    ),
    "no hash in the card": (
        lambda at: edit_card(at, backbone={"name": "tiny", "revision": "", "sha256": "f" * 63}),
        "run.yaml: backbone.sha256: ",
    ),
    "path in the card": (lambda at: edit_card(at, name="../../x"), "name: '../../x' can't name an imported"),
    "unknown key": (lambda at: edit_card(at, exec="ls"), "exec: unknown key"),
    "python in the card": (
        lambda at: (at / "run.yaml").write_text("!!python/object/apply:os.system [touch hacked]"),
        "run.yaml: ",
    ),
    "aliases": (
        lambda at: (at / "run.yaml").write_text("a: &a [1, 2]\nb: [*a, *a]\n"), "run.yaml: has anchors"
    ),
    "deep": (lambda at: (at / "run.yaml").write_text("[" * 500), "run.yaml: "),
    "large card": (lambda at: (at / "run.yaml").write_text("#" * 70_000), "run.yaml: more than 65,536 bytes"),
    "pickle": (
        lambda at: (at / "model.pkl").write_bytes(pickle.dumps([1])), "'model.pkl' is no file of a run"
    ),
    "pickled prompt": (
        lambda at: (at / "prompts/joy.pt").write_bytes(b""), "'prompts/joy.pt' is no file of a run"
    ),
    "unknown prompt": (
        lambda at: (at / "prompts/zest.safetensors").write_bytes(b""), "run.yaml has no 'zest'"
    ),
    "link": (
        lambda at: ((at / U).unlink(), (at / U).symlink_to("/etc/passwd")), f"{U}: a link or a special file"
    ),
    "pipe": (lambda at: ((at / U).unlink(), os.mkfifo(at / U)), f"{U}: a link or a special file"),
    "folder as file": (lambda at: ((at / U).unlink(), (at / U).mkdir()), f"{U}: a link or a special file"),
    "too large": (
        lambda at: os.truncate(at / U, 100 * 1000**2 + 1),
        f"{U}: 100,000,001 bytes; a file over 100,000,000 bytes belongs in DVC",
    ),
}  # fmt: skip


MORE = {"unknown attribute": 2, "card's seeds": 1 + 2 * len(EMOTIONS)}
"""Faults with more than one line: another mask is missing; every emotion lacks a seed."""


@pytest.fixture(scope="module")
def folder_of_a_run(measured_project, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(measured_project)
        out = tmp_path_factory.mktemp("exported")
        patch.setattr(check, "FOLDER", out)
        return export.export(NAME, load_params())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_line_before_anything_is_analysed(fault, folder_of_a_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("data/runs") / NAME
    shutil.copytree(folder_of_a_run, folder)
    assert check.faults(folder) == []
    spoil, line = FAULTS[fault]
    spoil(folder)
    found = check.faults(folder)
    assert any(line in one for one in found) and len(found) == MORE.get(fault, 1), found
    assert all(one.startswith(str(folder)) and "\n" not in one for one in found)
    with pytest.raises(UserError):
        check.checked(NAME)
    assert not Path("hacked").exists()


def test_each_fault_has_its_own_line(folder_of_a_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("data/runs") / NAME
    shutil.copytree(folder_of_a_run, folder)
    for name in ("nan", "accuracy above 1", "a mask less"):
        FAULTS[name][0](folder)
    assert [line.split(": ")[0].split("/")[-1] for line in check.faults(folder)] == [A, U, M]


@pytest.mark.parametrize(
    "name",
    ["../live", "a/b", "/tmp/x", "", ".", "published", "live", "human", "times", "A", "a.b", "a" * 41, "a\n"],
)
def test_a_name_cannot_leave_the_folder_or_replace_another_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="can't name an imported run"):
        check.place(name)


def test_check_run_prints_the_faults(folder_of_a_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder_of_a_run, tmp_path / "data/runs" / NAME)
    monkeypatch.setattr(sys, "argv", ["check", NAME])
    check.main()
    assert f"imported: [{NAME}]" in capsys.readouterr().out
    (tmp_path / "data/runs" / NAME / U).unlink()
    with pytest.raises(SystemExit) as ended:
        check.main()
    assert ended.value.code == 1 and capsys.readouterr().out == f"data/runs/{NAME}/{U}: is missing\n"


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


def random_measures(seed, layers, attributes="abcdefg"):
    draw, names = np.random.default_rng(seed), list(attributes)
    drops = pd.Series(draw.normal(size=len(names)), names)
    counts = pd.Series(draw.integers(0, 50, len(names)), names)
    return compare.Measures(10, drops, counts, pd.DataFrame(draw.random((len(names), layers)), names))


def test_agreement_is_spearmans_rho_of_what_the_runs_share():
    a, b = random_measures(0, 12), random_measures(1, 12, "gfedcbx")
    found, shared = compare.agreement(a, b), list("bcdefg")
    assert found["n"] == 6
    for key, of_a, of_b in (("drops", a.drops, b.drops), ("counts", a.counts, b.counts)):
        # rho is the correlation of the ranks
        expected = np.corrcoef(stats.rankdata(of_a[shared]), stats.rankdata(of_b[shared]))[0, 1]
        assert found[key] == pytest.approx(expected)
    each = [stats.spearmanr(a.profiles.loc[name], b.profiles.loc[name]).statistic for name in shared]
    assert found["profile"] == pytest.approx(np.median(each))
    alike = compare.agreement(a, a)
    assert alike["drops"] == pytest.approx(1) and alike["profile"] == pytest.approx(1)


def test_profiles_of_models_of_different_depth_are_compared_at_the_same_depths():
    deep = (np.arange(12) + 0.5) / 12  # the depth of each layer
    np.testing.assert_allclose(compare.at_depths(deep, 6), (np.arange(6) + 0.5) / 6)
    assert compare.profile_agreement(deep, np.arange(6.0)) == pytest.approx(1)
    assert compare.profile_agreement(deep, -np.arange(6.0)) == pytest.approx(-1)
    assert compare.profile_agreement(deep, np.zeros(6)) is None  # no layer has a neuron
    assert compare.rho([1, 2, np.nan, 3], [1, 2, 3, 4]) is None  # three pairs
    assert compare.rho([1, 2, np.nan, 3, 4], [4, 3, 3, 2, 1]) == pytest.approx(-1)


def test_html_in_a_card_is_shown_as_text(folder_of_a_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, attack = Path("data/runs") / NAME, "<script>alert('x')</script>"
    shutil.copytree(folder_of_a_run, folder)
    values = parse_yaml((folder / "run.yaml").read_text())
    backbone = values["backbone"] | {"name": attack}
    edit_card(folder, measured={"by": attack, "on": '"><img src=x onerror=alert(1)>'}, backbone=backbone)
    edit_tensors(folder, backbone=attack)
    assert check.faults(folder) == []
    import_run(NAME)
    cards = compare.cards_of(["published", "live", NAME])
    assert list(cards) == [NAME]
    compared = {"cards": cards, "pairs": {}, "attributes": {}, "sizes": {}}
    page = templates_of_page().get_template("compare.html")
    shown = page.render(runs=["published", "live", NAME], cards=[], compared=compared)
    assert shown.count("&lt;script&gt;") == 2 and "<script" not in shown and "<img" not in shown
