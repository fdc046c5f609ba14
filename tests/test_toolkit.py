"""The toolkit: the example in the docs, each method against a plain forward pass, arguments, the command."""

import dataclasses
import json
import pickle
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
import transformers
from safetensors.numpy import load_file
from sklearn.metrics import accuracy_score
from transformers import EvalPrediction, TrainingArguments

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, write_parquet, write_tensors
from model_emotion.base.results import Activations, write_activations
from model_emotion.model import backbone, training, tuning
from model_emotion.model.architecture import BackboneError
from model_emotion.model.engine import Engine
from model_emotion.model.tasks import Corpus
from model_emotion.project import stage
from model_emotion.toolkit import arguments, trainer
from model_emotion.toolkit.arguments import ModelEmotionArguments
from model_emotion.toolkit.command import main
from model_emotion.toolkit.masks import rank_neurons
from model_emotion.toolkit.model import AutoTokenizer, RobertaForMaskedLMPrompt
from model_emotion.toolkit.trainer import DATA, ModelEmotionTrainer

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("one_thread")
LAYERS, WIDTH, PROMPT_LEN = 2, 24, 4
SETTINGS = {
    "prompt_len": PROMPT_LEN,
    "sentiment": "joy",
    "max_source_length": 12,
    "learning_rate": 0.02,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 5,
    "per_device_eval_batch_size": 7,
    "weight_decay": 0.1,
    "lr_scheduler_type": "linear",
    "seed": 3,
    "dropout": False,
    "use_cpu": True,
    "disable_tqdm": True,
}


def save(kind, folder, **settings):
    tiny_models.model(kind, **settings).save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Folder of a small random RoBERTa."""
    return save("roberta", tmp_path_factory.mktemp("tiny"), num_hidden_layers=LAYERS, hidden_size=32)


def table():
    """Texts whose first word says whether they express joy."""
    generator, rows = np.random.default_rng(8), []
    for split, count in (("train", 60), ("dev", 50)):
        for joy in generator.integers(0, 2, count):
            rest = generator.choice(
                ["i", "am", "so", "today", "it", "was", "a", "long", "day"], generator.integers(1, 6)
            )
            rows.append((split, " ".join(["happy" if joy else "sad", *rest]), joy))
    return pd.DataFrame(rows, columns=["split", "text", "joy"])


TABLE = table()


def make_trainer(tiny, folder, **settings):
    """A trainer on the toy table. Settings that are not the trainer's go to its arguments."""
    own = {
        name: settings.pop(name)
        for name in ("compute_metrics", "data", "searchlight", "tokenizer")
        if name in settings
    }
    args = ModelEmotionArguments(output_dir=str(folder / "out"), backbone=tiny, **SETTINGS | settings)
    model = RobertaForMaskedLMPrompt.from_pretrained(tiny, args.prompt_len)
    return ModelEmotionTrainer(args=args, model=model, **{"data": TABLE} | own)


@pytest.fixture
def ready(tiny, tmp_path, monkeypatch):
    """A trainer with a prompt, in a folder without results."""
    monkeypatch.chdir(tmp_path)
    made = make_trainer(tiny, tmp_path)
    made.train_prompt()
    return made


def inputs(model, prompt, ids):
    """What a plain transformers model takes for `<mask>`, the prompt and a text."""
    embedded = tiny_models.embedded(model, prompt, ids)
    return {"inputs_embeds": embedded, "position_ids": torch.arange(embedded.shape[1])[None]}


def test_the_example_in_the_docs(goemotions, tmp_path, monkeypatch):
    page = (ROOT / "docs/toolkit.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/goemotions.parquet").symlink_to(goemotions)
    monkeypatch.chdir(tmp_path)
    found = {}
    with pytest.warns(
        UserWarning,
        match="no searchlight of sentence-transformers/all-MiniLM-L6-v2 .* the most active neurons",
    ):
        exec(code, found)
    trained, evaluated = found["train_result"].metrics, found["eval_result"]
    assert 100 >= trained["dev_accuracy"] == evaluated["accuracy"] > evaluated["majority"] + 5
    assert evaluated["n"] == found["args"].examples and 0 < evaluated["f1"] <= 1
    for activations in (found["neuron_before_relu"], found["neuron_after_relu"]):
        assert activations.shape == (6, 1536)
    k = int(0.2 * 6 * 1536)
    assert {(mask == 0).sum() for mask in found["mask"].values()} == {k} and f"activation/{k}" in found[
        "mask"
    ]
    assert found["eval_results"]["accuracy"][0] == evaluated["accuracy"]
    assert json.loads((tmp_path / "outputs/dev_results.json").read_text()) == evaluated
    assert (tmp_path / "outputs/neurons.png").is_file()


def test_training_equals_tune_with_the_same_settings(tiny, tmp_path):
    made = make_trainer(tiny, tmp_path)
    result = made.train_prompt()
    engine = Engine(backbone.load(tiny))
    corpus = Corpus(TABLE, engine.backbone.tokenizer, 12)
    tasks = {split: corpus.task("joy", split, 3) for split in ("train", "dev")}
    examples = {split: corpus.examples(task, split) for split, task in tasks.items()}
    recipe = training.Recipe(
        prompt_len=4, epochs=2, batch=5, lr=0.02, weight_decay=0.1, schedule="linear", dropout=False
    )
    expected = tuning.tune(engine, "joy", [3], [examples["train"]], [examples["dev"]], recipe)
    torch.testing.assert_close(made.model.prompt, expected.prompts[0], atol=1e-5, rtol=0)
    saved = load_file(tmp_path / "out/joy-3.safetensors")
    np.testing.assert_array_equal(saved["prompts"], made.model.prompt[None])
    assert result.global_step == 2 * int(np.ceil(len(tasks["train"]) / 5))
    seconds = result.metrics["train_runtime"]
    assert 0 < seconds < 60
    assert result.metrics == {
        "train_runtime": seconds,
        "train_samples_per_second": pytest.approx(2 * len(tasks["train"]) / seconds),
        "train_steps_per_second": pytest.approx(result.global_step / seconds),
        "train_loss": pytest.approx(expected.curve["train_loss"].mean(), abs=1e-5),
        "epoch": 2.0,
        "train_samples": len(tasks["train"]),
        "best_epoch": expected.best_epoch[0],
        "dev_accuracy": pytest.approx(100 * expected.accuracies[0]),
        "majority": 100 * tasks["dev"].majority,
        "n": len(tasks["dev"]),
    }
    assert result.training_loss == result.metrics["train_loss"]


@pytest.mark.parametrize(
    "argument, value, key",
    [
        ("learning_rate", 0.5, "lr"),
        ("num_train_epochs", 7, "epochs"),
        ("per_device_train_batch_size", 9, "batch"),
        ("dropout", False, None),
        ("per_device_eval_batch_size", 3, "eval_rows"),
        ("weight_decay", 0.4, None),
        ("lr_scheduler_type", "linear", "schedule"),
        ("prompt_len", 6, None),
        ("max_grad_norm", 1.0, None),
        ("adam_epsilon", 1e-8, "epsilon"),
        ("correct_bias", True, None),
        ("keep", "last", None),
    ],
)
def test_an_argument_reaches_the_recipe(tiny, tmp_path, monkeypatch, argument, value, key):
    monkeypatch.setattr(
        trainer,
        "tune",
        lambda engine, emotion, seeds, train, dev, recipe, progress: exec(
            "raise Stop", {"Stop": Stop(recipe)}
        ),
    )
    with pytest.raises(Stop) as stopped:
        make_trainer(tiny, tmp_path, **{argument: value}).train_prompt()
    recipe = stopped.value.args[0]
    assert getattr(recipe, key or argument) == value


class Stop(Exception):
    """Carries what a function was called with."""


def test_seed_and_examples_draw_the_task(tiny, tmp_path):
    labels = []
    for settings in ({"seed": 3}, {"seed": 5}, {"seed": 5, "examples": 20}):
        made = make_trainer(
            tiny,
            tmp_path,
            compute_metrics=lambda p: labels.append(p.label_ids) or {},
            **settings,
            num_train_epochs=1,
        )
        metrics = made.train_prompt().metrics
        assert made.eval_prompt()["n"] == metrics["n"] == len(labels[-1])
    positive = TABLE.loc[TABLE["split"] == "dev", "joy"].to_numpy()
    for seed, found in zip((3, 5), labels, strict=False):
        drawn = np.random.RandomState(seed).choice(len(positive), positive.sum())  # noqa: NPY002
        np.testing.assert_array_equal(found, [1] * positive.sum() + positive[drawn].tolist())
    assert metrics["train_samples"] == metrics["n"] == 20


def test_bf16_the_cpu_and_the_progress_bar_are_honoured(tiny, tmp_path, capsys):
    made = make_trainer(tiny, tmp_path, bf16=True, num_train_epochs=1)
    assert made.engine.precision == "bf16" and made.engine.device.type == "cpu"
    made.train_prompt()
    assert capsys.readouterr().err == ""
    make_trainer(tiny, tmp_path, disable_tqdm=False, num_train_epochs=1).train_prompt()
    assert "100%" in capsys.readouterr().err


def test_defaults_are_the_studys():
    args, study = ModelEmotionArguments(output_dir="out"), training.Recipe()
    assert args.backbone == "sentence-transformers/all-MiniLM-L6-v2"
    assert (
        (args.prompt_len, args.learning_rate, args.num_train_epochs)
        == (study.prompt_len, study.lr, study.epochs)
        == (100, 2e-3, 2)
    )
    assert (args.per_device_train_batch_size, args.lr_scheduler_type, args.weight_decay) == (
        study.batch,
        study.schedule,
        0.01,
    )
    assert isinstance(args, TrainingArguments) and args.max_source_length == 128 and args.seed == 42


def test_version_2_trains_as_the_original_did(tiny, tmp_path):
    args = ModelEmotionArguments.version2(output_dir="out", seed=7)
    assert (args.learning_rate, args.num_train_epochs, args.seed) == (5e-5, 3, 7)
    assert ModelEmotionArguments.version2(output_dir="out", learning_rate=0.1).learning_rate == 0.1
    own = {name: value for name, value in arguments.VERSION_2.items() if name != "learning_rate"}
    made = make_trainer(tiny, tmp_path, **own)
    result = made.train_prompt()
    assert result.metrics["best_epoch"] == 3 and made.activated_neuron()[0].shape == (LAYERS, WIDTH)
    corpus = made.corpus
    task = corpus.task("joy", "train", 3)
    train = corpus.examples(task, "train")
    # torch's AdamW of version 2's settings on the same batches and first values
    started = training.INITS["normal"](
        made.model.backbone, PROMPT_LEN, training.random_numbers(training.INIT, "joy", 3)
    )
    prompt, order = torch.nn.Parameter(started.clone()), training.random_numbers(training.ORDER, "joy", 3)
    optimiser = torch.optim.AdamW([prompt], lr=0.02, weight_decay=0.0, eps=1e-8)
    steps = 3 * -(-len(train) // 8)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    for _ in range(3):
        shuffled = order.permutation(len(train))
        for start in range(0, len(train), 8):
            rows = shuffled[start : start + 8]
            ids, attention = made.engine.pad([train.texts[row] for row in rows])
            logits = made.engine.logits(prompt.expand(len(rows), -1, -1), None, ids, attention)
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(train.labels[rows])).backward()
            torch.nn.utils.clip_grad_norm_([prompt], 1.0)
            optimiser.step()
            rate.step()
    torch.testing.assert_close(made.model.prompt, prompt.detach(), atol=1e-3, rtol=0)
    assert (prompt - started).abs().max() > 0.1


def test_a_users_metric_cannot_replace_ours(ready):
    ready.compute_metrics = lambda p: {"f1": 0.5, "accuracy": 0.1}
    with pytest.raises(UserError, match="compute_metrics: returns accuracy, which eval_prompt returns"):
        ready.eval_prompt()


TAKEN = {*arguments.HONOURED, *arguments.HARMLESS}


@pytest.mark.parametrize(
    "name",
    [
        f.name
        for f in dataclasses.fields(TrainingArguments)
        if f.name not in TAKEN and not f.name.startswith("log")
    ],
)
def test_every_other_argument_of_transformers_is_refused_by_name(name):
    with pytest.raises(UserError, match=rf"^{name}='another': has no effect here"):
        ModelEmotionArguments(output_dir="out", **{name: "another"})


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("gradient_accumulation_steps", 4, "no effect"),
        ("fp16", True, "no effect"),
        ("max_steps", 10, "no effect"),
        ("warmup_steps", 5, "no effect"),
        ("max_grad_norm", -1.0, "at least 0"),
        ("adam_epsilon", -1e-8, "at least 0"),
        ("keep", "first", "one of best, last"),
        ("probe", "cls", "one of s, mask"),
        ("no_cuda", True, "no effect here; give use_cpu"),
        ("evaluation_strategy", "epoch", "no effect"),
        ("logging_dir", "logs", "no effect"),
        ("overwrite_output_dir", True, "no effect"),
        ("report_to", "wandb", "no effect"),
        ("save_strategy", "epoch", "no effect"),
        ("lr_scheduler_type", "cosine", "constant, linear"),
        ("num_train_epochs", 1.5, "whole number"),
        ("num_train_epochs", 0, "at least 1"),
        ("prompt_len", 0, "at least 1"),
        ("examples", 0, "at least 1"),
        ("seed", -1, "at least 0"),
        ("learning_rate", float("nan"), "must be a number"),
    ],
)
def test_values_that_cannot_be_honoured_are_refused_by_name(name, value, reason):
    with pytest.raises(UserError, match=rf"^{name}=.*{reason}"):
        ModelEmotionArguments(output_dir="out", **{name: value})


def test_harmless_arguments_are_accepted_and_unknown_ones_are_not():
    ModelEmotionArguments(
        output_dir="out",
        logging_steps=5,
        log_level="error",
        do_train=True,
        report_to="none",
        save_strategy="no",
    )
    with pytest.raises(TypeError, match="learning_rte"):
        ModelEmotionArguments(output_dir="out", learning_rte=0.1)


def test_arguments_can_be_copied_and_parsed_from_a_command_line():
    args = ModelEmotionArguments(output_dir="out", sentiment="Anger", use_cpu=True)
    copy = dataclasses.replace(args, seed=7)
    assert (copy.sentiment, copy.seed, copy.learning_rate) == ("Anger", 7, args.learning_rate)
    given = ["--output_dir", "out", "--examples", "9"]
    (parsed,) = transformers.HfArgumentParser(ModelEmotionArguments).parse_args_into_dataclasses(given)
    assert parsed.examples == 9 and parsed.sentiment == "surprise"


def test_evaluation_equals_sklearns_on_plain_logits(ready):
    seen = []
    ready.compute_metrics = lambda p: seen.append(p) or {"combined_score": 0.5}
    metrics = ready.eval_prompt()
    (prediction,) = seen
    assert isinstance(prediction, EvalPrediction) and metrics["combined_score"] == 0.5
    right = accuracy_score(prediction.label_ids, prediction.predictions.argmax(axis=1))
    assert metrics["accuracy"] == 100 * right
    assert metrics["majority"] == 100 * max(np.bincount(prediction.label_ids)) / metrics["n"]
    assert json.loads((ready.out / "dev_results.json").read_text()) == metrics
    model = ready.model.backbone.model
    dev = TABLE[TABLE["split"] == "dev"].reset_index()
    for place, row in enumerate(
        np.flatnonzero(dev["joy"])[:5]
    ):  # the study's tasks begin with all positive rows
        with torch.no_grad():
            plain = model(
                **inputs(model, ready.model.prompt, tiny_models.tokenizer()(dev["text"][row])["input_ids"])
            ).logits[0, 0, [5, 6]]
        np.testing.assert_allclose(prediction.predictions[place], plain - plain[0], atol=1e-5)


def test_activations_are_those_on_both_sides_of_the_activation_function(ready):
    model, seen = ready.model.backbone.model, {"before": [], "after": []}
    for layer in model.roberta.encoder.layer:
        layer.intermediate.dense.register_forward_hook(
            lambda module, ins, out: seen["before"].append(out[0, 0])
        )
        layer.intermediate.register_forward_hook(lambda module, ins, out: seen["after"].append(out[0, 0]))
    with torch.no_grad():
        model(**inputs(model, ready.model.prompt, [0]))
    plain = {name: torch.stack(values).numpy() for name, values in seen.items()}
    before, after = ready.activated_neuron(around_gelu=True)
    np.testing.assert_allclose(before, plain["before"], atol=1e-5)
    np.testing.assert_allclose(after, plain["after"], atol=1e-5)
    assert after.min() > -0.17 > before.min()
    # as in the original: the activations, and which of them are above 0
    activations, fires = ready.activated_neuron()
    np.testing.assert_array_equal(activations, after)
    np.testing.assert_array_equal(fires, np.where(after > 0, 1, 0))
    np.testing.assert_array_equal(ready.activated_neuron(layers=[1])[0], after[[1]])
    with_mask = ready.activated_neuron(probe="mask")[0]
    assert np.abs(with_mask - after).max() > 1e-3
    saved = load_file(ready.out / "activated_neuron.safetensors")
    assert set(saved) == {"pre_gelu", "post_gelu"}
    np.testing.assert_array_equal(saved["post_gelu"], with_mask)
    ready.args.probe = "mask"
    np.testing.assert_array_equal(ready.activated_neuron()[0], with_mask)
    for layers in ([-1], [2], [1, 1], []):
        with pytest.raises(UserError, match=r"layers=\[.*\]: must be different numbers from 0 to 1"):
            ready.activated_neuron(layers=layers)
    with pytest.raises(UserError, match="probe='cls': must be one of s, mask"):
        ready.activated_neuron(probe="cls")


@pytest.mark.filterwarnings("ignore:no searchlight")
def test_without_a_searchlight_the_most_active_neurons_are_masked(ready):
    with pytest.warns(
        UserWarning,
        match=r"no searchlight of .* \(looked for results/live/searchlight.parquet, results/published",
    ):
        results, masks = ready.mask_activated_neuron(draws=3)
    k = 9  # 20 % of 48 neurons, rounded down as in the original
    assert list(masks) == [f"activation/{k}", f"random/{k}/1", f"random/{k}/2", f"random/{k}/3"]
    assert all(
        mask.shape == (LAYERS, WIDTH) and (mask == 0).sum() == k == (mask != 1).sum()
        for mask in masks.values()
    )
    after = ready.activated_neuron()[0]
    assert after[masks[f"activation/{k}"] == 0].min() >= after[masks[f"activation/{k}"] == 1].max()
    assert set(results["ranking"]) == {"activation"}
    assert results["mask"].tolist() == ["unmasked", *masks] and results["kind"].tolist() == [
        "unmasked",
        "attribute",
        *["random"] * 3,
    ]
    assert results["accuracy"][0] == ready.eval_prompt()["accuracy"]
    mean = results["accuracy"][2:].mean()
    assert results["random"][1] == pytest.approx(mean) and results["drop"][1] == pytest.approx(
        mean - results["accuracy"][1]
    )
    assert results[["random", "drop"]].drop(index=1).isna().all(axis=None)
    pd.testing.assert_frame_equal(
        read_csv(ready.out / "masked_accuracy.csv", dtype={"k": "Int64"}), results, check_dtype=False
    )
    saved = load_file(ready.out / "masks.safetensors")
    assert set(saved) == set(masks) and all((saved[name] == mask).all() for name, mask in masks.items())


@pytest.mark.filterwarnings("ignore:no searchlight")
@pytest.mark.parametrize("kind", ["BINARY_MASK", "FLOAT_MASK"])
def test_masked_accuracy_is_that_of_a_plain_forward_pass(ready, kind):
    results, masks = ready.mask_activated_neuron(kind=kind, ratio=0.5, draws=1)
    model, tokenizer = ready.model.backbone.model, tiny_models.tokenizer()
    dev = TABLE[TABLE["split"] == "dev"].reset_index()
    positive = np.flatnonzero(dev["joy"])
    rows = [*positive, *np.random.RandomState(3).choice(len(dev), len(positive))]  # noqa: NPY002
    for name, mask in masks.items():
        handles = [
            layer.intermediate.register_forward_hook(lambda module, ins, out, own=own: out * own)
            for layer, own in zip(model.roberta.encoder.layer, torch.from_numpy(mask), strict=True)
        ]
        right = []
        with torch.no_grad():
            for row in rows:
                no, yes = model(
                    **inputs(model, ready.model.prompt, tokenizer(dev["text"][row])["input_ids"])
                ).logits[0, 0, [5, 6]]
                right.append((yes > no).item() == (dev["joy"][row] == 1))
        for handle in handles:
            handle.remove()
        assert results.loc[results["mask"] == name, "accuracy"].item() == 100 * np.mean(right)
    inside = masks["activation/24"][masks["activation/24"] != 1]
    assert len(inside) == 24 and (
        (inside == 0).all() if kind == "BINARY_MASK" else (inside >= 0).all() and inside.std() > 0.15
    )


@pytest.mark.filterwarnings("ignore:no searchlight")
def test_neurons_can_be_chosen_in_some_layers(ready):
    _, masks = ready.mask_activated_neuron(layers=[1], top_k=7, draws=4)
    assert {name.split("/")[1] for name in masks} == {"7"}
    for mask in masks.values():
        assert (mask[0] == 1).all() and (mask[1] == 0).sum() == 7
    after = ready.activated_neuron(layers=[1])[0][0]
    assert set(np.flatnonzero(masks["activation/7"][1] == 0)) == set(np.argsort(-after)[:7])


def test_random_masks_can_avoid_the_neurons_of_the_attributes_mask(ready, tiny, tmp_path):
    write_searchlight(tmp_path / "results/live", tiny, ["valence", "arousal"])
    results, masks = ready.mask_activated_neuron(top_k=20, draws=3, baseline="disjoint")
    assert list(masks) == [
        *("valence/20", "arousal/20"),
        *(f"random/{attribute}/20/{draw}" for attribute in ("valence", "arousal") for draw in (1, 2, 3)),
    ]
    by_name = results.set_index("mask")
    for attribute in ("valence", "arousal"):
        own = [f"random/{attribute}/20/{draw}" for draw in (1, 2, 3)]
        assert len({masks[name].tobytes() for name in own}) == 3
        for name in own:
            assert (masks[name] == 0).sum() == 20
            assert not ((masks[name] == 0) & (masks[f"{attribute}/20"] == 0)).any()
        mean = by_name.loc[own, "accuracy"].mean()
        assert by_name.loc[f"{attribute}/20", "random"] == pytest.approx(mean)
    with pytest.raises(UserError, match="baseline='disjoint': a mask of 30 neurons leaves only 18 others"):
        ready.mask_activated_neuron(top_k=30, baseline="disjoint")


def write_searchlight(folder, of, attributes, file="searchlight.parquet", shape=(LAYERS, WIDTH)):
    """Write a searchlight of a backbone with random ranks. Return the ranks [neurons, attributes]."""
    neurons = shape[0] * shape[1]
    ranks = np.array([np.random.default_rng(i).permutation(neurons) + 1.0 for i in range(len(attributes))]).T
    long = {"neuron": np.repeat(np.arange(neurons) + 1, len(attributes)), "rank": ranks.ravel()}
    long["attribute"] = pd.Categorical(np.tile(attributes, neurons), categories=attributes)
    write_parquet(pd.DataFrame(long), folder / file)
    write_activations(
        Activations(np.zeros((1, 1, neurons)), (1,), ("joy",), *shape, of), folder / "activations.safetensors"
    )
    return ranks


def test_neurons_ranked_by_a_searchlight_of_this_backbone(ready, tiny, tmp_path):
    ranks = write_searchlight(tmp_path / "results/live", tiny, ["valence", "arousal"])
    results, masks = ready.mask_activated_neuron(top_k=5, draws=2)
    assert results["ranking"].unique().tolist() == ["14Properties"]
    assert results["mask"].tolist() == ["unmasked", "valence/5", "arousal/5", "random/5/1", "random/5/2"]
    for place, attribute in enumerate(("valence", "arousal")):
        np.testing.assert_array_equal(masks[f"{attribute}/5"].ravel() == 0, ranks[:, place] <= 5)
    with pytest.raises(
        UserError, match="no searchlight of .* for the ranking 3Spaces .*searchlight_spaces.parquet"
    ):
        ready.mask_activated_neuron(ranking="3Spaces")
    write_searchlight(tmp_path / "results/live", tiny, ["affective"], "searchlight_spaces.parquet")
    assert "affective/5" in ready.mask_activated_neuron(ranking="3Spaces", top_k=5, draws=1)[1]
    assert "activation/5" in ready.mask_activated_neuron(ranking="activation", top_k=5, draws=1)[1]


def test_a_searchlight_of_another_backbone_is_not_used(ready, tmp_path):
    write_searchlight(tmp_path / "results/live", "another", ["valence"])
    with pytest.raises(UserError, match="no searchlight of .* for the ranking 14Properties"):
        ready.mask_activated_neuron(ranking="14Properties")
    with pytest.warns(UserWarning, match="the most active neurons are masked instead"):
        assert "activation/9" in ready.mask_activated_neuron(draws=1)[1]


def test_another_searchlight_is_named_by_its_folder_or_file(tiny, tmp_path):
    of_its_own = write_searchlight(tmp_path / "mine", tiny, ["valence"])
    write_searchlight(tmp_path / "other", "another", ["valence"])
    for path in (tmp_path / "mine", str(tmp_path / "mine/searchlight.parquet")):
        made = make_trainer(tiny, tmp_path, searchlight=path)
        made.train_prompt()
        np.testing.assert_array_equal(
            made.mask_activated_neuron(top_k=3, draws=1)[1]["valence/3"].ravel() == 0, of_its_own[:, 0] <= 3
        )
    made.searchlight = tmp_path / "other"
    with pytest.raises(UserError, match=r"no searchlight of .*other/searchlight.parquet"):
        made.mask_activated_neuron()


def test_a_searchlight_with_another_number_of_neurons_is_refused(ready, tiny, tmp_path):
    write_searchlight(tmp_path / "results/live", tiny, ["valence"])
    old = write_searchlight(tmp_path / "old", "another", ["valence"], shape=(LAYERS, WIDTH + 1))
    (tmp_path / "old/searchlight.parquet").replace(tmp_path / "results/live/searchlight.parquet")
    with pytest.raises(
        UserError,
        match=f"results/live/searchlight.parquet: ranks {len(old)} neurons, but .* has {LAYERS * WIDTH}",
    ):
        ready.mask_activated_neuron()


def test_roberta_base_is_known_by_both_its_names(tmp_path):
    write_searchlight(tmp_path, "FacebookAI/roberta-base", ["valence"], shape=(3, 4))
    for name, shape, same in (
        ("roberta-base", (3, 4), True),
        ("roberta-base", (4, 3), False),
        ("roberta-large", (3, 4), False),
    ):
        ours = SimpleNamespace(name=name, layers=shape[0], width=shape[1])
        if same:
            assert rank_neurons(ours, "14Properties", tmp_path, None)[0] == "14Properties"
        else:
            with pytest.raises(UserError, match=f"no searchlight of {name}"):
                rank_neurons(ours, "14Properties", tmp_path, None)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"kind": "GREY_MASK"}, "kind='GREY_MASK': must be one of BINARY_MASK, FLOAT_MASK"),
        ({"ranking": "2Spaces"}, "ranking='2Spaces': must be one of 14Properties, 3Spaces, activation"),
        ({"top_k": 49}, "top_k=49: a mask of 49 neurons, but there are 48"),
        ({"ratio": 0.001}, "ratio=0.001: a mask of 0 neurons"),
        ({"baseline": "matched"}, "baseline='matched': must be one of uniform, disjoint"),
        ({"layers": [1], "ratio": 1.1}, "ratio=1.1: a mask of 26 neurons, but there are 24"),
        ({"draws": 0}, "draws=0: must be at least 1"),
    ],
)
@pytest.mark.filterwarnings("ignore:no searchlight")
def test_impossible_masks_are_refused(ready, wrong, message):
    with pytest.raises(UserError, match=re.escape(message)):
        ready.mask_activated_neuron(**wrong)


def test_the_picture_shows_the_activations(ready):
    figure, path = ready.plot_neuron(), ready.out / "neurons.png"
    titles = [ax.get_title() for ax in figure.axes[:2]]
    assert titles == ["joy, seed 3: before GELU", "joy, seed 3: after GELU"]
    first = matplotlib.image.imread(path)
    assert min(first.shape[:2]) > 200 and first[..., :3].std() > 0.1
    ready.model.set_prompt(ready.model.prompt.flip(0))
    ready.plot_neuron()
    assert (matplotlib.image.imread(path) != first).any()


def test_learning_curve_and_metrics_are_saved(ready, capsys):
    ready.save_state()
    curve = read_csv(ready.out / "learning_curve.csv")
    assert curve["epoch"].tolist() == [1, 2]
    assert curve["dev_accuracy"].max() == pytest.approx(ready.eval_prompt()["accuracy"])
    ready.save_metrics("eval", {"accuracy": np.float64(0.75), "n": 4})
    assert json.loads((ready.out / "eval_results.json").read_text()) == {"accuracy": 0.75, "n": 4}
    ready.log_metrics("eval", {"accuracy": np.float32(0.75)})
    assert capsys.readouterr().out == 'eval {"accuracy": 0.75}\n'


def test_a_prompt_can_start_as_copies_of_the_mask_token(tiny, tmp_path):
    args = ModelEmotionArguments(
        output_dir=str(tmp_path), backbone=tiny, **SETTINGS | {"learning_rate": 0.0, "num_train_epochs": 1}
    )
    model = RobertaForMaskedLMPrompt.from_pretrained(tiny, PROMPT_LEN, num_labels=2, prompt_init="mask")
    ModelEmotionTrainer(args=args, model=model, data=TABLE).train_prompt()
    expected = model.backbone.model.get_input_embeddings().weight[4]
    assert torch.equal(model.prompt, expected.expand(PROMPT_LEN, -1))
    with pytest.raises(UserError, match="prompt_init='zeros': must be one of normal, mask"):
        RobertaForMaskedLMPrompt.from_pretrained(tiny, PROMPT_LEN, prompt_init="zeros")


def test_init_ids_have_no_effect_as_in_the_original_and_a_warning_says_so(tiny, tmp_path):
    args = ModelEmotionArguments(
        output_dir=str(tmp_path), backbone=tiny, **SETTINGS | {"learning_rate": 0.0, "num_train_epochs": 1}
    )
    prompts = []
    for ids in (None, [4] * PROMPT_LEN):
        with nullcontext() if ids is None else pytest.warns(UserWarning, match="init_ids: has no effect"):
            model = RobertaForMaskedLMPrompt.from_pretrained(tiny, PROMPT_LEN, init_ids=ids)
        ModelEmotionTrainer(args=args, model=model, data=TABLE).train_prompt()
        prompts.append(model.prompt)
    assert torch.equal(*prompts)
    with pytest.raises(UserError, match="init_ids: has 1 ids, but prompt_len is 4"):
        RobertaForMaskedLMPrompt.from_pretrained(tiny, PROMPT_LEN, init_ids=torch.tensor([4]))


@pytest.mark.parametrize("headless", [False, True])
def test_the_model_is_a_module_that_can_be_saved_and_loaded(tmp_path, headless):
    encoder = tiny_models.model("roberta", num_hidden_layers=LAYERS, hidden_size=32)
    (encoder.base_model if headless else encoder).save_pretrained(tmp_path / "tiny")
    tiny_models.tokenizer().save_pretrained(tmp_path / "tiny")
    model = RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "tiny"), PROMPT_LEN)
    assert isinstance(model, torch.nn.Module) and model.config.num_hidden_layers == LAYERS
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert "prompt" not in model.state_dict()
    model.set_prompt(torch.randn(PROMPT_LEN, 32))
    assert "prompt" in dict(model.named_parameters()) and model.to("cpu") is model
    model.save_pretrained(tmp_path / "saved")
    again = RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "saved"), PROMPT_LEN)
    assert again.backbone.readout.name == model.backbone.readout.name
    ids = torch.tensor([[0, 10, 2]])
    logits = [Engine(own.backbone).logits(own.prompt[None], None, ids) for own in (model, again)]
    torch.testing.assert_close(*logits, atol=1e-6, rtol=0)
    fresh = RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "tiny"), PROMPT_LEN)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.prompt, model.prompt)
    write_tensors({"prompts": np.zeros((1, 4, 32), np.float32)}, tmp_path / "saved/prompt.safetensors", {})
    with pytest.raises(UserError, match="saved/prompt.safetensors: has no tensor `prompt`"):
        RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "saved"), PROMPT_LEN)
    with pytest.raises(UserError, match=r"prompt: its shape is \[3, 32\], but the model takes \[4, 32\]"):
        model.set_prompt(torch.zeros(3, 32))


def test_the_default_backbones_tokenizer_is_found_by_its_name():
    tokenizer = AutoTokenizer.from_pretrained(
        "sentence-transformers/all-MiniLM-L6-v2", max_length=128, use_fast=False
    )
    assert tokenizer("I am happy")["input_ids"] == [101, 1045, 2572, 3407, 102]
    with pytest.raises(BackboneError, match="no-such/model: no weights found"):
        AutoTokenizer.from_pretrained("no-such/model")


def test_a_decoder_only_model_is_one_clear_error(tmp_path):
    config = transformers.GPT2Config(
        vocab_size=19, n_positions=40, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=2
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tiny_models.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(
        BackboneError, match="gpt2 is a decoder-only model, and this project measures masked encoders"
    ) as error:
        RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path))
    assert "\n" not in str(error.value)


def test_inputs_that_do_not_fit_together_are_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="num_labels=3"):
        RobertaForMaskedLMPrompt.from_pretrained(tiny, num_labels=3)
    model = RobertaForMaskedLMPrompt.from_pretrained(tiny, PROMPT_LEN)

    def attempt(data=TABLE, tokenizer=None, **settings):
        args = ModelEmotionArguments(output_dir="out", **{"backbone": tiny} | SETTINGS | settings)
        return ModelEmotionTrainer(args, model, tokenizer, data=data)

    with pytest.raises(UserError, match="prompt_len=5, but the model's is 4"):
        attempt(prompt_len=5)
    with pytest.raises(UserError, match="backbone='roberta-base', but the model's is"):
        attempt(backbone="roberta-base")
    with pytest.raises(
        UserError, match="max_source_length=36: beside a prompt of 4 vectors .* has room for 35 tokens"
    ):
        attempt(max_source_length=36)
    with pytest.raises(UserError, match="tokenizer: its vocabulary is not that of"):
        attempt(tokenizer=AutoTokenizer.from_pretrained("sentence-transformers/all-MiniLM-L6-v2"))
    with pytest.raises(UserError, match="data/goemotions.parquet: not found; `dvc repro goemotions`"):
        attempt(data=DATA)
    with pytest.raises(UserError, match="data: no column 'text' among its 2"):
        attempt(data=TABLE[["split", "joy"]])
    with pytest.raises(UserError, match="sentiment: 'hapiness' is no column of data; its labels are"):
        attempt(sentiment="hapiness")
    for method in ("eval_prompt", "activated_neuron", "mask_activated_neuron", "plot_neuron"):
        with pytest.raises(UserError, match="no prompt yet: call train_prompt"):
            getattr(attempt(), method)()


@pytest.mark.parametrize("column, values, message", [
    ("joy", {3: None}, "data: data row 4, column 'joy': is not 0 or 1"),
    ("joy", {3: "yes"}, "data: data row 4, column 'joy': is not 0 or 1"),
    ("text", {3: None}, "data: data row 4, column 'text': is not a text; pandas reads texts such as 'null'"),
    ("text", {3: 3.5}, "data: data row 4, column 'text': is not a text"),
    ("split", {3: "validation"}, "data: data row 4, column 'split': is not train, dev or test"),
])  # fmt: skip
def test_a_table_with_a_missing_cell_is_refused(tiny, tmp_path, column, values, message):
    """A missing label was taken for `no`."""
    spoilt = TABLE.astype({column: object}).reset_index(drop=True)
    spoilt.loc[list(values), column] = list(values.values())
    with pytest.raises(UserError, match=re.escape(message)):
        make_trainer(tiny, tmp_path, data=spoilt)


def test_a_csv_file_gives_what_the_same_parquet_file_gives(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    capital = TABLE.rename(columns={"joy": "Joy"})
    capital.to_csv("texts.csv", index=False)
    capital.to_parquet("texts.parquet")
    one, other = (
        make_trainer(tiny, tmp_path, data=f"texts.{kind}", sentiment="Joy") for kind in ("csv", "parquet")
    )
    assert one.train_prompt().metrics["dev_accuracy"] == other.train_prompt().metrics["dev_accuracy"]
    torch.testing.assert_close(one.model.prompt, other.model.prompt, rtol=0, atol=0)
    assert (tmp_path / "out/Joy-3.safetensors").is_file()
    assert make_trainer(tiny, tmp_path, sentiment="Joy").sentiment == "joy"  # as in the original


def test_a_loss_that_is_not_finite_is_an_error(tiny, tmp_path):
    with pytest.raises(UserError, match="joy, seed 3: .*not "):
        make_trainer(tiny, tmp_path, learning_rate=1e38).train_prompt()


@pytest.fixture
def command(ready, tmp_path):
    """The command line for the trainer's files, as a function whose keywords replace options."""
    write_parquet(TABLE, tmp_path / "toy.parquet")
    usual = {
        "sentiment": "joy",
        "random_seed": 3,
        "promptPath": "out/joy-3.safetensors",
        "maskPath": "out/masks.safetensors",
        "resultPath": "results.csv",
        "data": "toy.parquet",
        "max_source_length": 12,
    }

    def run(**settings):
        chosen = usual | settings
        return [f"--{name}={value}" for name, value in chosen.items() if value is not None]

    return run


@pytest.mark.filterwarnings("ignore:no searchlight")
def test_the_command_gives_what_the_trainer_gave(ready, command, tmp_path):
    expected, _ = ready.mask_activated_neuron(draws=2)
    call = [sys.executable, "-m", "model_emotion.toolkit", *command()]
    done = subprocess.run(
        call, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    results = read_csv("results.csv")
    assert list(results) == ["mask", "accuracy", "n"]
    pd.testing.assert_frame_equal(
        results.set_index("mask"), expected.set_index("mask").loc[results["mask"], ["accuracy", "n"]]
    )
    assert len(results) == len(expected)


def test_the_command_accepts_a_runs_prompts_and_any_masks(ready, command):
    own = ready.model.prompt.numpy()
    write_tensors(
        {"prompts": np.stack([own * 0, own])}, "live.safetensors", {"emotion": "joy", "seeds": [1, 3]}
    )
    nothing = {"ones": np.ones((LAYERS, WIDTH), np.float32), "none": np.zeros((LAYERS, WIDTH), np.uint8)}
    write_tensors(nothing, "masks.safetensors", {})
    main(command(promptPath="live.safetensors", maskPath="masks.safetensors", backbone=ready.args.backbone))
    results = read_csv("results.csv").set_index("mask")
    assert list(results.index)[0] == "unmasked" and set(results.index) == {"unmasked", "ones", "none"}
    assert results["accuracy"]["ones"] == results["accuracy"]["unmasked"] == ready.eval_prompt()["accuracy"]
    main(
        command(
            promptPath="live.safetensors",
            maskPath="masks.safetensors",
            backbone=ready.args.backbone,
            examples=10,
        )
    )
    assert set(read_csv("results.csv")["n"]) == {10}


@pytest.mark.filterwarnings("ignore:no searchlight")
@pytest.mark.parametrize(
    "settings, message",
    [
        (
            {"maskPath": "wide.safetensors"},
            "wide.safetensors: mask 'joy/3' is [2, 23], but .* has [2, 24] neurons (layers, width)",
        ),
        ({"maskPath": "empty.safetensors"}, "empty.safetensors: holds no mask"),
        ({"maskPath": "there.is.none"}, "there.is.none: not found; it should hold masks"),
        (
            {"maskPath": "masks.pkl"},
            "masks.pkl: masks are read only from safetensors, since pickles (.pkl, .pt) can run code",
        ),
        ({"promptPath": "masks.pkl"}, "masks.pkl: prompts are read only from safetensors"),
        ({"promptPath": "out/masks.safetensors"}, "out/masks.safetensors: has no tensor `prompts`"),
        (
            {"promptPath": "narrow.safetensors"},
            "narrow.safetensors: its prompts are vectors of 31, but .* takes 32",
        ),
        ({"promptPath": None}, "outputs/joy-3.safetensors: not found"),
        ({"sentiment": "anger"}, "joy-3.safetensors: its prompts are for joy, not anger"),
        ({"random_seed": 5}, "joy-3.safetensors: has the seeds 3, not 5"),
        ({"backbone": "roberta-base"}, "its prompts are for .*, not roberta-base"),
        ({"data": "none.parquet"}, "data: none.parquet: not found"),
        ({"split": "exam"}, "'exam' is not one of train, dev"),
    ],
)
def test_the_command_reports_what_is_wrong(ready, command, settings, message):
    ready.mask_activated_neuron(draws=1)
    write_tensors({"joy/3": np.ones((LAYERS, WIDTH - 1), np.uint8)}, "wide.safetensors", {})
    write_tensors({}, "empty.safetensors", {})
    Path("masks.pkl").write_bytes(pickle.dumps({"joy/3": np.ones((LAYERS, WIDTH))}))
    about = {"emotion": "joy", "seeds": [3], "backbone": ready.args.backbone}
    write_tensors({"prompts": np.zeros((1, PROMPT_LEN, 31), np.float32)}, "narrow.safetensors", about)
    with pytest.raises(SystemExit) as exit_:
        stage.run(lambda: main(command(**settings)))
    said = str(exit_.value)
    assert (
        re.search(".*".join(map(re.escape, message.split(".*"))), said)
        and said.startswith("error: ")
        and "\n" not in said
    )
    assert not Path("results.csv").exists()
