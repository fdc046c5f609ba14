"""Synthetic projects: folders where the stages run in seconds, on synthetic data and a tiny random model.

`tests/conftest.py` makes each of them once a process; a test works on a copy.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import reading
import tiny_models

from model_emotion.base import study
from model_emotion.base.files import read_csv, read_yaml
from model_emotion.base.settings import set_key
from model_emotion.rsa import rdm
from stages import (
    activations,
    claims,
    drops,
    evaluation,
    figures,
    mask_plan,
    masks,
    prompts,
    retests,
    searchlight,
    targets,
)

ROOT = Path(__file__).parents[1]
EMOTIONS = ["joy", "fear", "anger", "love", "grief"]
MEASURE = (mask_plan, prompts, activations, searchlight, masks, evaluation)
"""The stages that measure the run `live`, in the order of dvc.yaml; `targets` comes before them."""
ANALYSE = (drops, retests, figures, claims)
"""The stages that analyse a run."""
OF_ONE_RUN = {"mask_plan", "prompts", "activations", "evaluation"}
"""Stages without the option --run."""


def change(values):
    """Set keys of params.yaml in the current folder: {"training.lr": 0.1}."""
    params = read_yaml("params.yaml")
    for key, value in values.items():
        set_key(params, key, value, "params.yaml")
    Path("params.yaml").write_text(json.dumps(params))


READ = {}
"""{stage: leaves of the parameters that it read in a test of this process}"""


def run(monkeypatch, *stages):
    """Call `main` of stages (modules) for the run `live`, one after the other, in the current folder.

    A stage must name in dvc.yaml each parameter that it reads.
    """
    for stage in stages:
        name = stage.__name__.split(".")[-1]
        monkeypatch.setattr(sys, "argv", ["stage", *([] if name in OF_ONE_RUN else ["--run", "live"])])
        with reading.recorded() as leaves:
            stage.main()
        assert not reading.undeclared(name, leaves), (
            f"{name} reads parameters that dvc.yaml does not name for it"
        )
        READ.setdefault(name, set()).update(leaves)


def found(folder="results/live"):
    """{path below the folder: bytes} of every file but the records of how results were made."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and path.parent.name != "provenance"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def results():
    """results/live's tables by name."""
    return {path.stem: read_csv(path) for path in Path("results/live").glob("*.csv")}


def human_results(folder, seed=0):
    """Write random tables to results/human of a folder, as `attributes` and `similarity` do."""
    out, draw = Path(folder, "results/human"), np.random.default_rng(seed)
    out.mkdir(parents=True)
    pairs = rdm.pair_names(study.EMOTIONS)
    scores = pd.DataFrame(draw.random((27, 14)), columns=study.ATTRIBUTES)
    distances = pd.DataFrame(rdm.absolute_rdm(scores.to_numpy().T).T, columns=study.ATTRIBUTES)
    judged = pd.DataFrame(
        draw.integers(1, 10, (6, 351)), columns=pairs["emotion_a"] + "|" + pairs["emotion_b"]
    )
    tables = {
        "attributes": pd.concat([pd.Series(study.EMOTIONS, name="emotion"), scores], axis=1),
        "attribute_rdms": pairs.join(distances),
        "mean_rdm": pairs.assign(distance=judged.mean().to_numpy()),
        "weights": pd.DataFrame({"attribute": study.ATTRIBUTES, "tau_boot": draw.random(14)}),
        "agreement": pd.DataFrame({"emotion": study.EMOTIONS, "kappa": draw.random(27)}),
        "similarity": judged.assign(subject="s01"),
    }
    for name, table in tables.items():
        table.to_csv(out / f"{name}.csv", index=False)


def texts(rows, seed):
    """Return a synthetic GoEmotions, in which `happy` and `sad` tell joy and love from the others."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, len(EMOTIONS), rows)
    words = [
        ["today", "it", "was", "long"][: draw.integers(1, 5)] + ["happy" if label in (0, 3) else "sad"]
        for label in labels
    ]
    table = pd.DataFrame({"text": [" ".join(draw.permutation(of)) for of in words]})
    return table.assign(
        **{emotion: (labels == number).astype(int) for number, emotion in enumerate(EMOTIONS)}
    )


SMALL = {
    "backbone.name": "tiny",
    "backbone.revision": "",
    "backbone.layers": 3,
    "backbone.width": 24,
    "backbone.verbalizer_scale": 2.0,
    "emotions": EMOTIONS,
    "seeds": [1, 3],
    "top_k": [0.25, 5],
    "training.prompt_len": 3,
    "training.examples": 40,
    "training.epochs": 2,
    "training.dev_examples": 10,
    "training.lr": 0.02,
    "training.correct_bias": False,
    "training.batch": 8,
    "evaluation.examples": 12,
    "evaluation.unmasked_examples": 20,
    "evaluation.rows": 16,
    "masks.draws": 4,
    "masks.other_draws": 1,
    "masks.permuted_draws": 2,
    "executor.workers": 1,
}


def tiny_project(folder):
    """Make the project of a tiny RoBERTa and five emotions in an empty folder, and run `targets`."""
    tiny_models.model("roberta").save_pretrained(folder / "tiny")
    tiny_models.tokenizer().save_pretrained(folder / "tiny")
    (folder / "data").mkdir()
    splits = {"train": texts(200, 0), "dev": texts(100, 1), "test": texts(60, 2)}
    table = pd.concat([of.assign(split=split) for split, of in splits.items()])
    table.to_parquet(folder / "data/goemotions.parquet", index=False)
    (folder / "requirements.lock").write_text("")
    human_results(folder)
    shutil.copy(ROOT / "params.yaml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        change(SMALL)
        run(patch, targets)


def measure(folder):
    """Measure the run `live` in a project's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(patch, *MEASURE)


BLOCKS = re.findall(r"^```\n(.*?)^```", (ROOT / "docs/own_data.md").read_text(), re.MULTILINE | re.DOTALL)
"""The commands of docs/own_data.md."""
STUDYS = ["joy", "anger", "fear", "sadness", "love"]
"""Emotions of the user's files that the study has too."""
TINY = {"n_layers": 2, "dim": 16, "hidden_dim": 24, "n_heads": 2, "initializer_range": 0.5}
USER_SMALL = {
    "backbone.name": "outputs/my-model",
    "backbone.revision": "",
    "backbone.layers": 2,
    "backbone.width": 24,
    "top_k": [0.25, 5],
    "training.prompt_len": 2,
    "training.examples": 24,
    "training.epochs": 1,
    "training.dev_examples": 8,
    "evaluation.examples": 12,
    "evaluation.unmasked_examples": 20,
    "masks.draws": 3,
    "masks.other_draws": 1,
    "masks.permuted_draws": 2,
    "executor.workers": 1,
    "figures.dpi": 50,
    "analysis.permutations.samples": 100,
    "analysis.bootstrap.samples": 100,
}


def user_project(folder):
    """Make a project as `make published` leaves it, on synthetic data, after the first commands of the page.

    The page is docs/own_data.md; its model is made tiny.
    """
    draw = np.random.default_rng(0)
    for name in ("results/published", "data/own", "outputs"):
        (folder / name).mkdir(parents=True)
    for name in ("claims.yaml", "data/figure_readings.csv", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.lock").write_text("")
    human_results(folder)
    accuracy = pd.DataFrame(
        {"emotion": study.EMOTIONS, "seed": 1, "accuracy": draw.random(27), "majority": None, "n": None}
    )
    accuracy.to_csv(folder / "results/published/accuracy.csv", index=False)
    (script,) = [block for block in BLOCKS if "<<'END'" in block]
    (size,) = re.findall(r"size = (\{.*\})", script)
    subprocess.run(
        ["bash", "-e", "-c", script.replace(size, str(TINY))], cwd=folder, check=True, capture_output=True
    )
    posts = pd.read_csv(folder / "data/own/posts.csv")  # GoEmotions, made up alike
    posts[["split", "text", *STUDYS]].to_parquet(folder / "data/goemotions.parquet", index=False)


def rewritten(file, **columns):
    """Give a CSV file of data/own other columns; None leaves one out."""
    path = Path("data/own", file)
    table = (
        pd.read_csv(path)
        .assign(**columns)
        .drop(columns=[name for name, values in columns.items() if values is None])
    )
    table.to_csv(path, index=False)
