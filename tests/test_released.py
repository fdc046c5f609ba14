"""The released measurements: read whole, matched by name, and refused by name where they are malformed."""

import json
import shutil

import numpy as np
import pytest

from model_emotion.base import results, study
from model_emotion.base.errors import InputError, UserError
from model_emotion.inputs.released import read_accuracy, read_masked, read_neurons

NEURONS = "Data/raw_data/PLM/prompt_tuning_RoBERTa/neurons_activation_before_relu/joy-1.csv"
MASKED = "Result/masking/RoBERTa/RSA_tau_14property/Acc_perSeed_JSON/joy-1.json"
ACCURACY = "Data/raw_data/PLM/prompt_tuning_RoBERTa/accuracy.csv"


@pytest.fixture
def copy(raw, tmp_path):
    """A function that copies one of the study's files where a test may spoil it."""
    return lambda group, path: shutil.copy(raw(group, path), tmp_path)


def spoil(path, change):
    from pathlib import Path

    path = Path(path)
    path.write_text(change(path.read_text()))
    return path


def test_activations_are_the_decimals_as_read_and_gelus(raw):
    values = read_neurons(raw("activations", NEURONS))
    words = raw("activations", NEURONS).read_text().splitlines()[1].split(",")
    assert values.shape == (36864,) and all(values[i] == float(words[i]) for i in range(0, 36864, 97))
    assert -0.17 < values.min() < -0.16  # GELU's least value is -.16997: this is its output, not its input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(",", ",,", 40000), "a value is not a number"),
        (
            lambda text: text.splitlines()[0] + "\n" + ",".join(text.splitlines()[1].split(",")[:-1]),
            "36,863 values, not 36,864",
        ),
        (
            lambda text: (
                text.splitlines()[0] + "\n" + ",".join(["nan", *text.splitlines()[1].split(",")[1:]])
            ),
            "value 1 is not finite",
        ),
        (lambda text: text.splitlines()[0], "not 1 lines"),
    ],
)
def test_malformed_activations_are_named(copy, change, message):
    path = spoil(copy("activations", NEURONS), change)
    with pytest.raises(InputError, match=f"joy-1.csv: .*{message}"):
        read_neurons(path)


def _edit(**values):
    return lambda text: json.dumps({**json.loads(text), **values})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:500], "not JSON"),
        (_edit(happy_top4000=None), "happy_top4000 is not an accuracy"),
        (_edit(happy_top4000=float("nan")), "happy_top4000 is not an accuracy"),
        (_edit(happy_top4000=True), "happy_top4000 is not an accuracy"),
        (_edit(happy_top4000="0.5"), "happy_top4000 is not an accuracy"),
        (_edit(happy_top4000=1.5), "happy_top4000 is not an accuracy"),
        (_edit(seed=3), "does not belong to joy, seed 1"),
        (lambda text: text.replace("happy_top4000", "happy_top"), "no key 'happy_top4000'"),
        (lambda text: "[]", "does not belong"),
    ],
)
def test_malformed_masked_accuracies_are_named(copy, change, message):
    path = spoil(copy("masking", MASKED), change)
    with pytest.raises(InputError, match=f"joy-1.json: {message}"):
        list(read_masked(path, "joy", 1, "attribute", [4000]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("accuracy", "acc"), "no column accuracy"),
        (lambda text: text.replace("joy,1,", "joy,2,"), "no row for joy, seed 1"),
        (lambda text: text.replace("joy,1,", "joy,3,"), "stands twice"),
        (lambda text: text.replace("joy,1,0.", "joy,1,nan"), "joy, seed 1 is not an accuracy"),
    ],
)
def test_malformed_accuracies_are_named(copy, change, message):
    path = spoil(copy("activations", ACCURACY), change)
    with pytest.raises(InputError, match=f"accuracy.csv: .*{message}"):
        read_accuracy(path, ["joy"], [1])


def test_attributes_are_matched_by_name_never_by_position(raw, tmp_path):
    values = json.loads(raw("masking", MASKED).read_text())
    path = tmp_path / "reversed.json"
    path.write_text(json.dumps(dict(reversed(values.items()))))
    found = {
        attribute: accuracy for attribute, _, accuracy in read_masked(path, "joy", 1, "attribute", [4000])
    }
    assert (
        found["other-relativity"] == values["other-related_top4000"]
        and found["novelty"] == values["non-novelty_top4000"]
    )
    assert tuple(found) == study.ATTRIBUTES


def test_unmasked_accuracies_agree_with_the_masking_files(raw):
    table = read_accuracy(raw("activations", ACCURACY), study.EMOTIONS, study.SEEDS)
    assert len(table) == 324 and table["majority"].isna().all()
    row = table.query("emotion == 'joy' and seed == 1")["accuracy"].item()
    assert row == pytest.approx(json.loads(raw("masking", MASKED).read_text())["best"], abs=1e-15)


def test_study_order_is_the_released_one(raw):
    released = raw("human", "Data/preprocessed/reordered_emotions.csv").read_text().split()
    assert tuple(released) == study.EMOTIONS
    header = (
        raw("reference", "Data/preprocessed/emotional_features/score_emotional_PCs.csv")
        .read_text()
        .splitlines()[0]
    )
    assert tuple(header.split(",")) == study.ATTRIBUTES
    assert tuple(study.MASK_NAMES.values()) == study.ATTRIBUTES


def _activations(values, emotions=("joy", "fear")):
    return results.Activations(values, (1,), emotions, 2, 3, "made up")


def test_activations_survive_writing_and_reading(tmp_path):
    written = _activations(np.random.default_rng(0).random((1, 2, 6)))
    results.write_activations(written, tmp_path / "a.safetensors")
    read = results.read_activations(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(read.values, written.values)
    assert (read.seeds, read.emotions, read.layers, read.width, read.backbone) == (
        (1,),
        ("joy", "fear"),
        2,
        3,
        "made up",
    )


def test_activations_that_do_not_fit_or_hold_nan_are_refused():
    with pytest.raises(UserError, match="shape"):
        _activations(np.zeros((1, 2, 5)))
    spoiled = np.zeros((1, 2, 6))
    spoiled[0, 1, 3] = np.nan
    with pytest.raises(UserError, match="activations of fear, seed 1"):
        _activations(spoiled)


def test_a_cut_file_of_activations_is_named(tmp_path):
    path = tmp_path / "a.safetensors"
    results.write_activations(_activations(np.zeros((1, 2, 6))), path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError, match="a.safetensors: not a complete safetensors file with activations"):
        results.read_activations(path)
