"""The toolkit's trainer: the example in the docs, training, and evaluation."""

import json
import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from safetensors.numpy import load_file
from sklearn.metrics import accuracy_score
from toys import LAYERS, PROMPT_LEN, SETTINGS, TABLE, WIDTH, inputs, make_trainer
from transformers import EvalPrediction

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.model import backbone, training, tuning
from model_emotion.model.engine import Engine
from model_emotion.model.tasks import Corpus
from model_emotion.toolkit import arguments, trainer
from model_emotion.toolkit.arguments import ModelEmotionArguments
from model_emotion.toolkit.model import RobertaForMaskedLMPrompt
from model_emotion.toolkit.trainer import ModelEmotionTrainer

pytestmark = pytest.mark.usefixtures("one_thread")


ROOT = Path(__file__).parents[1]


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


def test_training_equals_tune_with_the_same_settings(tiny_roberta, tmp_path):
    made = make_trainer(tiny_roberta, tmp_path)
    result = made.train_prompt()
    engine = Engine(backbone.load(tiny_roberta))
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
def test_an_argument_reaches_the_recipe(tiny_roberta, tmp_path, monkeypatch, argument, value, key):
    monkeypatch.setattr(
        trainer,
        "tune",
        lambda engine, emotion, seeds, train, dev, recipe, progress: exec(
            "raise Stop", {"Stop": Stop(recipe)}
        ),
    )
    with pytest.raises(Stop) as stopped:
        make_trainer(tiny_roberta, tmp_path, **{argument: value}).train_prompt()
    recipe = stopped.value.args[0]
    assert getattr(recipe, key or argument) == value


class Stop(Exception):
    """Carries what a function was called with."""


def test_seed_and_examples_draw_the_task(tiny_roberta, tmp_path):
    labels = []
    for settings in ({"seed": 3}, {"seed": 5}, {"seed": 5, "examples": 20}):
        made = make_trainer(
            tiny_roberta,
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


def test_bf16_the_cpu_and_the_progress_bar_are_honoured(tiny_roberta, tmp_path, capsys):
    made = make_trainer(tiny_roberta, tmp_path, bf16=True, num_train_epochs=1)
    assert made.engine.precision == "bf16" and made.engine.device.type == "cpu"
    made.train_prompt()
    assert capsys.readouterr().err == ""
    make_trainer(tiny_roberta, tmp_path, disable_tqdm=False, num_train_epochs=1).train_prompt()
    assert "100%" in capsys.readouterr().err


def test_version_2_trains_as_the_original_did(tiny_roberta, tmp_path):
    args = ModelEmotionArguments.version2(output_dir="out", seed=7)
    assert (args.learning_rate, args.num_train_epochs, args.seed) == (5e-5, 3, 7)
    assert ModelEmotionArguments.version2(output_dir="out", learning_rate=0.1).learning_rate == 0.1
    own = {name: value for name, value in arguments.VERSION_2.items() if name != "learning_rate"}
    made = make_trainer(tiny_roberta, tmp_path, **own)
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


def test_learning_curve_and_metrics_are_saved(ready, capsys):
    ready.save_state()
    curve = read_csv(ready.out / "learning_curve.csv")
    assert curve["epoch"].tolist() == [1, 2]
    assert curve["dev_accuracy"].max() == pytest.approx(ready.eval_prompt()["accuracy"])
    ready.save_metrics("eval", {"accuracy": np.float64(0.75), "n": 4})
    assert json.loads((ready.out / "eval_results.json").read_text()) == {"accuracy": 0.75, "n": 4}
    ready.log_metrics("eval", {"accuracy": np.float32(0.75)})
    assert capsys.readouterr().out == 'eval {"accuracy": 0.75}\n'


def untrained(backbone, folder, **options):
    """Return a model whose prompt is as it began: it was trained with a learning rate of 0."""
    model = RobertaForMaskedLMPrompt.from_pretrained(backbone, PROMPT_LEN, **options)
    settings = SETTINGS | {"learning_rate": 0.0, "num_train_epochs": 1}
    args = ModelEmotionArguments(output_dir=str(folder), backbone=backbone, **settings)
    ModelEmotionTrainer(args=args, model=model, data=TABLE).train_prompt()
    return model


def test_a_prompt_can_start_as_copies_of_the_mask_token(tiny_roberta, tmp_path):
    model = untrained(tiny_roberta, tmp_path, num_labels=2, prompt_init="mask")
    expected = model.backbone.model.get_input_embeddings().weight[4]
    assert torch.equal(model.prompt, expected.expand(PROMPT_LEN, -1))
    with pytest.raises(UserError, match="prompt_init='zeros': must be one of normal, mask"):
        RobertaForMaskedLMPrompt.from_pretrained(tiny_roberta, PROMPT_LEN, prompt_init="zeros")


def test_init_ids_have_no_effect_as_in_the_original_and_a_warning_says_so(tiny_roberta, tmp_path):
    prompts = []
    for ids in (None, [4] * PROMPT_LEN):
        with nullcontext() if ids is None else pytest.warns(UserWarning, match="init_ids: has no effect"):
            prompts.append(untrained(tiny_roberta, tmp_path, init_ids=ids).prompt)
    assert torch.equal(*prompts)
    with pytest.raises(UserError, match="init_ids: has 1 ids, but prompt_len is 4"):
        RobertaForMaskedLMPrompt.from_pretrained(tiny_roberta, PROMPT_LEN, init_ids=torch.tensor([4]))


def test_a_loss_that_is_not_finite_is_an_error(tiny_roberta, tmp_path):
    with pytest.raises(UserError, match="joy, seed 3: .*not "):
        make_trainer(tiny_roberta, tmp_path, learning_rate=1e38).train_prompt()
