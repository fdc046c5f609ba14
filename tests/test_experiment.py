"""Named experiments: every file in experiments/ fits params.yaml, and DVC reads its overrides as they are meant."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from model_emotion import experiment, paper, projection, study
from model_emotion.cli import UserError
from model_emotion.params import load_params

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "experiments").glob("*.yaml"))


def load(name):
    return experiment.load(name, ROOT / "experiments")


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_asks_something_and_dvc_sets_what_it_says(name, tmp_path):
    asked = load(name)
    wanted = asked.params(ROOT / "params.yaml")
    assert asked.question.endswith("?") and wanted != load_params(ROOT / "params.yaml")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    apply_overrides(tmp_path / "params.yaml", [setting.override() for setting in asked.settings])
    assert load_params(tmp_path / "params.yaml") == wanted
    assert wanted.study == load_params(ROOT / "params.yaml").study


def test_paper_is_the_studys_full_size_and_gives_every_source():
    asked = load("paper")
    params = asked.params(ROOT / "params.yaml")
    assert (tuple(params.emotions), tuple(params.seeds)) == (study.EMOTIONS, study.SEEDS)
    assert tuple(sorted(params.top_k)) == study.RANDOM_TOP_K and params.training.prompt_len == 100 and params.training.lr == 2e-3
    assert all(len(setting.source) > 10 for setting in asked.settings)
    own = yaml.safe_load((ROOT / "params.yaml").read_text())
    live = {key for section in ("backbone", "training", "evaluation", "protocol", "activation", "masks") for key in
            (f"{section}.{leaf}" for leaf in own[section])} | {"emotions", "seeds", "top_k"}  # fmt: skip
    assert live - {setting.key for setting in asked.settings} == {"masks.seed"}


def test_what_is_no_setting_is_refused():
    wrong = experiment.Experiment(question="?", settings=[{"key": "training.rate", "value": 1}])
    with pytest.raises(UserError, match="training.rate: .* has no such key"):
        wrong.params(ROOT / "params.yaml")
    with pytest.raises(UserError, match="training.lr"):
        experiment.Experiment(question="?", settings=[{"key": "training.lr", "value": -1.0}]).params(ROOT / "params.yaml")
    with pytest.raises(UserError, match="nothing.yaml: not there; there are .*paper"):
        load("nothing")


@pytest.fixture
def table():
    rows = {"train": 100, "dev": 20, "test": 30}
    frame = pd.concat([pd.DataFrame({"split": [split] * n, "text": "a"}) for split, n in rows.items()], ignore_index=True)
    return frame.assign(**{emotion: (frame.index % 5 == 0).astype(int) for emotion in study.EMOTIONS})


def test_work_is_counted_as_the_stages_do_it(table):
    asked = projection.work(load("paper").params(ROOT / "params.yaml"), table)
    prompts = 27 * 12
    assert asked.trained == prompts * 2 * 40 and asked.looked == prompts * 2 * 8
    assert asked.evaluated == prompts * 8 * (1 + 14 * 9 + 20 * 9)
    here = load_params(ROOT / "params.yaml")
    own = projection.work(here, table)
    assert own.evaluated == 27 * len(here.seeds) * 8 * (1 + 14 * 2 + here.masks.draws + here.masks.other_draws)


def test_without_a_gpu_one_line_says_so_and_with_one_hours_are_proportional(table):
    params = load("paper").params(ROOT / "params.yaml")
    line = paper.refusal(params, table)
    assert line.startswith("no CUDA GPU here. 27 x 12 prompts take 25,920 examples") and "\n" not in line
    hours = paper.hours(params, table, (1000.0, 10_000.0)).set_index(["epochs", "random draws"])
    assert len(hours) == 6 and (hours > 0).all(axis=None)
    assert hours.loc[(50, 2), "training (h)"] == pytest.approx(25 * hours.loc[(2, 2), "training (h)"])
    few, many = (hours.loc[(2, draws), "evaluation (h)"] for draws in (2, 100))
    assert many / few == pytest.approx((2 + 1 + 126 + 900) / (2 + 1 + 126 + 18), rel=1e-3)
