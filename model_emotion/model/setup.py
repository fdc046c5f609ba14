"""What the stages that measure a model begin with: params.yaml's backbone as an Engine, and its texts."""

import os
from pathlib import Path

import torch

from model_emotion.cli import UserError
from model_emotion.model.backbone import load
from model_emotion.model.engine import Engine
from model_emotion.model.tasks import Corpus

DATA = Path("data/goemotions.parquet")
TEXTS = Path("data/texts/live.parquet")  # GoEmotions, or the user's own
TOKENS = Path("data/tokens")


def workers_of(executor, cells):
    """Processes for so many cells: as many as params.executor says, or one a core; where there is a GPU one, or by Dask one a GPU."""
    usual = len(os.sched_getaffinity(0))
    if torch.cuda.is_available():
        usual = torch.cuda.device_count() if executor.kind == "dask" else 1
    return min(executor.workers or usual, cells)


def switch():
    """Set what makes a measurement come out the same again on the same machine; {switch: value}, as the records have it."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a guard against reading what was never written; costs time
    return {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "CUBLAS_WORKSPACE_CONFIG": os.environ["CUBLAS_WORKSPACE_CONFIG"],
    }


def engine_of(backbone, positions):
    """Engine of params.backbone, on the GPU where there is one, else on one core. Raises UserError where its neurons are not those named.

    One core does most of what several do with a batch this small, and results do not depend on how many there are.
    """
    switch()
    loaded = load(backbone.name, backbone.revision, "cuda" if torch.cuda.is_available() else "cpu")
    for key in ("layers", "width"):
        if getattr(loaded, key) != getattr(backbone, key):
            raise UserError(f"params.yaml: backbone.{key}: {getattr(backbone, key)}, but {loaded.name} has {getattr(loaded, key)}")
    return Engine(loaded, backbone.verbalizer, positions, backbone.precision, backbone.verbalizer_scale)


def corpus_of(engine, prompt_len, max_length):
    """The run's texts for the engine's tokenizer; they are cut at max_length tokens, or at what the model has room for."""
    room = engine.room(prompt_len)
    if room < 3:
        raise UserError(f"params.yaml: training.prompt_len: {prompt_len} vectors leave {engine.backbone.name} no room for a text")
    return Corpus.read(TEXTS, engine.backbone.tokenizer, min(max_length, room), TOKENS)


def sources(backbone):
    """Files that a measurement depends on, beside code: texts, and the model where it is a folder."""
    folder = Path(backbone.name)
    return [TEXTS, *(sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else [])]
