"""What tests share: `raw`, the study's files where they can be had, and what is made of them."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from model_emotion import inputs, study
from model_emotion.download import UnreachableError, fetch
from model_emotion.files import write_parquet
from model_emotion.goemotions import SPLITS, read_labels, read_split, tidy

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """A function like `inputs.raw`: raw(group, path) -> Path. Files come from data/raw, else from a mirror or the network.

    A test that asks for a file which can't be had is skipped; a file that is wrong is an error.
    """
    folder = tmp_path_factory.mktemp("raw")
    mirror, tried = os.environ.get("MODEL_EMOTION_MIRROR"), set()

    def get(group, path):
        try:
            return inputs.raw(group, path, root=ROOT / inputs.RAW)
        except inputs.InputError:
            if group not in tried:
                tried.add(group)
                with suppress(UnreachableError):
                    fetch(group, mirror, root=folder, registry=ROOT / inputs.REGISTRY)
        if not (folder / group / inputs.GROUPS[group] / path).is_file():
            pytest.skip("the study's files are not reachable: neither data/raw, a mirror (MODEL_EMOTION_MIRROR) nor the network")
        return inputs.raw(group, path, root=folder)

    yield get
    shutil.rmtree(folder)  # pytest would keep people's stories in its temporary folder


@pytest.fixture(scope="session")
def goemotions(raw, tmp_path_factory):
    """Path of the real texts."""
    if (made := ROOT / "data/goemotions.parquet").is_file():
        return made
    labels = read_labels(raw("human", "Data/raw_data/subjective_comparison/emotions.txt"))
    path = tmp_path_factory.mktemp("goemotions") / "goemotions.parquet"
    write_parquet(tidy({split: read_split(raw("goemotions", f"goemotions/data/{split}.tsv"), labels) for split in SPLITS}), path)
    return path


@pytest.fixture(scope="session")
def private(raw):
    """Every id, time and story of the raw files, in memory only."""
    found = set()
    for name in ("affective", "physical", "appraisal"):
        path = raw("human", f"Data/raw_data/emotional_featuers/{name}_features/rawdata.csv")
        table = pd.read_csv(path, dtype=str, keep_default_na=False).rename(columns=str.strip)
        columns = {"Prolific ID", "PROLIFIC_PID", "ResponseId", "StartDate", "EndDate", "RecordedDate", "Recall", "Specific Event"}
        for column in columns & set(table):
            found |= {cell.strip() for cell in table[column]}
    sheet = openpyxl.load_workbook(raw("human", "Data/raw_data/subjective_comparison/data.xlsx"), read_only=True).worksheets[0]
    header = next(sheet.iter_rows(max_row=1, values_only=True))
    found |= {str(cell) for cell in header[4:]}
    found = {cell for cell in found if len(cell) > 5 and cell not in study.EMOTIONS}
    assert len(found) > 61 + 35 + 36 + 2 * 329 - 20
    return found


@pytest.fixture(scope="module")
def one_thread():
    """One thread for torch: more only get in each other's way on a tiny model."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
