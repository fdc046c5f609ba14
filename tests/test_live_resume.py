"""The run `live`, stopped, killed or repeated: what is done stays done, and the bytes are the same."""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import apart
import numpy as np
import psutil
import pytest
from apart import Apart
from worlds import EMOTIONS, MEASURE, found, run

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.base.processor import starting
from model_emotion.live import cache, executor
from model_emotion.live import prompts as live_prompts
from model_emotion.live.executor import map_emotions
from model_emotion.live.processes import sigint_blocked
from model_emotion.params import load_params
from stages import evaluation, prompts
from stages import mask_plan as mask_plan_stage

pytestmark = pytest.mark.usefixtures("one_thread")


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
    for path in (folder / "anger.safetensors", next(cache.FINISHED.glob("prompts-anger-*"))):
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
    shutil.rmtree(cache.FINISHED)
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


def workers_of(started):
    """The worker processes of a stage: the children of its one child that has children (on Linux)."""
    with suppress(psutil.NoSuchProcess):
        return [worker for child in psutil.Process(started.pid).children() for worker in child.children()]
    return []


@pytest.mark.parametrize(
    "when", ["start", "work"]
)  # workers are being started, or one has finished an emotion
def test_an_interrupted_run_says_so_in_one_line_and_leaves_nobody_behind(world, when):
    world("training.examples", 1000, "executor.workers", 2)
    mask_plan_stage.main()
    stopped = Apart("stages.prompts", session=True)
    workers = []
    while stopped.poll() is None and len(workers) < 2:
        workers = workers_of(stopped)
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


def test_workers_change_nothing(world, monkeypatch):
    world("training.batch", 2, "training.examples", 10)
    run(monkeypatch, *MEASURE)
    alone = found()
    for folder in ("results/live/prompts", "results/live/correct", cache.FINISHED):
        shutil.rmtree(folder)
    world("executor.workers", 2)
    for stage in ("prompts", "evaluation"):
        ran = Apart(f"stages.{stage}")
        assert ran.wait() == 0, ran.said()
    assert found() == alone


def test_workers_end_when_what_started_them_is_killed(world):
    world("executor.workers", 2, "training.examples", 400_000)
    started = Apart("stages.prompts")
    while started.poll() is None and len(workers_of(started)) < 2:
        time.sleep(0.05)
    family = psutil.Process(started.pid).children(recursive=True)
    started.kill()
    started.wait()
    # A process that keeps track of resources, the one from which workers are forked, and two workers.
    assert len(family) == 4 and psutil.wait_procs(family, timeout=60)[1] == []


def test_a_killed_worker_is_one_line_that_says_what_to_do(world):
    with pytest.raises(UserError, match="one of 2 worker processes was killed.*set executor.workers"):
        list(map_emotions(apart.killed, load_params(), EMOTIONS, 2, []))


@pytest.mark.parametrize("system, method", [("linux", "forkserver"), ("darwin", "spawn")])
def test_workers_are_forked_on_linux_and_start_anew_elsewhere(world, monkeypatch, system, method):
    with monkeypatch.context() as patch:  # what starts processes must know the system that it runs on
        patch.setattr(sys, "platform", system)
        context = starting("apart")
    assert context.get_start_method() == method
    monkeypatch.setattr(executor, "starting", lambda module: context)
    found = dict(map_emotions(apart.shouting, load_params(), EMOTIONS, 2, []))
    assert found == {emotion: emotion.upper() for emotion in EMOTIONS}
