"""The cost of a run: its examples are counted as the stages measure them; hours are proportional."""

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import wide
from model_emotion.base import study
from model_emotion.inputs import goemotions
from model_emotion.live import cost
from model_emotion.params import load_params
from model_emotion.project.experiments import load

ROOT = Path(__file__).parents[1]


def paper():
    """Return the parameters of experiments/paper.yaml."""
    return load("paper").params(ROOT / "params.yaml")


@pytest.fixture
def table():
    rows = {"train": 100, "dev": 20, "test": 30}
    frame = pd.concat(
        [pd.DataFrame({"split": [split] * n, "text": "a"}) for split, n in rows.items()], ignore_index=True
    )
    return frame.assign(**{emotion: (frame.index % 5 == 0).astype(int) for emotion in study.EMOTIONS})


def test_tasks_are_counted_beyond_a_byte(table):
    """pandas' groupby keeps a sum of bytes as bytes where it fits, and twice that no longer does."""
    emotions = list(study.EMOTIONS)
    many = pd.concat([table.astype(dict.fromkeys(emotions, "uint8"))] * 8)
    params = paper()
    assert set(cost.task_sizes(params, many, "train")) == {320} and set(
        cost.task_sizes(params, many, "train", 50)
    ) == {50}


def test_work_is_counted_as_the_stages_do_it(table):
    asked = cost.total_work(paper(), table)
    prompts = 27 * 12
    assert asked.trained == prompts * 2 * 40 and asked.validated == prompts * 2 * 8
    assert asked.evaluated == prompts * 8 * (1 + 14 * 9 + 20 * 9 + 20)
    here = load_params(ROOT / "params.yaml")
    backbone = here.backbone.model_copy(update={"layers": 6, "width": 1536})
    here = here.model_copy(update={"backbone": backbone})
    own = cost.total_work(here, table)
    assert own.evaluated == 27 * len(here.seeds) * 8 * (
        1 + 14 * 2 + here.masks.draws + here.masks.other_draws + here.masks.permuted_draws
    )


def test_without_a_gpu_the_error_is_one_line_and_with_one_hours_are_proportional(table):
    params = paper()
    line = cost.refusal(params, table)
    assert line.startswith("no CUDA GPU found. 27 x 12 prompts need 25,920 examples in") and "\n" not in line
    hours = cost.hours(params, table, cost.Rates(1000.0, 10_000.0)).set_index(["epochs", "random draws"])
    assert len(hours) == 6 and (hours > 0).all(axis=None)
    assert hours.loc[(50, 2), "training (h)"] == pytest.approx(25 * hours.loc[(2, 2), "training (h)"])
    few, many = (hours.loc[(2, draws), "evaluation (h)"] for draws in (2, 100))
    assert many / few == pytest.approx((2 + 1 + 126 + 900 + 20) / (2 + 1 + 126 + 18 + 20), rel=1e-3)


def test_the_next_task_goes_to_the_first_worker_that_is_free():
    assert [cost.makespan([3, 1, 1, 2], n) for n in (1, 2, 3, 64)] == [7, 4, 3, 3]


def test_the_table_of_gpus_is_what_the_measured_rates_make(raw):
    labels = goemotions.read_labels(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))
    splits = {
        split: goemotions.read_split(raw("goemotions", f"goemotions/data/{split}.tsv"), labels)
        for split in goemotions.SPLITS
    }
    table, params = goemotions.tidy(splits), paper()
    measured = json.loads((ROOT / wide.RATES).read_text())
    assert wide.block(params, table, measured) in (ROOT / wide.PAGE).read_text(), (
        "stale: python benchmarks/wide.py --write"
    )
    masks = params.masks.model_copy(update={"permuted_draws": 0})  # there were none yet
    params = params.model_copy(update={"masks": masks})
    for row in measured["projection"]:  # what the machine with that GPU said of one
        if (row["epochs"], row["random draws"]) == (2, 20):
            hours = [
                wide.hours(params, table, wide.rates(measured, row["precision"]), gpus)
                for gpus in (1, 8, 64, 27)
            ]
            assert hours[0] == pytest.approx(row["whole (h)"])
            assert hours[0] / 8 < hours[1] < hours[0] / 5 and hours[2] == hours[3] < hours[1]
