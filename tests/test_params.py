"""params.yaml: an invalid value is refused before any work, in one line that names the key."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import call

from model_emotion.base.files import read_yaml
from model_emotion.params import ParamsError, load_params

ROOT = Path(__file__).parents[1]


@pytest.fixture
def refused(tmp_path):
    """A function that sets a key of the project's params.yaml and returns the message that refuses it."""

    def refuse(key, value):
        values = read_yaml(ROOT / "params.yaml")
        values["backbone"] |= {"layers": 6, "width": 1536}
        section, *rest = key.split(".")
        target = values
        for part in (section, *rest)[:-1]:
            target = target[part]
        target[key.split(".")[-1]] = value
        path = tmp_path / "params.yaml"
        path.write_text(json.dumps(values))
        with pytest.raises(ParamsError) as caught:
            load_params(path)
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{path}: ")

    return refuse


def test_the_projects_own_file_is_valid():
    assert load_params(ROOT / "params.yaml").study.is_the_studys


GOOD = ["joy", "fear", "anger", "love"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "emotions",
            [*GOOD[:3], "gratitud"],
            "emotions[3]: 'gratitud' is not one of the 27 emotions; did you mean 'gratitude'?",
        ),
        ("study.emotions", [*GOOD, "happy"], "study.emotions[4]: 'happy' is not one of the 27 emotions"),
        ("emotions", [*GOOD, "joy"], "emotions: 'joy' is listed twice"),
        ("emotions", [], "emotions: "),
        ("seeds", [1, 1], "seeds: 1 is listed twice"),
        ("seeds", [], "seeds: "),
        ("seeds", "1", "seeds: "),
        ("seeds", [-1], "seeds[0]: "),
        ("seeds", [True], "seeds[0]: "),
        ("study.seeds", [1, 2], "study.seeds[1]: 2 is not one of the 12 seeds of the study"),
        ("study.seeds", [3, True], "study.seeds[1]: "),
        ("top_k", [99999], "top_k[0]: 99999 is more than the 9216 neurons"),
        (
            "top_k",
            [0.05, 1.5],
            "top_k[1]: 1.5 is neither a number of neurons, such as 1000, nor a share of them",
        ),
        (
            "top_k",
            ["11%"],
            "top_k[0]: '11%' is neither a number of neurons, such as 1000, nor a share of them",
        ),
        ("top_k", [0], "top_k[0]: 0 is neither"),
        ("top_k", [True], "top_k[0]: True is neither"),
        ("top_k", [], "top_k: "),
        ("study.top_k", [99999], "study.top_k[0]: 99999 is not one of the 7 mask sizes of the study"),
        ("topk", [4000], "topk: unknown key; did you mean 'top_k'?"),
        ("top_k2", [4000], "top_k2: unknown key; did you mean 'top_k'?"),
        ("masks.drawz", 3, "masks.drawz: unknown key; did you mean 'draws'?"),
        ("masks.kind", "bin", "masks.kind: "),
        ("masks.draws", "2", "masks.draws: "),
        ("masks.ranking_seeds", [3], "masks.ranking_seeds[0]: 3 is not one of seeds [1]"),
        (
            "masks.ranking_seeds",
            [1],
            "masks.ranking_seeds: must leave at least one seed for evaluating the masks",
        ),
        ("masks.ranking_seeds", [], "masks.ranking_seeds: "),
        ("analysis.drop_alpha", 1.5, "analysis.drop_alpha: "),
        ("analysis.drop_alpha", float("nan"), "analysis.drop_alpha: "),
        ("analysis.bootstrap.samples", 10, "analysis.bootstrap.samples: "),
        ("figures.top_k", 123, "figures.top_k: 123 is not one of study.top_k"),
        (
            "figures.attribute",
            "valense",
            "figures.attribute: 'valense' is not one of the 14 attributes; did you mean 'valence'?",
        ),
        ("top_k", [0.11, 1014], "top_k[1]: 1014 is the same size as 0.11: 1014 of 9216 neurons"),
        ("top_k", [0.00001], "top_k[0]: 1e-05 is less than one of the 9216 neurons"),
        ("backbone.verbalizer", ["no"], "backbone.verbalizer: "),
        (
            "backbone.revision",
            "main",
            "backbone.revision: 'main' is not a commit; give all 40 hexadecimal digits",
        ),
        ("backbone.revision", "c9745ed", "backbone.revision: 'c9745ed' is not a commit"),
        ("backbone.precision", "half", "backbone.precision: "),
        ("training.lr", float("inf"), "training.lr: "),
        ("training.examples", 0, "training.examples"),
        ("protocol.split", "train", "protocol.split: "),
        ("protocol.probes", "s", "protocol.probes: unknown key; did you mean 'probe'?"),
        ("activation.point", "gelu", "activation.point: "),
        ("runs", ["lively"], "runs[0]: "),
        ("runs", ["published", "live", "mine"], "runs[2]: 'mine' is neither published, live nor one of"),
        ("imported", ["mpnet", "mine"], "imported[1]: 'mine' must be in runs too"),
        ("imported", ["../mine"], "imported[0]: '../mine' can't name an imported run"),
        ("imported", ["live"], "imported[0]: 'live' can't name an imported run"),
        ("runs", ["published"], "runs: must be both; `make published` reproduces the published run alone"),
        ("study", None, "study: must hold keys with values, not None"),
        (
            "own.attributes",
            "/me/ratings.csv",
            "own.attributes: '/me/ratings.csv' is a path; put the file in data/own and give its name alone",
        ),
        (
            "own.texts",
            "posts.xlsx",
            "own.texts: 'posts.xlsx' is neither a .csv nor a .parquet file; save the table as one of them",
        ),
        (
            "own.attributes",
            "data/own/ratings.csv",
            "own.attributes: 'data/own/ratings.csv' is a path; put the file",
        ),
        ("own.ratings", "a.csv", "own.ratings: unknown key"),
        ("own.own texts", "a.csv", "own.own texts: unknown key; did you mean 'texts'?"),
        ("emotions", [*GOOD, "../up"], "emotions[4]: '../up' can't be a name"),
        ("emotions", [*GOOD, "NA"], "emotions[4]: 'NA' can't be a name"),
        (
            "figures.emotion",
            "hapiness",
            "figures.emotion: 'hapiness' is neither in study.emotions nor in emotions",
        ),
        ("executor.kind", "slurm", "executor.kind: "),
        (
            "executor.address",
            "tcp://10.0.0.1:8786",
            "executor.address: tcp://10.0.0.1:8786 needs executor.kind: dask",
        ),
        (
            "executor",
            {"kind": "dask", "workers": None, "address": "10.0.0.1"},
            "executor.address: '10.0.0.1' is not the address of a scheduler, such as tcp://HOST:8786",
        ),
        ("executor.kind", "dask", "executor.address: kind dask needs the address of a scheduler"),
    ],
)
def test_a_wrong_value_is_named(refused, key, value, message):
    assert refused(key, value).startswith(message)


@pytest.mark.parametrize(
    ("key", "typo"), [("analysis.drop_alpha", "drop_alpa"), ("emotions", "emotoins"), ("own", "onw")]
)
def test_a_mistyped_key_is_named_before_the_key_that_is_then_missing(tmp_path, key, typo):
    values = read_yaml(ROOT / "params.yaml")
    *above, name = key.split(".")
    section = values[above[0]] if above else values
    section[typo] = section.pop(name)
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    with pytest.raises(ParamsError) as caught:
        load_params(tmp_path / "params.yaml")
    where = ".".join([*above, typo])
    assert str(caught.value).endswith(f"params.yaml: {where}: unknown key; did you mean '{name}'?")
    del section[typo]
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    with pytest.raises(ParamsError, match=f"params.yaml: {re.escape(key)}: is missing"):
        load_params(tmp_path / "params.yaml")


def test_a_scheduler_at_an_address_is_accepted(tmp_path):
    values = read_yaml(ROOT / "params.yaml")
    values["executor"] |= {"kind": "dask", "address": "tcp://10.0.0.1:8786"}
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    assert load_params(tmp_path / "params.yaml").executor.address == "tcp://10.0.0.1:8786"


def test_names_of_a_users_own_tables_are_accepted(tmp_path):
    values = read_yaml(ROOT / "params.yaml")
    values["own"] = {"attributes": "ratings.csv", "texts": "posts.parquet"}
    values["emotions"] = ["zest", "calm", "Schadenfreude", "joy"]
    values["figures"] |= {"emotion": "zest", "attribute": "warmth"}
    (tmp_path / "params.yaml").write_text(json.dumps(values))
    assert load_params(tmp_path / "params.yaml").emotions[2] == "Schadenfreude"


def test_a_file_without_settings_is_named(tmp_path):
    with pytest.raises(ParamsError, match="not found"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("runs: [published\nstudy: {")
    (tmp_path / "latin.yaml").write_bytes("# é".encode("latin-1"))
    with pytest.raises(ParamsError, match="latin.yaml: not UTF-8 at byte 3"):
        load_params(tmp_path / "latin.yaml")
    with pytest.raises(ParamsError, match="not YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(ParamsError, match="params.yaml: must hold keys with values, not None"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    "stage", sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
)
def test_every_stage_refuses_an_invalid_value_before_any_work(stage, tmp_path, monkeypatch):
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("seeds: [1]", "seeds: [1, 1]"))
    of_a_run = dict.fromkeys(
        (
            "targets",
            "searchlight",
            "masks",
            "drops",
            "retests",
            "figures",
            "claims",
            "import_run",
            "run_files",
        ),
        ["--run", "published"],
    )
    options = of_a_run | {"fetch": ["--group", "human"]}
    monkeypatch.chdir(tmp_path)
    done = call(stage, *options.get(stage, []))
    assert done.returncode == 1
    assert done.stderr.strip() == "error: params.yaml: seeds: 1 is listed twice"
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_stage_started_by_its_file_refuses_an_invalid_value(tmp_path):
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("seeds: [1]", "seeds: [1, 1]")
    )
    done = subprocess.run(
        [sys.executable, ROOT / "stages/mask_plan.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "error: params.yaml: seeds: 1 is listed twice\n",
    )
