"""Measure on a Dask cluster, whose workers are killed in the middle or differ from what they should be."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
from apart import Apart
from clusters import ENVIRONMENT, Cluster, until
from worlds import EMOTIONS, found, run

from model_emotion.base.errors import UserError
from model_emotion.live import activations as live_activations
from model_emotion.live import cache, dask, executor
from model_emotion.live import evaluation as live_evaluation
from model_emotion.live import prompts as live_prompts
from model_emotion.live.session import make_deterministic
from stages import activations, evaluation, mask_plan, prompts

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[1]
PROMPTS = Path("results/live/prompts")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.end()


def written():
    """Emotions whose prompts are there."""
    return {path.stem for path in PROMPTS.glob("[a-z]*.safetensors")}


def forget():
    """Remove what is measured."""
    for folder in ("prompts", "correct"):
        shutil.rmtree(f"results/live/{folder}", ignore_errors=True)
    shutil.rmtree(cache.FINISHED)


def settings(address):
    return SimpleNamespace(executor=SimpleNamespace(kind="dask", address=address))


def test_any_number_of_workers_measures_what_this_process_does(measured, cluster, monkeypatch):
    whole = found()
    for module, name in (
        (live_prompts, "tune_together"),
        (live_activations, "load_engine"),
        (live_evaluation, "evaluate"),
    ):
        monkeypatch.setattr(module, name, None)  # here, not in the workers
    measured("executor.kind", "dask", "executor.address", cluster.address)
    for many in (1, 2, 3):
        forget()
        Path("results/live/activations.safetensors").unlink()
        cluster.have(many)
        run(monkeypatch, prompts, activations, evaluation)
        assert found() == whole, many


def test_a_killed_workers_cell_is_done_again(world, cluster, monkeypatch):
    world("training.examples", 400)
    run(monkeypatch, mask_plan, prompts)
    whole, killed = found(), []
    forget()
    cluster.have(2)
    world("executor.kind", "dask", "executor.address", cluster.address)

    def kill():
        until(written)
        pids = cluster.pids()
        busy = [(worker, keys[0]) for worker, keys in cluster.client.processing().items() if keys]
        worker, key = busy[0]
        os.kill(pids[worker], signal.SIGKILL)
        killed.append(key.split("-")[0])
        assert killed[0] not in written()

    killer = Thread(target=kill)
    killer.start()
    run(monkeypatch, prompts)
    killer.join()
    assert killed and found() == whole
    cluster.expect(1)


def test_an_emotion_that_kills_its_workers_is_named(cluster):
    def make(settings):
        return lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == "deadly" else name

    cluster.have(5)
    names, found = ["fine", "deadly", "other"], set()
    with pytest.raises(UserError, match="^deadly: 4 workers died while computing it"):
        for name, _ in executor.map_emotions(make, settings(cluster.address), names, 2, []):
            found.add(name)
    assert found <= {"fine", "other"}


def test_what_goes_wrong_in_a_cell_is_said_as_it_is_here(world, cluster):
    def make(settings):
        def work(name):
            raise {"mine": UserError, "its": OSError}[name](f"{name}: a reason")

        return work

    cluster.have(1)
    for name, kind in (("mine", UserError), ("its", OSError)):
        with pytest.raises(kind, match=f"^{name}: a reason$"):
            list(executor.map_emotions(make, settings(cluster.address), [name], 1, []))


def test_the_switches_hold_in_every_cell(world, cluster):
    def make(settings):
        make_deterministic()
        return lambda name: (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())

    cluster.have(1)
    assert dict(executor.map_emotions(make, settings(cluster.address), list("abc"), 1, [])) == dict.fromkeys(
        "abc", (1, True)
    )


def test_cells_go_to_gpus_where_workers_have_some(world, cluster):
    cluster.have(1)
    with_one = cluster.join("--resources", "GPU=1")
    cluster.expect(2)
    where = dict(
        executor.map_emotions(
            lambda settings: lambda name: os.getpid(), settings(cluster.address), list("abcd"), 1, []
        )
    )
    assert where == dict.fromkeys("abcd", with_one.pid)
    cluster.client.run(os.chdir, str(Path.cwd()))
    with_one.kill()
    cluster.expect(1)


@pytest.mark.parametrize("wrong", ["code", "data", "folder", "threads"])
def test_a_worker_that_is_not_as_it_should_be_is_refused(world, cluster, monkeypatch, tmp_path, wrong):
    cluster.have(0)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "data", elsewhere / "data")
    shutil.copytree(tmp_path / "tiny", elsewhere / "tiny")
    shutil.copytree(
        ROOT / "model_emotion", elsewhere / "model_emotion", ignore=shutil.ignore_patterns("__pycache__")
    )
    if wrong == "code":
        (elsewhere / "model_emotion/model/tasks.py").open("a").write("\n")
    if wrong == "data":
        table = elsewhere / "data/texts/live.parquet"
        table.write_bytes(table.read_bytes() + b"\n")
    if wrong == "folder":
        shutil.rmtree(elsewhere / "data")
    monkeypatch.chdir(elsewhere)
    worker = cluster.join(
        *(["--nthreads", "2"] if wrong == "threads" else []), library=elsewhere if wrong == "code" else ROOT
    )
    monkeypatch.chdir(tmp_path)
    cluster.expect(1)
    world("executor.kind", "dask", "executor.address", cluster.address)
    says = {
        "code": "has other code or packages; restart it in this checkout",
        "data": "data/texts/live.parquet: differs; start the worker in this checkout",
        "folder": "data/texts/live.parquet: not found; start the worker in this checkout",
        "threads": "has 2 threads; start it with --nthreads 1",
    }
    with pytest.raises(UserError, match=rf"^worker tcp://127.0.0.1:\d+: {says[wrong]}$"):
        run(monkeypatch, prompts)
    assert not written()
    worker.kill()
    cluster.expect(0)


def test_without_a_scheduler_or_workers_one_line_says_so(world, cluster, monkeypatch):
    monkeypatch.setattr(dask, "PATIENCE", 2)
    cluster.have(0)
    world("executor.kind", "dask", "executor.address", cluster.address)
    with pytest.raises(
        UserError,
        match=f"^executor.address: {cluster.address}: no worker for 2 s$",
    ):
        run(monkeypatch, prompts)
    world("executor.address", "tcp://127.0.0.1:1")
    with pytest.raises(UserError, match="^executor.address: tcp://127.0.0.1:1: no scheduler answers$"):
        run(monkeypatch, prompts)


def test_what_was_done_before_the_scheduler_died_stays(world, monkeypatch, tmp_path):
    world("training.examples", 400)
    run(monkeypatch, mask_plan, prompts)
    whole = found()
    forget()
    own = Cluster(tmp_path)
    own.have(1)
    own.client.close()
    world("executor.kind", "dask", "executor.address", own.address)

    stage = Apart("stages.prompts", environment=ENVIRONMENT)
    until(written)
    own.scheduler.kill()
    said = stage.said(timeout=60)
    own.end()
    message = (
        f"error: executor.address: {own.address}: the scheduler is gone\n"
        "Correct this, then run the same command again: finished emotions are kept."
    )
    assert stage.returncode == 1 and said.strip() == message
    done = written()
    assert 1 <= len(done) < len(EMOTIONS)
    world("executor.kind", "local", "executor.address", None)
    tune = live_prompts.tune_together
    monkeypatch.setattr(
        live_prompts,
        "tune_together",
        lambda engine, tasks, *others: set(tasks) & done or tune(engine, tasks, *others),
    )
    run(monkeypatch, prompts)
    assert found() == whole


def test_an_interrupt_is_one_although_closing_fails():
    with pytest.raises(KeyboardInterrupt), dask._interrupted():
        try:
            raise KeyboardInterrupt
        finally:
            raise TimeoutError("closing took too long")
    with pytest.raises(TimeoutError), dask._interrupted():
        raise TimeoutError


def test_a_run_without_a_cluster_never_loads_dask(world):
    tried = (
        "import sys; from stages import prompts; prompts.main();"
        "assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    mask_plan.main()
    subprocess.run([sys.executable, "-c", tried], env=ENVIRONMENT, check=True, capture_output=True)
    assert written() == set(EMOTIONS)
