"""Benchmarks: docs/performance.md, medians and ratios, operations as torch counts them, failed commands."""

import json
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import random_model  # noqa: E402
import render  # noqa: E402
import side_by_side  # noqa: E402
import whole  # noqa: E402
from side_by_side import Method, finished, row  # noqa: E402

ABOUT = {
    "machine": {"cpu": "a CPU", "cores": 2, "memory (GiB)": 8},
    "versions": {"numpy": "2.0"},
    "threads": 2,
}


def results(*rows):
    return {"training": ABOUT | {"tables": [{"title": "A table", "note": "A note.", "rows": finished(rows)}]}}


def test_the_page_is_made_from_the_committed_results():
    assert render.PAGE.read_text() == render.page(render.read()), (
        "docs/performance.md is stale: python benchmarks/render.py"
    )


def test_readme_gives_the_measured_times_of_the_commands():
    commands = (ROOT / "README.md").read_text().split("## Commands")[1].split("\n## ")[0]
    table = render.read()["whole"]["tables"][0]
    measured = {row["name"].removesuffix(", cold"): row for row in table["rows"]}
    for name in ("make setup", "make published", "make repro", "make smoke"):
        (line,) = (line for line in commands.splitlines() if line.startswith(f"| `{name}` |"))
        minutes, seconds = divmod(round(measured[name]["median"]), 60)
        time = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        assert line.split(" | ")[2].startswith(time), f"{name}: benchmarks/results/whole.json has {time}"


def test_a_sample_is_scaled_up():
    loop = Method("loop", None, scale=10, sample="5 neurons")
    ours, loop = finished([row(Method("ours", None), [2.0, 1.0, 4.0], 100.0), row(loop, [3.0, 1.0, 2.0])])
    assert (ours["median"], ours["min"], ours["max"], ours["ratio"], ours["extrapolated"]) == (
        2,
        1,
        4,
        1,
        False,
    )
    assert (loop["median"], loop["min"], loop["max"], loop["ratio"], loop["extrapolated"]) == (
        20,
        10,
        30,
        10,
        True,
    )


def test_rates_are_compared_for_the_same_work_within_a_group():
    rows = finished(
        [
            row(Method("ours", None, "small", 40), [2.0, 2.0, 8.0]),
            row(Method("loop", None, "small", 10), [1.0]),
            row(Method("ours", None, "large", 10), [5.0]),
        ]
    )
    assert [own["median"] for own in rows] == [20, 10, 2]
    assert rows[0]["min"] == 5
    assert [own["ratio"] for own in rows] == [1, 2, 1]


def test_a_missing_method_is_not_measured():
    absent = Method("peft", None, work=3, missing="peft is not installed")
    page = render.page(results(row(Method("ours", None, work=3), [1.0], 5.0), row(absent, None)))
    assert "| peft | not measured: peft is not installed |" in page
    assert finished([row(absent, None), row(Method("loop", None), [1.0])])[1]["ratio"] == 1


def test_extrapolated_figures_and_missing_memory_are_marked():
    loop = Method("loop", None, scale=10, sample="5 neurons")
    page = render.page(results(row(Method("ours", None), [1.0], 5.0), row(loop, [1.5])))
    assert "| loop | 15.0 s, *extrapolated* from 5 neurons | 15.0 | not measured |" in page
    assert "a CPU, 2 cores, 8 GiB; 2 threads; numpy 2.0." in page


def test_missing_files_and_empty_tables_are_not_measured():
    expected = [
        name for name in render.FILES if not name.endswith("-avx2")
    ]  # a second kind of processor is optional
    assert render.page({}).count("\nnot measured") == len(expected) + 1
    assert "A note.\n\nnot measured" in render.page(results())


@pytest.mark.parametrize("name", [*render.FILES, render.GPU])
def test_every_committed_file_can_be_left_out(name):
    found = {key: value for key, value in render.read().items() if key != name}
    assert "not measured" in render.page(found)


def test_methods_are_interleaved():
    order = []
    reasons = {"a": "", "b": "not installed", "c": ""}
    methods = [
        Method(name, lambda name=name: order.append(name), missing=reason) for name, reason in reasons.items()
    ]
    assert [len(seconds) for seconds in side_by_side.interleaved(methods, 2).values()] == [2, 2]
    assert order == ["a", "c", "a", "c"]


def test_a_failed_command_is_recorded_and_the_others_are_kept(tmp_path, monkeypatch):
    (tmp_path / "Makefile").write_text("good:\n\t@true\nbad:\n\t@echo no disk >&2; false\n")
    rows = [whole.made("make good", "good", tmp_path), whole.made("make bad", "bad", tmp_path)]
    assert rows[0]["seconds"][0] > 0 and rows[1]["not measured"] == "`make bad` failed: no disk"
    stages = {"title": "Stages", "note": "", "rows": []}
    monkeypatch.setattr(whole, "commands", lambda folder: (rows, stages))
    monkeypatch.setattr(sys, "argv", ["whole.py", "--out", str(tmp_path / "whole.json")])
    with pytest.raises(SystemExit) as ended:
        whole.main()
    assert ended.value.code == 1
    table, _ = json.loads((tmp_path / "whole.json").read_text())["tables"]
    assert [row["name"] for row in table["rows"]] == ["make good", "make bad"]
    assert "median" in table["rows"][0] and "not measured" in table["rows"][1]


def counted(work):
    """Operations of matrix products, by torch's own counter."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        work()
    return counter.get_total_flops()


def test_operations_equal_torchs_count(monkeypatch):
    width, hidden, layers, prompt_len = 160, 48, 3, random_model.PROMPT_LEN
    sizes = {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": width,
    }
    monkeypatch.setitem(random_model.SIZES, "tiny", sizes)
    model, texts = random_model.random_model("tiny"), random_model.random_texts(3)
    engine, lengths = random_model.engine_of(model), [len(text) for text in texts]
    head = 2 * (hidden * hidden + 2 * hidden)  # at position 0: the head's own layer and two words
    mask = torch.ones(layers, width)
    mask[:, :32] = 0

    def plain(learning):
        for text in texts:
            prompt = torch.randn(prompt_len, hidden).requires_grad_(learning)
            state = model.roberta(
                **random_model.inputs_of(model, prompt, [text], len(text))
            ).last_hidden_state
            if learning:
                state.sum().backward()

    def ours():
        prompts = torch.randn(len(texts), prompt_len, hidden).requires_grad_()
        engine.masked_logits(engine.shared_part(prompts, texts), engine.masked_weights()).sum().backward()

    started, weights = (
        engine.shared_part(torch.randn(len(texts), prompt_len, hidden), texts),
        engine.masked_weights(mask),
    )
    found = [
        counted(work) / len(texts)
        for work in (lambda: plain(False), lambda: engine.masked_logits(started, weights))
    ]
    assert random_model.operations(model, lengths, 1 - 32 / width) == pytest.approx(
        (found[0], found[1] - head), rel=1e-12
    )
    found = [counted(work) / len(texts) for work in (lambda: plain(True), ours)]
    assert random_model.operations_of_training(model, lengths, prompt_len) == pytest.approx(
        (found[0], found[1] - 2 * head), rel=1e-12
    )
