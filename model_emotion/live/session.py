"""Start a measurement: load the backbone and the texts, and make torch deterministic."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from transformers import PreTrainedTokenizerBase

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_parquet
from model_emotion.base.processor import cores
from model_emotion.base.results import MEASURED, folder
from model_emotion.model.backbone import load
from model_emotion.model.checkpoint import model_files
from model_emotion.model.engine import Engine
from model_emotion.model.tasks import Corpus
from model_emotion.params import Backbone, Executor

DATA = Path("data/goemotions.parquet")
TEXTS = Path("data/texts/live.parquet")
"""GoEmotions, or the user's own texts."""
TOKENS = Path("data/tokens")
PROMPTS = folder(MEASURED) / "prompts"


def worker_count(executor: Executor, tasks: int) -> int:
    """Return how many processes share a number of tasks.

    That is `executor.workers` if it is set. The default is one process per core, one for a GPU, or one per
    GPU with Dask.
    """
    default = cores()
    if torch.cuda.is_available():
        default = torch.cuda.device_count() if executor.kind == "dask" else 1
    return min(executor.workers or default, tasks)


def make_deterministic() -> dict[str, object]:
    """Make torch give the same result each time on the same machine. Return the switches, for the records."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # This only guards against reading memory that was never written, and it costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return {
        "threads": torch.get_num_threads(),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "CUBLAS_WORKSPACE_CONFIG": os.environ["CUBLAS_WORKSPACE_CONFIG"],
    }


def load_engine(backbone: Backbone, positions: str, *, warn: bool = False) -> Engine:
    """Load the backbone on the GPU if there is one, otherwise on one core.

    One core does most of what several do with batches this small. The result does not depend on the number of
    cores. warn: log what is unusual about the model; every process of a run loads it, and one warning is
    enough. Raises UserError if the model has other layers or another width than params.yaml says.
    """
    make_deterministic()
    with _warnings_of_the_model(warn):
        loaded = load(backbone.name, backbone.revision, "cuda" if torch.cuda.is_available() else "cpu")
    for key in ("layers", "width"):
        found, expected = getattr(loaded, key), getattr(backbone, key)
        if expected is not None and found != expected:
            raise UserError(
                f"params.yaml: backbone.{key}: {expected}, but {loaded.name} has {found}; "
                "set it to null to take it from the model's config.json"
            )
    return Engine(loaded, backbone.verbalizer, positions, backbone.precision, backbone.verbalizer_scale)


@contextmanager
def _warnings_of_the_model(shown: bool) -> Iterator[None]:
    log = logging.getLogger("model_emotion.model")
    before = log.level
    log.setLevel(before if shown else logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def load_corpus(
    engine: Engine,
    prompt_len: int,
    max_length: int,
    data: Path | str | pd.DataFrame = TEXTS,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Corpus:
    """Read the texts of the run `live`, or another table, with the engine's tokenizer or another.

    data: a Parquet file, or a table, with the columns `split` and `text` and a 0/1 column per label. A text
    is cut after max_length tokens, or earlier if the model has no room for more beside the prompt. The tokens
    of the run `live` are kept in TOKENS. Raises UserError if there is no room for a text at all, if the file
    is missing, or if the table lacks a column.
    """
    room = engine.room(prompt_len)
    if room < 3:
        name = engine.backbone.name
        raise UserError(
            f"params.yaml: training.prompt_len: {prompt_len} vectors leave {name} no room for a text"
        )
    if isinstance(data, pd.DataFrame):
        table = data
    elif Path(data).is_file():
        table = read_parquet(data)
    else:
        raise UserError(
            f"{data}: not found; `dvc repro goemotions` makes {DATA}, `dvc repro targets@live` makes {TEXTS}"
        )
    if lacking := {"split", "text"} - set(table):
        raise UserError(f"data: the table has no column {' and '.join(sorted(lacking))}")
    kept = TOKENS if data is TEXTS else None
    return Corpus(table, tokenizer or engine.backbone.tokenizer, min(max_length, room), kept)


def input_files(backbone: Backbone) -> list[Path]:
    """Return the files that every measurement depends on: the texts, and the model if it is a folder."""
    folder = Path(backbone.name).expanduser()
    return [TEXTS, *(model_files(folder) if folder.is_dir() else [])]
