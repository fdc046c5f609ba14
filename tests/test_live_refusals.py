"""What the run `live` can't measure is said in one line, before any work or for one emotion alone."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import tiny_models
import torch
from apart import Apart
from worlds import EMOTIONS, MEASURE, run

from model_emotion.base.errors import UserError
from model_emotion.live import cache
from model_emotion.live import prompts as live_prompts
from stages import activations, prompts, targets

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_failed_stage_says_that_finished_emotions_are_kept(world):
    world("backbone.layers", 4)
    said = Apart("stages.prompts").said().splitlines()
    assert said[0].startswith("error: params.yaml: backbone.layers: 4, but tiny has 3")
    assert said[1:] == ["Correct this, then run the same command again: finished emotions are kept."]


def test_an_emotion_without_dev_examples_is_named_before_any_work(world, monkeypatch):
    table = pd.read_parquet("data/goemotions.parquet")
    table.loc[table["split"] == "dev", "grief"] = 0
    table.to_parquet("data/goemotions.parquet", index=False)
    with pytest.raises(UserError, match="^grief in dev: no row of 100 has it"):
        run(monkeypatch, targets, prompts)
    assert not Path("results/live/prompts").exists()


def test_a_model_without_a_language_model_head_is_warned_of_once(world, monkeypatch, caplog):
    shutil.rmtree("tiny")
    tiny_models.model("roberta", task="Model").save_pretrained("tiny")
    tiny_models.tokenizer().save_pretrained("tiny")
    run(monkeypatch, *MEASURE)
    assert caplog.text.count("tiny has no language-model head") == 1


def test_a_loss_that_is_no_number_stops_its_emotion_alone(world, monkeypatch):
    plain = live_prompts.tune_together

    def tune(engine, tasks, *others):
        if list(tasks) == ["anger"]:
            engine.backbone.readout.weight[6] = float("nan")
        try:
            return plain(engine, tasks, *others)
        finally:
            engine.backbone.readout.weight[6] = 0.1

    monkeypatch.setattr(live_prompts, "tune_together", tune)
    with pytest.raises(UserError, match="anger, seed 1: the loss is not a finite number at step 1") as caught:
        run(monkeypatch, prompts)
    assert "anger, seed 3" in str(caught.value) and "grief" not in str(caught.value)
    assert {path.stem for path in Path("results/live/prompts").iterdir()} == set(EMOTIONS) - {"anger"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("backbone.layers", 4, "params.yaml: backbone.layers: 4, but tiny has 3; set it to null"),
        ("backbone.name", "nowhere/none", "nowhere/none: no weights found; looked for a folder of that name"),
        ("backbone.verbalizer", ["negative", "joyful"], "verbalizer: 'joyful' is not one token of tiny"),
        (
            "training.prompt_len",
            38,
            "params.yaml: training.prompt_len: 38 vectors leave tiny no room for a text",
        ),
    ],
)
def test_what_cannot_be_measured_is_said_before_any_work(world, monkeypatch, key, value, message):
    world(key, value)
    with pytest.raises(UserError) as caught:
        run(monkeypatch, prompts)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert not Path("results/live/prompts").exists() and not cache.FINISHED.exists()


def changed_weights(change):
    """Save the tiny model again after `change` was called with its tensors by name."""
    model = tiny_models.model("roberta")
    with torch.no_grad():
        change(dict(model.named_parameters()))
    model.save_pretrained("tiny")


def kill_layer_2(tensors):
    for name in ("weight", "bias"):
        tensors[f"roberta.encoder.layer.1.intermediate.dense.{name}"].zero_()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (kill_layer_2, "tiny: layer 2 is 0 under a prompt in all neurons, so that it has no RDM"),
        (
            lambda tensors: tensors["roberta.encoder.layer.1.intermediate.dense.weight"].zero_(),
            "tiny: layer 2 is the same under all prompts, so that it has no RDM",
        ),
        (
            lambda tensors: tensors["lm_head.layer_norm.weight"].fill_(float("nan")),
            "tiny: a rehearsal on two texts failed: joy, seed 1: the loss is not a finite number",
        ),
    ],
)
def test_a_model_that_cannot_be_measured_is_found_before_a_prompt_is_trained(
    world, monkeypatch, break_it, message
):
    changed_weights(break_it)
    with pytest.raises(UserError) as caught:
        run(monkeypatch, prompts)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)
    assert not Path("results/live/prompts").exists() and not cache.FINISHED.exists()


def test_any_failure_of_the_rehearsal_is_one_line(world, monkeypatch):
    def fail(*_):
        raise IndexError("index out of range\nand a long trace")

    monkeypatch.setattr("model_emotion.live.rehearsal.evaluate", fail)
    with pytest.raises(UserError) as caught:
        run(monkeypatch, prompts)
    assert str(caught.value) == (
        "tiny: can't be measured: evaluation failed in a rehearsal on two texts "
        "(IndexError: index out of range); check its files, or use another model"
    )


def test_a_layer_without_an_rdm_is_named_after_training_too(measured, monkeypatch):
    changed_weights(kill_layer_2)
    with pytest.raises(UserError, match="^tiny: layer 2 is 0 under a prompt"):
        run(monkeypatch, activations)


def test_an_emotion_without_a_text_in_the_split_of_the_evaluation_is_named_before_any_work(
    world, monkeypatch
):
    table = pd.read_parquet("data/texts/live.parquet")
    table.loc[table["split"] == "test", "grief"] = 0
    table.to_parquet("data/texts/live.parquet", index=False)
    world("protocol.split", "test")
    with pytest.raises(UserError, match="^grief in test: no row of 60 has it"):
        run(monkeypatch, prompts)


def test_texts_that_are_in_two_splits_are_counted(world, monkeypatch, capsys):
    table = pd.read_parquet("data/goemotions.parquet")
    distinct = [f"{text} {number}" for number, text in enumerate(table["text"])]
    table["text"] = distinct
    table.to_parquet("data/goemotions.parquet", index=False)
    run(monkeypatch, targets)
    assert "are also in" not in capsys.readouterr().out
    table.loc[table["split"] == "dev", "text"] = distinct[:100]
    table.to_parquet("data/goemotions.parquet", index=False)
    run(monkeypatch, targets)
    assert "data/texts/live.parquet: 100 of 100 dev texts are also in train" in capsys.readouterr().out
