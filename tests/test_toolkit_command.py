"""The command `python -m model_emotion.toolkit`."""

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import LAYERS, PROMPT_LEN, TABLE, WIDTH

from model_emotion.base.files import read_csv, write_parquet, write_tensors
from model_emotion.project import stage
from model_emotion.toolkit.command import main

pytestmark = pytest.mark.usefixtures("one_thread")


ROOT = Path(__file__).parents[1]


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
