"""docs/performance.md is what the committed results give; medians and ratios, on made-up seconds, by hand."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import render  # noqa: E402
import side_by_side  # noqa: E402
from side_by_side import Contestant, finished, row  # noqa: E402

ABOUT = {"machine": {"cpu": "a CPU", "cores": 2, "memory (GiB)": 8}, "versions": {"numpy": "2.0"}, "threads": 2}


def results(*rows):
    return {"training": ABOUT | {"tables": [{"title": "A table", "note": "A note.", "rows": finished(rows)}]}}


def test_the_page_is_that_of_the_committed_results():
    assert render.PAGE.read_text() == render.page(render.read()), "docs/performance.md is stale: python benchmarks/render.py"


def test_median_spread_and_ratio_of_a_sample_scaled_up():
    ours, loop = finished([
        row(Contestant("ours", None), [2.0, 1.0, 4.0], 100.0), row(Contestant("loop", None, scale=10, sample="5 neurons"), [3.0, 1.0, 2.0]),
    ])  # fmt: skip
    assert (ours["median"], ours["min"], ours["max"], ours["ratio"], ours["extrapolated"]) == (2, 1, 4, 1, False)
    assert (loop["median"], loop["min"], loop["max"], loop["ratio"], loop["extrapolated"]) == (20, 10, 30, 10, True)


def test_rates_are_compared_for_the_same_work_within_a_group():
    rows = finished([
        row(Contestant("ours", None, "small", 40), [2.0, 2.0, 8.0]), row(Contestant("loop", None, "small", 10), [1.0]),
        row(Contestant("ours", None, "large", 10), [5.0]),
    ])  # fmt: skip
    assert [own["median"] for own in rows] == [20, 10, 2]
    assert rows[0]["min"] == 5
    assert [own["ratio"] for own in rows] == [1, 2, 1]


def test_a_missing_contestant_is_not_measured():
    absent = Contestant("peft", None, work=3, missing="peft is not installed")
    page = render.page(results(row(Contestant("ours", None, work=3), [1.0], 5.0), row(absent, None)))
    assert "| peft | not measured: peft is not installed |" in page
    assert finished([row(absent, None), row(Contestant("loop", None), [1.0])])[1]["ratio"] == 1


def test_an_extrapolated_figure_and_a_memory_that_was_not_measured_say_so():
    loop = Contestant("loop", None, scale=10, sample="5 neurons")
    page = render.page(results(row(Contestant("ours", None), [1.0], 5.0), row(loop, [1.5])))
    assert "| loop | 15.0 s, *extrapolated* from 5 neurons | 15.0 | not measured |" in page
    assert "a CPU, 2 cores, 8 GiB; 2 threads; numpy 2.0." in page


def test_missing_files_and_empty_tables_are_not_measured():
    assert render.page({}).count("\nnot measured") == len(render.FILES) + 1
    assert "A note.\n\nnot measured" in render.page(results())


@pytest.mark.parametrize("name", [*render.FILES, render.GPU])
def test_every_committed_file_can_be_left_out(name):
    found = {key: value for key, value in render.read().items() if key != name}
    assert "not measured" in render.page(found)


def test_contestants_take_turns():
    order = []
    reasons = {"a": "", "b": "not installed", "c": ""}
    contestants = [Contestant(name, lambda name=name: order.append(name), missing=reason) for name, reason in reasons.items()]
    assert [len(seconds) for seconds in side_by_side.in_turns(contestants, 2).values()] == [2, 2]
    assert order == ["a", "c", "a", "c"]
