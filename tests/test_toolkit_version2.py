"""Files of the original toolkit's version 2.0, both ways: activations (.pt) and metrics (JSON)."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from exchange import Evaluated, Malicious, convert_and_back
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from transformers import Trainer, TrainingArguments

from model_emotion.base.errors import InputError, UserError
from model_emotion.base.files import read_tensors, write_json, write_tensors
from model_emotion.project import stage
from model_emotion.toolkit import pickles
from model_emotion.toolkit.convert import main as convert

BEFORE, AFTER = "activated_neuron_before_relu.pt", "activated_neuron_after_relu.pt"
SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 9))
FLOATS = st.sampled_from([np.float32, np.float16, np.float64])
ACTIVATIONS = FLOATS.flatmap(
    lambda kind: arrays(kind, SHAPES, elements={"allow_nan": False, "allow_infinity": False})
)
examples = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def fresh(tmp_path):
    """Return a folder that does not exist yet."""
    return tmp_path / str(len(list(tmp_path.iterdir())))


def refused(source, target):
    """Return the one line with which the command refuses a file. It must not write the target."""
    with pytest.raises(SystemExit) as ended:
        stage.run(lambda: convert([str(source), str(target)]))
    assert not target.exists() and "\n" not in str(ended.value)
    return str(ended.value)


@examples
@given(values=ACTIVATIONS, after=st.booleans())
def test_activations_survive_both_ways_bit_by_bit(tmp_path, values, after):
    folder = fresh(tmp_path)
    folder.mkdir()
    tensor = (torch.from_numpy(values) > 0).int() if after else torch.from_numpy(values)
    name = AFTER if after else BEFORE
    torch.save(tensor, folder / name)
    back = convert_and_back(folder / name, folder / "ours.safetensors", folder / "back" / name)
    found = torch.load(back, weights_only=True)
    assert type(found) is torch.Tensor and (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert found.numpy().tobytes() == tensor.numpy().tobytes()
    tensors, about = read_tensors(folder / "ours.safetensors")
    assert list(tensors) == ["active" if after else "post_gelu"] and about == {"probe": "mask"}


@pytest.mark.parametrize("layers", [None, [2, 0]])
def test_a_view_of_all_positions_as_version_2_saves_it_is_read(tmp_path, layers):
    """Version 2.0 saves a slice of the outputs at all positions, so the file's storage holds them all."""
    torch.manual_seed(3)
    outputs = torch.nn.functional.gelu(torch.stack([torch.randn(1, 7, 5) for _ in range(3)]))
    at_mask = outputs[:, :1, :1, :]
    saved = (at_mask if layers is None else at_mask[torch.tensor(layers)]).view(-1, 5)
    assert layers or saved.untyped_storage().nbytes() == 7 * saved.nbytes
    torch.save(saved, tmp_path / BEFORE)
    convert([str(tmp_path / BEFORE), str(tmp_path / "ours.safetensors")])
    plain = np.array([[outputs[layer, 0, 0, n].item() for n in range(5)] for layer in layers or range(3)])
    np.testing.assert_array_equal(read_tensors(tmp_path / "ours.safetensors")[0]["post_gelu"], plain)


def test_the_trainers_activations_become_both_files(tmp_path):
    before = np.array([[0.5, -0.1, 0.0], [-0.0, 1e-30, -1e-30]], np.float32)
    ours = tmp_path / "activated_neuron.safetensors"
    write_tensors({"pre_gelu": before + 1, "post_gelu": before}, ours, {"probe": "mask", "emotion": "joy"})
    for name in (BEFORE, AFTER):
        convert([str(ours), str(tmp_path / name)])
    assert torch.equal(torch.load(tmp_path / BEFORE), torch.from_numpy(before))
    active = torch.load(tmp_path / AFTER)
    assert active.dtype == torch.int32 and active.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_activations_of_another_probe_are_refused(tmp_path):
    values = {"post_gelu": np.ones((12, 2), np.float32)}
    for probe, name in (("s", "joy-1.pt"), ("mask", "joy-1.csv")):
        write_tensors(values, tmp_path / f"{probe}.safetensors", {"probe": probe})
        message = refused(tmp_path / f"{probe}.safetensors", tmp_path / name)
        assert f"were read with the probe '{probe}'" in message and "activated_neuron(probe=" in message
    convert([str(tmp_path / "s.safetensors"), str(tmp_path / "joy-1.csv")])
    convert([str(tmp_path / "mask.safetensors"), str(tmp_path / "joy-1.pt")])


@pytest.mark.parametrize("tensors, name, message", [
    ({"active": np.ones((2, 2), np.int32)}, BEFORE, "has no tensor `post_gelu`"),
    ({"pre_gelu": np.ones((2, 2))}, AFTER, "has no tensor `active`"),
    ({"active": np.full((2, 2), 2)}, AFTER, "layer 0, neuron 0 .* is neither 0 nor 1"),
    ({"post_gelu": np.array([[1, np.nan]])}, AFTER, "layer 0, neuron 1 .* is not finite"),
    ({"post_gelu": np.ones(4)}, BEFORE, r"post_gelu is \[4\], not \[layers, width\]"),
])  # fmt: skip
def test_files_of_ours_that_version_2_cannot_hold_are_refused(tmp_path, tensors, name, message):
    write_tensors(tensors, tmp_path / "ours.safetensors", {})
    with pytest.raises(UserError, match=message):
        convert([str(tmp_path / "ours.safetensors"), str(tmp_path / name)])
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("tensor, message", [
    (torch.ones(4), r"its tensor is \[4\], not \[layers, width\]"),
    (torch.ones(3, 1, 4), r"\[3, 1, 4\], not"),
    (torch.ones(0, 4), r"\[0, 4\], not"),
    (torch.tensor([[1.0, 2.0], [3.0, float("nan")]]), "layer 1, neuron 1 .* is not finite"),
    (torch.tensor([[float("inf")]]), "layer 0, neuron 0 .* is not finite"),
    (torch.tensor([[0, 2]], dtype=torch.int32), "layer 0, neuron 1 .* is neither 0 nor 1"),
    (torch.ones(2, 2, dtype=torch.int64), "torch.int64, but activations are floats or int32"),
    (torch.ones(2, 2, dtype=torch.complex64), "torch.complex64, but"),
    (torch.ones(2, 2, dtype=torch.bfloat16), "cannot be read as an array"),
    (torch.ones(2, 2).to_sparse(), "cannot be read as an array"),
    (torch.ones(1, 1).expand(2**20, 2**20), "bytes, more than the"),
    ([torch.ones(2, 2)], "has no tensor `best_prompt`"),
    (Malicious("trace"), "it holds more than plain arrays or is damaged"),
])  # fmt: skip
def test_files_with_anything_but_activations_are_refused(tmp_path, tensor, message):
    torch.save(tensor, tmp_path / "joy-1.pt")
    with pytest.raises(InputError, match=message):
        convert([str(tmp_path / "joy-1.pt"), str(tmp_path / "ours.safetensors")])
    assert not (tmp_path / "ours.safetensors").exists()


def test_a_file_with_code_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for made in (Malicious, Evaluated):
        trace = tmp_path / made.__name__
        torch.save(made(trace), tmp_path / BEFORE)
        refused(tmp_path / BEFORE, tmp_path / "ours.safetensors")
        assert not trace.exists()
        torch.load(tmp_path / BEFORE, weights_only=False)
        assert trace.exists()  # the file would have run


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_files_cut_short_are_refused(tmp_path, share):
    content = io.BytesIO()
    torch.save(torch.ones(12, 300), content)
    (tmp_path / BEFORE).write_bytes(content.getvalue()[: int(share * len(content.getvalue()))])
    assert "not read" in refused(tmp_path / BEFORE, tmp_path / "ours.safetensors")


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "LARGEST", 2**20)
    with (
        zipfile.ZipFile(tmp_path / BEFORE, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("archive/data/0", "w") as member,
    ):
        member.write(bytes(2**20 + 1))
    assert (tmp_path / BEFORE).stat().st_size < 2**12
    assert "1,048,577 bytes, more than the 1,048,576" in refused(
        tmp_path / BEFORE, tmp_path / "ours.safetensors"
    )


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(
    lambda name: not name.startswith(("eval_", "init_mem_", "before_init_mem_")) and name != "epoch"
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
PERCENT = st.integers(0, 100) | st.floats(0, 100)


@examples
@given(
    metrics=st.dictionaries(NAMES, NUMBERS | st.lists(NUMBERS)), accuracy=PERCENT, epoch=st.none() | NUMBERS
)
def test_metrics_survive_both_ways_byte_by_byte(tmp_path, metrics, accuracy, epoch):
    folder = fresh(tmp_path)
    folder.mkdir()
    theirs = {f"eval_{name}": value for name, value in metrics.items()} | {"eval_accuracy": accuracy}
    theirs |= {} if epoch is None else {"epoch": epoch}
    source = folder / "eval_prompt_results.json"
    source.write_text(json.dumps(theirs, indent=4, sort_keys=True))
    back = convert_and_back(source, folder / "ours.json", folder / "back.json")
    assert back.read_bytes() == source.read_bytes()
    ours = json.loads((folder / "ours.json").read_text(encoding="utf-8"))
    assert ours == metrics | {"accuracy": accuracy} | ({} if epoch is None else {"epoch": epoch})
    assert next(iter(ours)) == "accuracy"


class Constant(torch.nn.Module):
    """A classifier of two classes that gives each example its own logits."""

    def forward(self, logits, labels):
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


@pytest.mark.parametrize("skip_memory_metrics", [True, False])
def test_the_file_that_transformers_writes_survives_both_ways(tmp_path, skip_memory_metrics):
    logits = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.5, 2.0], [0.0, 3.0]])
    rows = [
        {"logits": row, "labels": torch.tensor(label)}
        for row, label in zip(logits, (1, 1, 1, 0), strict=True)
    ]

    def compute_metrics(p):
        right = p.predictions.argmax(axis=1) == p.label_ids
        return {"accuracy": 100 * float(right.mean()), "right": right.astype(int).tolist()}

    args = TrainingArguments(
        tmp_path, use_cpu=True, disable_tqdm=True, report_to="none", skip_memory_metrics=skip_memory_metrics
    )
    trainer = Trainer(Constant(), args, eval_dataset=rows, compute_metrics=compute_metrics)
    trainer.state.epoch = 3.0
    trainer.save_metrics("eval_prompt", trainer.evaluate())
    source = tmp_path / "eval_prompt_results.json"
    assert ("before_init_mem_cpu" in json.loads(source.read_text())) != skip_memory_metrics
    back = convert_and_back(source, tmp_path / "ours.json", tmp_path / "back.json")
    assert back.read_bytes() == source.read_bytes()
    ours = json.loads((tmp_path / "ours.json").read_text())
    assert (ours["accuracy"], ours["right"], ours["epoch"]) == (50.0, [1, 0, 1, 0], 3.0)
    loss = -np.log(np.exp([1, 0, 2, 0]) / np.exp(logits.numpy()).sum(axis=1)).mean()
    assert ours["loss"] == pytest.approx(loss, rel=1e-6)


def test_metrics_of_ours_get_transformers_names(tmp_path):
    ours = {"accuracy": 87.5, "majority": 50.0, "n": 8, "f1": 0.875}
    write_json(ours, tmp_path / "dev_results.json")
    convert_and_back(tmp_path / "dev_results.json", tmp_path / "theirs.json", tmp_path / "again.json")
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    assert theirs == {"eval_accuracy": 87.5, "eval_majority": 50.0, "eval_n": 8, "eval_f1": 0.875}
    assert json.loads((tmp_path / "again.json").read_text()) == ours


@pytest.mark.parametrize("text, message", [
    ("", "not JSON"),
    ('{"eval_accuracy": 50', "not JSON"),
    ("[" * 100_000, "not JSON"),
    ("[50]", "must hold a JSON object"),
    ("{}", "holds no accuracy in percent"),
    ('{"eval_loss": 0.5}', "holds no accuracy in percent"),
    ('{"eval_accuracy": 101}', "holds no accuracy in percent"),
    ('{"eval_accuracy": "50"}', "holds no accuracy in percent"),
    ('{"eval_accuracy": true}', "holds no accuracy in percent"),
    ('{"eval_accuracy": NaN}', "eval_accuracy is not a finite number"),
    ('{"eval_accuracy": 50, "eval_loss": 1e999}', "eval_loss is not a finite number"),
    ('{"eval_accuracy": 50, "eval_all": [1, [-Infinity]]}', "eval_all is not a finite number"),
    ('{"eval_accuracy": 50, "eval_accuracy": 60}', "holds 'eval_accuracy' twice"),
    ('{"eval_accuracy": 50, "train_loss": 1}', "'train_loss' is not a metric"),
    ('{"eval_accuracy": 50, "accuracy": 60}', "'accuracy' is not a metric"),
    ('{"eval_accuracy": 50, "eval_eval_f1": 60}', "'eval_eval_f1' is not a metric"),
    ('{"eval_accuracy": 50, "eval_epoch": 60}', "'eval_epoch' is not a metric"),
    ('{"eval_accuracy": 50, "eval_": 60}', "'eval_' is not a metric"),
])  # fmt: skip
def test_metrics_that_version_2_does_not_write_are_refused(tmp_path, text, message):
    (tmp_path / "eval_prompt_results.json").write_text(text)
    assert message in refused(tmp_path / "eval_prompt_results.json", tmp_path / "ours.json")
