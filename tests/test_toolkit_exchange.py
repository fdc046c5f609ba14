"""Files of the original toolkit and the study's released layout, both ways; ranges of whole numbers."""

import json
import pickle
import shutil
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
import torch
from exchange import Evaluated, Malicious, convert_and_back, inside_a_storage

from model_emotion.base import study
from model_emotion.base.errors import InputError, UserError
from model_emotion.base.files import read_csv, read_tensors, write_csv, write_tensors
from model_emotion.base.results import (
    ACCURACY,
    MASKED_ACCURACY,
    Activations,
    read_activations,
    write_activations,
)
from model_emotion.inputs import released
from model_emotion.project import stage
from model_emotion.toolkit.arguments import LEAST_WHOLE, ModelEmotionArguments
from model_emotion.toolkit.command import main as evaluate_masks
from model_emotion.toolkit.convert import main as convert
from model_emotion.toolkit.masks import read_prompt


@pytest.mark.parametrize("name", LEAST_WHOLE)
def test_whole_numbers_outside_their_range_are_refused_by_name(name, tmp_path):
    wrong = [LEAST_WHOLE[name] - 1, -(2**40), 5.5, float("nan"), float("inf"), "5", True, [5]]
    for value in wrong + [2**32, 2**33, 10**400] * (name == "seed"):
        with pytest.raises(UserError, match=f"^{name}=.*: must be ") as said:
            ModelEmotionArguments(output_dir=tmp_path, use_cpu=True, **{name: value})
        assert "\n" not in str(said.value)


def test_the_smallest_and_largest_whole_numbers_are_accepted(tmp_path):
    args = ModelEmotionArguments(output_dir=tmp_path, use_cpu=True, **LEAST_WHOLE)
    assert {name: getattr(args, name) for name in LEAST_WHOLE} == LEAST_WHOLE
    assert ModelEmotionArguments(output_dir=tmp_path, use_cpu=True, seed=2**32 - 1).seed == 2**32 - 1


@pytest.mark.parametrize("seed", ["-1", str(2**32), str(2**33), "1.5", "one"])
def test_the_command_refuses_seeds_outside_their_range(seed, capsys):
    with pytest.raises(SystemExit) as ended:
        evaluate_masks(["--sentiment=joy", f"--random_seed={seed}", "--maskPath=m", "--resultPath=r"])
    assert ended.value.code == 2
    assert (
        "--random_seed: invalid whole number of at least 0 and at most 4294967295" in capsys.readouterr().err
    )


@pytest.mark.parametrize("scalar", [torch.tensor, float])
def test_a_prompt_survives_both_ways_and_the_command_can_read_it(tmp_path, scalar):
    torch.manual_seed(1)
    checkpoint = {
        "best_prompt": torch.randn(4, 6),
        "best_acc": scalar(0.8319999),
        "epoch": 7,
        "final_prompt": torch.randn(6, 4).T,  # not contiguous
        "final_acc": scalar(1 / 3),
    }
    torch.save(checkpoint, tmp_path / "joy-42.pt")
    ours = tmp_path / "joy-42.safetensors"
    found = torch.load(convert_and_back(tmp_path / "joy-42.pt", ours, tmp_path / "b/joy-42.pt"))
    assert found.keys() == checkpoint.keys()
    for name, value in checkpoint.items():
        assert type(found[name]) is type(value)
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)
    prompt, about = read_prompt(ours, "joy", 42)
    assert torch.equal(prompt, checkpoint["best_prompt"]) and about["backbone"] == "roberta-base"


def test_a_prompt_of_ours_becomes_a_checkpoint_of_unknown_accuracy(tmp_path):
    prompts = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    write_tensors({"prompts": prompts}, tmp_path / "joy-1.safetensors", {"emotion": "joy", "seeds": [1]})
    convert([str(tmp_path / "joy-1.safetensors"), str(tmp_path / "joy-1.pt")])
    found = torch.load(tmp_path / "joy-1.pt", weights_only=True)
    assert np.array_equal(found["best_prompt"].numpy(), prompts[0]) and np.isnan(found["best_acc"].item())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_masks_survive_both_ways_under_our_names(tmp_path, protocol):
    generator = torch.Generator().manual_seed(protocol)
    masks = {f"{name}_top{k}": torch.randint(2, (3, 5), generator=generator, dtype=torch.int8)
             for name in study.MASK_NAMES for k in (500, 1000)}  # fmt: skip
    masks |= {f"{name}_random": torch.rand(3, 5, generator=generator) for name in masks}
    masks["one_of_a_kind"] = torch.rand(5, 3, generator=generator).T
    (tmp_path / "masks.pkl").write_bytes(pickle.dumps(masks, protocol))
    ours = tmp_path / "masks.safetensors"
    back = convert_and_back(tmp_path / "masks.pkl", ours, tmp_path / "b/masks.pkl")
    found = pickle.loads(back.read_bytes())  # which we wrote
    assert list(found) == list(masks)
    assert all(
        found[name].dtype == mask.dtype and torch.equal(found[name], mask) for name, mask in masks.items()
    )
    tensors, _ = read_tensors(ours)
    assert np.array_equal(tensors["novelty/500"], masks["non-novelty_top500"].numpy())
    assert np.array_equal(tensors["random/happy-face/1000/1"], masks["happy_top1000_random"].numpy())


def test_masks_of_ours_get_the_originals_names_and_type(tmp_path):
    masks = {
        "happy-face/4000": np.eye(3, dtype=np.uint8),
        "random/fairness/4000/1": np.ones((3, 3), np.float32),
    }
    write_tensors(masks, tmp_path / "masks.safetensors", {})
    convert([str(tmp_path / "masks.safetensors"), str(tmp_path / "masks.pkl")])
    found = pickle.loads((tmp_path / "masks.pkl").read_bytes())
    assert found.keys() == {"happy_top4000", "fairness_top4000_random"}
    assert found["happy_top4000"].dtype == torch.int8 and torch.equal(
        found["happy_top4000"], torch.eye(3).char()
    )


@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
@pytest.mark.parametrize("made", [
    lambda path: pickle.dumps(Malicious(path)),
    lambda path: pickle.dumps({"happy_top500": Malicious(path)}),
    lambda path: pickle.dumps({"best_prompt": Evaluated(path)}),
    lambda path: pickle.dumps({Malicious(path): torch.ones(2, 2)}),
    inside_a_storage,
])  # fmt: skip
def test_a_malicious_pickle_runs_nothing_and_is_refused_in_one_line(tmp_path, suffix, made):
    trace, source = tmp_path / "trace", tmp_path / f"joy-1{suffix}"
    source.write_bytes(made(trace))
    with pytest.raises(SystemExit) as ended:
        stage.run(lambda: convert([str(source), str(tmp_path / "ours.safetensors")]))
    assert str(ended.value).startswith(f"error: {source}: ") and "\n" not in str(ended.value)
    assert not trace.exists() and not (tmp_path / "ours.safetensors").exists()
    with suppress(Exception):
        pickle.loads(source.read_bytes())
    assert trace.exists()  # the pickle would have run


@pytest.mark.parametrize("content", [
    {"a": np.ones((2, 2), object)}, {"a": [1, 2]}, [torch.ones(2, 2)], {1: torch.ones(2, 2)}, {"a": 1.0},
    {"a": torch.ones(2)}, {"a": torch.ones(2, 2, dtype=torch.bfloat16)}, {"a": {"b": torch.ones(2, 2)}},
])  # fmt: skip
def test_pickles_of_anything_but_masks_are_refused(tmp_path, content):
    source = tmp_path / "masks.pkl"
    source.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match="masks.pkl: ") as said:
        convert([str(source), str(tmp_path / "ours.safetensors")])
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("shape, stride, offset", [
    ((4, 4), (4, 1), 0), ((2, 2), (-2, 1), 0), ((2, 2), (2, 1), 1), ((10**6, 10**6), (0, 0), 0),
])  # fmt: skip
def test_tensors_that_exceed_their_storage_are_refused(tmp_path, shape, stride, offset):
    class Tensor:
        def __reduce__(self):
            storage = torch.ones(4).storage()
            return torch._utils._rebuild_tensor_v2, (storage, offset, shape, stride, False, OrderedDict())

    (tmp_path / "masks.pkl").write_bytes(pickle.dumps({"a": Tensor()}))
    with pytest.raises(InputError, match="masks.pkl: holds a tensor (that exceeds|of an impossible)"):
        convert([str(tmp_path / "masks.pkl"), str(tmp_path / "ours.safetensors")])


@pytest.mark.parametrize("keep", [0, 1, 100, 300])
def test_pickles_cut_short_are_refused(tmp_path, keep):
    content = pickle.dumps({"happy_top500": torch.ones(3, 5)})
    (tmp_path / "masks.pkl").write_bytes(content[:keep])
    with pytest.raises(InputError, match="masks.pkl: not read"):
        convert([str(tmp_path / "masks.pkl"), str(tmp_path / "ours.safetensors")])


def test_the_studys_files_survive_both_ways(raw, tmp_path):
    for kind, (folder, _) in released.KINDS.items():
        source = raw("masking", f"Result/masking/RoBERTa/{folder}/Acc_perSeed_JSON/remorse-42.json")
        ours = tmp_path / kind / "remorse-42.csv"
        back = convert_and_back(source, ours, tmp_path / "back" / kind / "remorse-42.json")
        assert json.loads(back.read_text()) == json.loads(source.read_text())
    table = pd.read_csv(ours, index_col="mask")
    accuracy = json.loads(source.read_text())["non-novelty_random4000"]
    assert table.loc["random/novelty/4000/1", "accuracy"] == pytest.approx(100 * accuracy, rel=1e-15)
    source = raw("activations", released.activations_path("remorse", 42))
    back = convert_and_back(source, tmp_path / "remorse-42.safetensors", tmp_path / "back/remorse-42.csv")
    assert back.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name, text, message", [
    ("joy-1.json", '{"sentiment": "joy", "seed": 3}', "must be named joy-1"),
    ("joy-1.json", '{"sentiment": "joy", "seed": 1, "best": 83}', "best is not an accuracy"),
    ("joy-1.json", "[1]", "must hold a JSON object"),
    ("joy-1.json", '{"best": 0.8}', "must hold sentiment"),
    ("joy-1.json", "{", "not JSON"),
    ("joy-1.json", "[" * 100_000, "not JSON"),
    ("joy-1.json", '{"sentiment": "joy", "seed": 1, "best": 0.8, "best": 0.9}', "holds 'best' twice"),
    ("joy.csv", "0\n1\n", "must be named after its emotion and seed"),
    ("joy-1.csv", "0,1\n1,2\n", "are not 12 layers"),
])  # fmt: skip
def test_malformed_files_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    target = "joy-1.csv" if name.endswith("json") else "ours.safetensors"
    with pytest.raises(UserError, match=message) as said:
        convert([str(tmp_path / name), str(tmp_path / target)])
    assert "\n" not in str(said.value)


def test_the_released_layout_survives_both_ways(raw, tmp_path):
    """Two emotions and two seeds of the study's files, byte for byte or number for number."""
    cells = [(emotion, seed) for seed in (1, 42) for emotion in ("joy", "remorse")]
    theirs, names = tmp_path / "theirs", []
    for cell in cells:
        names += [("activations", released.activations_path(*cell))]
        names += [("masking", released.masked_path(kind, *cell)) for kind in released.KINDS]
    for group, name in names:
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(raw(group, name), theirs / name)
    accuracy = released.UNMASKED
    lines = raw("activations", accuracy).read_text().splitlines(keepends=True)
    kept = tuple(f"{emotion},{seed}," for emotion, seed in cells)
    (theirs / accuracy).write_text(lines[0] + "".join(line for line in lines if line.startswith(kept)))

    convert([str(theirs), str(tmp_path / "run")])
    convert([str(tmp_path / "run"), str(tmp_path / "back")])
    written = {path.relative_to(tmp_path / "back").as_posix() for path in (tmp_path / "back").rglob("*.*")}
    assert written == {accuracy, *(name for _, name in names)}
    for name in written:
        one, other = (theirs / name).read_text(), (tmp_path / "back" / name).read_text()
        if name.endswith(".csv"):
            assert one == other
        else:
            # the study's unmasked accuracies differ in the last digit between its two kinds of file
            one, other = json.loads(one), json.loads(other)
            assert one.pop("best") == pytest.approx(other.pop("best"), abs=1e-15) and one == other


def made_up_run(folder, shared):
    """Write a run of 2 seeds, 3 emotions and 12 layers of 2; return its tables."""
    generator = np.random.default_rng(5)
    seeds, emotions = (2, 9), ("joy", "fear", "own-emotion")
    values = generator.normal(size=(2, 3, 24)).astype(np.float32) * 1e-4
    write_activations(Activations(values, seeds, emotions, 12, 2, "tiny"), folder / "activations.safetensors")
    cells = [(emotion, seed) for emotion in emotions for seed in seeds]
    accuracy = pd.DataFrame([(*cell, generator.random(), 0.5, 40) for cell in cells], columns=ACCURACY)
    rows = [(*cell, a, "attribute", None, k) for cell in cells for k in (3, 5) for a in study.ATTRIBUTES]
    rows += [(*cell, a, "random", draw, 3) for cell in cells for draw in (1, 2, 3)
             for a in ([None] if shared else study.ATTRIBUTES)]  # fmt: skip
    masked = pd.DataFrame([(*row, generator.random(), 40) for row in rows], columns=MASKED_ACCURACY)
    write_csv(accuracy, folder / "accuracy.csv")
    write_csv(masked.astype({"draw": "Int64"}), folder / "masked_accuracy.csv")
    return values, accuracy, masked


@pytest.mark.parametrize("shared", [True, False])
def test_a_run_is_read_back_from_the_released_layout(tmp_path, shared):
    values, accuracy, masked = made_up_run(tmp_path / "run", shared)
    convert([str(tmp_path / "run"), str(tmp_path / "out")])
    convert([str(tmp_path / "out"), str(tmp_path / "again")])
    found = read_activations(tmp_path / "again/activations.safetensors")
    assert (found.seeds, found.layers, found.width) == ((2, 9), 12, 2)
    order = [found.emotions.index(emotion) for emotion in ("joy", "fear", "own-emotion")]
    assert np.array_equal(found.values[:, order].astype(np.float32), values)
    again = read_csv(tmp_path / "again/accuracy.csv").set_index(["emotion", "seed"])["accuracy"]
    assert again.to_dict() == accuracy.set_index(["emotion", "seed"])["accuracy"].to_dict()
    again = read_csv(tmp_path / "again/masked_accuracy.csv")
    assert len(again) == 6 * 14 * 3
    for row in again.itertuples():
        same = (masked["emotion"] == row.emotion) & (masked["seed"] == row.seed) & (masked["k"] == row.k)
        same &= (masked["kind"] == row.kind) & (
            masked["attribute"].isna() | (masked["attribute"] == row.attribute)
        )
        assert same.sum() == (1 if row.kind == "attribute" else 3)
        assert row.accuracy == pytest.approx(masked["accuracy"][same].mean(), abs=1e-15)


@pytest.mark.parametrize("spoil, message", [
    (lambda table: table[table["attribute"] != "control"], "no attribute mask of control with 3 neurons"),
    (lambda table: table.replace("control", "hunger"), "'hunger' is not one of the study's 14 attributes"),
    (lambda table: table.replace("joy", "../joy"), "'../joy' cannot be part of a file's name"),
])  # fmt: skip
def test_a_run_that_the_layout_cannot_hold_is_refused_before_a_file_is_written(tmp_path, spoil, message):
    made_up_run(tmp_path / "run", shared=True)
    path = tmp_path / "run/masked_accuracy.csv"
    write_csv(spoil(read_csv(path, dtype={"draw": "Int64"})), path)
    with pytest.raises(UserError, match=message):
        convert([str(tmp_path / "run"), str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_an_existing_target_and_an_unknown_pair_are_refused(tmp_path):
    (tmp_path / "masks.pkl").touch()
    for target, message in (("masks.pkl", "exists"), ("masks.txt", "not a pair of suffixes")):
        with pytest.raises(UserError, match=message):
            convert([str(tmp_path / "masks.pkl"), str(tmp_path / target)])
    with pytest.raises(UserError, match="none.pkl: not found"):
        convert([str(tmp_path / "none.pkl"), str(tmp_path / "masks.safetensors")])
