"""The run `live` from texts to drops, on synthetic data and a tiny model: results, caching, failures."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd
import psutil
import pytest
import tiny_models
import torch
from apart import Apart
from scipy import stats
from worlds import EMOTIONS, MEASURE, found, run

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_tensors
from model_emotion.base.results import read_activations
from model_emotion.live import cache
from model_emotion.live import prompts as live_prompts
from model_emotion.live.executor import map_emotions
from model_emotion.live.processes import sigint_blocked
from model_emotion.live.session import load_corpus, load_engine
from model_emotion.masking import mask_plan
from model_emotion.masking.masks import MaskName
from model_emotion.model.checkpoint import resolved
from model_emotion.params import load_params
from model_emotion.rsa import rdm
from stages import activations, drops, evaluation, prompts, targets
from stages import mask_plan as mask_plan_stage

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_chain_measures_what_a_plain_loop_measures(measured, monkeypatch):
    run(monkeypatch, drops)
    params, planned = load_params(), mask_plan.read("live")
    assert [(size.k, size.draws) for size in planned.sizes] == [(18, 4), (5, 1)]
    engine = load_engine(params.backbone, "zero")
    model = engine.backbone.model
    tuned = {
        emotion: torch.from_numpy(read_tensors(f"results/live/prompts/{emotion}.safetensors")[0]["prompts"])
        for emotion in EMOTIONS
    }

    def plain(prompt, text):
        inputs = tiny_models.embedded(model, prompt, text)
        return model(inputs_embeds=inputs, position_ids=torch.arange(inputs.shape[1])[None])

    recorded, seen = read_activations("results/live/activations.safetensors"), []
    assert (
        recorded.values.shape == (2, 5, 72)
        and recorded.values.dtype == np.float32
        and recorded.backbone == "tiny"
    )
    layers = model.roberta.encoder.layer
    hooks = [
        layer.output.dense.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0, 0]))
        for layer in layers
    ]
    with torch.no_grad():
        plain(tuned["anger"][1], [0])
    np.testing.assert_allclose(recorded.values[1, 2], torch.cat(seen), atol=1e-5)
    for hook in hooks:
        hook.remove()

    accuracy, masked = read_csv("results/live/accuracy.csv"), read_csv("results/live/masked_accuracy.csv")
    assert len(accuracy) == 10 and len(masked) == 10 * (14 * 2 + 5 + 2)
    corpus = load_corpus(engine, 3, 256)
    alone, under = (corpus.task("anger", "dev", 3, examples=n) for n in (20, 12))
    row = accuracy[(accuracy["emotion"] == "anger") & (accuracy["seed"] == 3)].iloc[0]
    assert row["n"] == 20 and row["majority"] == alone.majority
    kept = read_tensors("results/live/masks.safetensors")[0]
    for name, task in (
        ("", alone),
        ("valence/18", under),
        ("random/18/2", under),
        ("permuted/valence/18/2", under),
    ):
        weights = [layer.output.dense.weight.clone() for layer in layers]
        if name:
            for layer, off in zip(layers, kept[name] == 0, strict=True):
                layer.output.dense.weight[:, torch.from_numpy(off)] = 0
            about = MaskName.parse(name)
            of = (
                (masked["attribute"].fillna("") == about.attribute)
                & (masked["k"] == 18)
                & (masked["kind"] == about.kind)
            )
            of &= (
                (masked["emotion"] == "anger")
                & (masked["seed"] == 3)
                & (masked["draw"].isna() | (masked["draw"] == about.draw))
            )
            row = masked[of].iloc[0]
        examples = corpus.examples(task, "dev")
        with torch.no_grad():
            logits = torch.stack(
                [plain(tuned["anger"][1], text).logits[0, 0, [5, 6]] for text in examples.texts]
            )
        right = (logits[:, 1] > logits[:, 0]).numpy() == (examples.labels == 1)
        assert row["accuracy"] == right.mean() and row["n"] == len(right), name
        for layer, weight in zip(layers, weights, strict=True):
            layer.output.dense.weight.data = weight
    by_attribute = read_csv("results/live/drop_by_attribute.csv")
    assert list(by_attribute["attribute"][::2]) == list(study.ATTRIBUTES) and list(by_attribute["k"][:2]) == [
        18,
        5,
    ]
    assert set(by_attribute["share"]) == {18 / 72, 5 / 72}


def test_cross_fitted_masks_are_chosen_by_some_seeds_and_met_by_the_others(measured, monkeypatch):
    every, table = (
        read_csv("results/live/masked_accuracy.csv"),
        pd.read_parquet("results/live/searchlight.parquet"),
    )
    measured("masks.ranking_seeds", [3])
    run(monkeypatch, *MEASURE, drops)
    taus = pd.read_parquet("results/live/searchlight.parquet")
    values = read_activations("results/live/activations.safetensors").values[1].astype(float)  # of seed 3
    human = rdm.select(read_csv("results/human/attribute_rdms.csv"), EMOTIONS)["valence"]
    pairs = np.triu_indices(5, 1)
    distances = np.abs(values[pairs[0]] - values[pairs[1]]).T
    expected = [stats.kendalltau(of, human).statistic for of in distances]
    np.testing.assert_allclose(taus[taus["attribute"] == "valence"]["tau"], expected, atol=1e-9)
    assert not np.allclose(taus["tau"], table["tau"])
    asked = read_csv("results/live/masked_accuracy.csv")
    assert set(asked["seed"]) == {1} and set(read_csv("results/live/accuracy.csv")["seed"]) == {1, 3}
    random = [
        frame[(frame["kind"] == "random") & (frame["seed"] == 1)].reset_index(drop=True)
        for frame in (asked, every)
    ]
    pd.testing.assert_frame_equal(*random)  # random masks are nobody's choice


def test_what_is_done_stays_done(measured, monkeypatch):
    first = {path: path.stat().st_mtime_ns for path in Path("results/live").rglob("*/*.safetensors")}
    assert len(first) == 10
    measured("protocol.accuracy", "mean_of_batches", "emotions", EMOTIONS[:4])
    run(monkeypatch, prompts, evaluation)  # not the masks: without an emotion others are best
    again = {path: path.stat().st_mtime_ns for path in Path("results/live").rglob("*/*.safetensors")}
    assert set(again.values()) <= set(first.values()) and {path.stem for path in again} == set(EMOTIONS[:4])
    assert {path.name for path in Path("results/live/learning_curves").iterdir()} == {"1.csv", "3.csv"}
    Path("results/live/prompts/joy.safetensors").write_bytes(
        Path("results/live/prompts/joy.safetensors").read_bytes()[:-7]
    )
    measured("evaluation.examples", 11)
    run(monkeypatch, prompts, evaluation)
    anew = {path for path in again if path.stat().st_mtime_ns != again[path]}
    evaluated = {("correct", f"{name}.safetensors") for name in EMOTIONS[:4]}
    assert {path.parts[-2:] for path in anew} == {("prompts", "joy.safetensors")} | evaluated
    shutil.rmtree("results/live/prompts")  # as DVC does where an experiment ends badly
    monkeypatch.setattr(live_prompts, "map_emotions", None)
    run(monkeypatch, prompts)
    curve = read_csv("results/live/learning_curves/3.csv")
    assert list(curve.columns) == ["epoch", "train_loss", "dev_accuracy", *EMOTIONS[:4]] and list(
        curve["epoch"]
    ) == [1, 2]
    np.testing.assert_allclose(curve["dev_accuracy"], curve[EMOTIONS[:4]].mean(axis=1), rtol=1e-12)


def test_an_emotion_that_is_missing_in_its_group_comes_out_the_same(world, monkeypatch):
    world("training.batch", 2, "training.examples", 10)
    assert list(live_prompts.groups_of(load_params())) == ["joy+anger+grief", "fear+love"]
    run(monkeypatch, mask_plan_stage, prompts)
    whole, folder = found(), Path("results/live/prompts")
    for path in (folder / "anger.safetensors", next(cache.KEPT.glob("prompts-anger-*"))):
        path.unlink()
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    trained, plain = [], live_prompts.tune_together
    monkeypatch.setattr(
        live_prompts,
        "tune_together",
        lambda engine, tasks, *rest: trained.append(list(tasks)) or plain(engine, tasks, *rest),
    )
    run(monkeypatch, prompts)
    assert trained == [["joy", "anger", "grief"]] and found() == whole
    assert {path: path.stat().st_mtime_ns for path in before} == before
    world("emotions", EMOTIONS[:4])  # another group: what is rounded in it may differ
    run(monkeypatch, prompts)
    assert trained[1:] == [["joy", "anger"]]


@pytest.mark.parametrize("stage", ["prompts", "evaluation"])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(world, monkeypatch, stage):
    world("training.batch", 2, "training.examples", 10)  # small enough that emotions are trained in groups
    run(monkeypatch, *MEASURE)
    whole = found()
    folder = Path("results/live", {"prompts": "prompts", "evaluation": "correct"}[stage])
    shutil.rmtree(folder)
    shutil.rmtree(cache.KEPT)
    killed = Apart(f"stages.{stage}")
    while killed.poll() is None and not list(folder.glob("*.safetensors")):
        time.sleep(0.001)
    killed.kill()
    killed.wait()
    assert 1 <= len(list(folder.glob("*.safetensors"))) < len(EMOTIONS)
    again = Apart(f"stages.{stage}")
    assert again.wait() == 0, again.said()
    assert found() == whole


def test_an_interrupt_that_another_thread_takes_waits_until_the_workers_have_started():
    done, inside = [], Event()

    def interrupt():
        inside.wait()
        signal.raise_signal(signal.SIGINT)

    other = Thread(target=interrupt)
    other.start()  # before the block: it does not block the signal
    with pytest.raises(KeyboardInterrupt), sigint_blocked():
        inside.set()
        other.join()
        time.sleep(0.05)
        done.append("started")
    assert done == ["started"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    "when", ["start", "work"]
)  # workers are being started, or one has finished an emotion
def test_an_interrupted_run_says_so_in_one_line_and_leaves_nobody_behind(world, when):
    world("training.examples", 1000, "executor.workers", 2)
    mask_plan_stage.main()
    stopped = Apart("stages.prompts", session=True)
    parent = psutil.Process(stopped.pid)
    while (
        stopped.poll() is None
        and len(workers := [child for child in parent.children() if "spawn_main" in str(child.cmdline())]) < 2
    ):
        time.sleep(0.01)
    while (
        when == "work"
        and stopped.poll() is None
        and not list(Path("results/live/prompts").glob("*.safetensors"))
    ):
        time.sleep(0.01)
    os.killpg(stopped.pid, signal.SIGINT)
    said = stopped.said(timeout=10)
    assert stopped.returncode == 130 and "Traceback" not in said
    last = ["stopped", "Run the same command again: finished emotions are kept."]
    assert said.strip().splitlines()[-2:] == last
    gone, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert len(list(Path("results/live/prompts").glob("*.safetensors"))) < len(EMOTIONS)


@pytest.mark.parametrize(
    "changes",
    [
        ("masks.ranking", "spaces", "masks.kind", "float"),
        ("masks.ranking", "activation", "protocol.split", "test", "seeds", [1]),
        (
            "masks.baseline",
            "layer_matched",
            "protocol.negatives",
            "balanced_true_negatives",
            "activation.point",
            "sign",
        ),
        (
            "protocol.positions",
            "native",
            "protocol.probe",
            "mask",
            "protocol.prompt_init",
            "mask",
            "activation.point",
            "pre_gelu",
        ),
    ],
)
def test_every_other_way_runs_through(measured, monkeypatch, changes):
    measured(*changes)
    run(monkeypatch, *MEASURE, drops)
    masked = read_csv("results/live/masked_accuracy.csv")
    named = set(masked.loc[masked["kind"] == "attribute", "attribute"])
    assert named == {"spaces": set(study.SPACES), "activation": {"activation"}}.get(
        changes[1], set(study.ATTRIBUTES)
    )
    own_draws = masked.loc[masked["kind"] == "random", "attribute"].notna()
    assert own_draws.all() if "layer_matched" in changes else not own_draws.any()


def test_workers_change_nothing(world, monkeypatch):
    world("training.batch", 2, "training.examples", 10)
    run(monkeypatch, *MEASURE)
    alone = found()
    for folder in ("results/live/prompts", "results/live/correct", cache.KEPT):
        shutil.rmtree(folder)
    world("executor.workers", 2)
    for stage in ("prompts", "evaluation"):
        ran = Apart(f"stages.{stage}")
        assert ran.wait() == 0, ran.said()
    assert found() == alone


def test_workers_end_when_what_started_them_is_killed(world):
    world("executor.workers", 2, "training.examples", 400_000)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = subprocess.Popen([sys.executable, "-m", "stages.prompts"], env=environment, **silent)
    family = []
    while (
        started.poll() is None and len(family) < 3
    ):  # a process that keeps track of resources, and two workers
        family = psutil.Process(started.pid).children(recursive=True)
        time.sleep(0.05)
    started.kill()
    started.wait()
    assert len(family) == 3 and psutil.wait_procs(family, timeout=60)[1] == []


def killed_worker(params):
    """Stand for a worker that the system kills because memory ran out."""
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_line_that_says_what_to_do(world):
    with pytest.raises(UserError, match="one of 2 worker processes was killed.*set executor.workers"):
        list(map_emotions(killed_worker, load_params(), EMOTIONS, 2, []))


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
    assert not Path("results/live/prompts").exists() and not cache.KEPT.exists()


def test_layers_and_width_come_from_the_models_configuration(world, monkeypatch):
    given = load_params()
    world("backbone.layers", None, "backbone.width", None)
    assert resolved(load_params()).backbone == given.backbone
    run(monkeypatch, mask_plan_stage)
    assert mask_plan.read("live").layers == 3 and mask_plan.read("live").width == 24
    world("top_k", [73])
    with pytest.raises(UserError, match=r"^params.yaml: top_k\[0\]: 73 is more than the 72 neurons of tiny"):
        run(monkeypatch, mask_plan_stage)


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
    assert not Path("results/live/prompts").exists() and not cache.KEPT.exists()


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
