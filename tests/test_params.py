"""params.yaml: a slip is refused in one line that names the key, before any work."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command import call

from model_emotion.params import ParamsError, load_params

ROOT = Path(__file__).parents[1]


@pytest.fixture
def refused(tmp_path):
    """A function that sets one key of the project's own params.yaml and returns the message it is refused with."""

    def refuse(key, value):
        values = yaml.safe_load((ROOT / "params.yaml").read_text())
        values["backbone"] |= {"layers": 6, "width": 1536}
        section, *rest = key.split(".")
        target = values
        for part in (section, *rest)[:-1]:
            target = target[part]
        target[key.split(".")[-1]] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(values))
        with pytest.raises(ParamsError) as caught:
            load_params(path)
        assert "\n" not in str(caught.value)
        return str(caught.value).removeprefix(f"{path}: ")

    return refuse


def test_the_projects_own_file_is_good():
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
        ("emotions", [*GOOD, "joy"], "emotions: 'joy' stands twice"),
        ("emotions", [], "emotions: "),
        ("seeds", [1, 1], "seeds: 1 stands twice"),
        ("seeds", [], "seeds: "),
        ("seeds", "1", "seeds: "),
        ("seeds", [-1], "seeds[0]: "),
        ("seeds", [True], "seeds[0]: "),
        ("study.seeds", [1, 2], "study.seeds[1]: "),
        ("top_k", [99999], "top_k[0]: 99999 is more than the 9216 neurons"),
        ("top_k", [0.05, 1.5], "top_k[1]: "),
        ("top_k", [0], "top_k[0]: "),
        ("top_k", [], "top_k: "),
        ("study.top_k", [99999], "study.top_k[0]: "),
        ("topk", [4000], "topk: unknown key; did you mean 'top_k'?"),
        ("top_k2", [4000], "top_k2: unknown key; did you mean 'top_k'?"),
        ("masks.drawz", 3, "masks.drawz: unknown key; did you mean 'draws'?"),
        ("masks.kind", "bin", "masks.kind: "),
        ("masks.draws", "2", "masks.draws: "),
        ("masks.ranking_seeds", [3], "masks.ranking_seeds[0]: 3 is not one of seeds [1]"),
        ("masks.ranking_seeds", [1], "masks.ranking_seeds: all of seeds; one at least must be left"),
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
        ("top_k", [0.11, 1014], "top_k[1]: 1014 of 9216 neurons are 1014, as another size is"),
        ("top_k", [0.00001], "top_k[0]: 1e-05 is less than one of the 9216 neurons"),
        ("backbone.verbalizer", ["no"], "backbone.verbalizer: "),
        ("backbone.revision", "main", "backbone.revision: "),
        ("backbone.precision", "half", "backbone.precision: "),
        ("training.lr", float("inf"), "training.lr: "),
        ("training.examples", 0, "training.examples"),
        ("protocol.split", "train", "protocol.split: "),
        ("protocol.probes", "s", "protocol.probes: unknown key; did you mean 'probe'?"),
        ("activation.point", "gelu", "activation.point: "),
        ("runs", ["lively"], "runs[0]: "),
        (
            "runs",
            ["published"],
            "runs: ['published'], but the pipeline has both; for the published run alone there is `make published`",
        ),
        ("study", None, "study: "),
        (
            "own.attributes",
            "/me/ratings.csv",
            "own.attributes: '/me/ratings.csv' is not the name of a CSV or Parquet file in data/own",
        ),
        (
            "own.texts",
            "posts.xlsx",
            "own.texts: 'posts.xlsx' is not the name of a CSV or Parquet file in data/own",
        ),
        ("own.ratings", "a.csv", "own.ratings: unknown key"),
        ("emotions", [*GOOD, "../up"], "emotions[4]: '../up' can't be a name"),
        ("emotions", [*GOOD, "NA"], "emotions[4]: 'NA' can't be a name"),
        (
            "figures.emotion",
            "hapiness",
            "figures.emotion: 'hapiness' is not one of study.emotions, nor of emotions",
        ),
        ("executor.kind", "slurm", "executor.kind: "),
        (
            "executor.address",
            "tcp://10.0.0.1:8786",
            "executor: address: tcp://10.0.0.1:8786 is a cluster's; kind must be dask",
        ),
        ("executor", {"kind": "dask", "workers": None, "address": "10.0.0.1"}, "executor.address: "),
    ],
)
def test_a_wrong_value_is_named(refused, key, value, message):
    assert refused(key, value).startswith(message)


def test_own_data_bring_names_of_their_own(tmp_path):
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["own"] = {"attributes": "ratings.csv", "texts": "posts.parquet"}
    values["emotions"] = ["zest", "calm", "Schadenfreude", "joy"]
    values["figures"] |= {"emotion": "zest", "attribute": "warmth"}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    assert load_params(tmp_path / "params.yaml").emotions[2] == "Schadenfreude"


def test_files_that_are_no_parameters_are_named(tmp_path):
    with pytest.raises(ParamsError, match="not found"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("runs: [published\nstudy: {")
    (tmp_path / "latin.yaml").write_bytes("# é".encode("latin-1"))
    with pytest.raises(ParamsError, match="latin.yaml: not UTF-8 at byte 3"):
        load_params(tmp_path / "latin.yaml")
    with pytest.raises(ParamsError, match="not YAML"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(ParamsError):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    "stage", sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
)
def test_every_stage_refuses_it_before_any_work(stage, tmp_path, monkeypatch):
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("seeds: [1]", "seeds: [1, 1]"))
    of_a_run = dict.fromkeys(
        ("targets", "searchlight", "masks", "drops", "retests", "figures", "claims"), ["--run", "published"]
    )
    options = of_a_run | {"fetch": ["--group", "human"]}
    monkeypatch.chdir(tmp_path)
    done = call(stage, *options.get(stage, []))
    assert done.returncode == 1
    assert done.stderr.strip() == "error: params.yaml: seeds: 1 stands twice"
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_stage_started_by_its_file_refuses_it_too(tmp_path):
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("seeds: [1]", "seeds: [1, 1]")
    )
    done = subprocess.run(
        [sys.executable, ROOT / "stages/mask_plan.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "error: params.yaml: seeds: 1 stands twice\n",
    )
