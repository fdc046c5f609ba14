"""Backbones: reading words with or without a language-model head, the verbalizer, and the default model."""

import json
import logging

import pytest
import tiny_models
import torch
import transformers
from checkpoints import IDS, logits, prompts, refused, saved
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from model_emotion.base.errors import UserError
from model_emotion.model import backbone, checkpoint
from model_emotion.model.architecture import ARCHITECTURES, BackboneError
from model_emotion.model.engine import Engine
from model_emotion.smoke.world import SPECIAL


def test_the_table_and_the_tests_have_the_same_architectures():
    assert set(ARCHITECTURES) == set(tiny_models.CONFIGS)


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_a_saved_model_comes_back(kind, tmp_path, caplog):
    model = tiny_models.model(kind)
    loaded = backbone.load(saved(model, tmp_path))
    assert loaded.readout.name == "lm_head" and not caplog.records
    assert loaded.source == f"the folder {tmp_path}"
    assert (loaded.layers, loaded.width, loaded.embedding_width) == (3, 24, 8 if kind == "electra" else 16)
    assert loaded.first_position == (2 if kind in ("roberta", "mpnet") else 0)
    torch.testing.assert_close(
        logits(loaded), logits(backbone.wrap(model, tiny_models.tokenizer(), "memory")), atol=1e-6, rtol=0
    )
    assert torch.equal(logits(loaded), logits(backbone.load(str(tmp_path))))  # the same files, the same bits
    assert not loaded.model.training and not any(
        parameter.requires_grad for parameter in loaded.model.parameters()
    )


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_without_a_head_a_class_is_read_by_word_embeddings(kind, tmp_path, caplog):
    model = tiny_models.model(kind, **{"embedding_size": 16} if kind == "electra" else {})
    loaded = backbone.load(saved(model.base_model, tmp_path))
    assert loaded.readout.name == "tied_embeddings"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert f"{tmp_path} has no language-model head" in caplog.text

    words = model.get_input_embeddings()
    inputs = tiny_models.embedded(model, prompts(loaded)[0], IDS[0])
    with torch.no_grad():
        positions = torch.arange(inputs.shape[1])[None]
        hidden = model.base_model(inputs_embeds=inputs, position_ids=positions).last_hidden_state[:, 0]
    torch.testing.assert_close(logits(loaded), hidden @ words.weight[[5, 6]].T, atol=1e-5, rtol=0)


def test_an_electra_discriminator_has_no_language_model_head(tmp_path):
    discriminator = tiny_models.model("electra", task="ForPreTraining", embedding_size=16)
    assert backbone.load(saved(discriminator, tmp_path)).readout.name == "tied_embeddings"


def test_without_a_head_embeddings_of_another_width_are_refused(tmp_path):
    folder = saved(tiny_models.model("electra").base_model, tmp_path)
    assert "no language-model head, and word embeddings of another width" in refused(folder)


@pytest.mark.parametrize("kind", ["deberta", "deberta-v2"])
def test_debertas_own_head_is_read_though_transformers_would_make_another(kind, tmp_path):
    model = tiny_models.model(kind, legacy=False)
    folder = saved(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["legacy"]  # as Microsoft's checkpoints
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = backbone.load(folder)
    assert loaded.readout.name == "lm_head"
    inputs = tiny_models.embedded(model, prompts(loaded)[0], IDS[0])
    with torch.no_grad():
        expected = model(inputs_embeds=inputs).logits[:, 0, [5, 6]]
    torch.testing.assert_close(logits(loaded), expected, atol=1e-5, rtol=0)


def tiny(tokenizer=None):
    model = tiny_models.model("bert")
    if tokenizer:
        model.resize_token_embeddings(len(tokenizer))
    return backbone.wrap(model, tokenizer or tiny_models.tokenizer(), "tiny")


def test_the_verbalizer_is_two_single_tokens():
    assert backbone.verbalizer_ids(tiny(), ("negative", "positive")) == [5, 6]
    for words, message in {
        (
            "negative",
            "happy day",
        ): "'happy day' is not one token of tiny but 'happy', 'day'; use another word",
        ("sublime", "positive"): "'sublime' is not one token of tiny but '<unk>'",
        ("", "positive"): "'' is not one token of tiny but none",
        ("happy", "happy"): "'happy', 'happy': give two different words",
        ("happy",): "two different words",
    }.items():
        with pytest.raises(UserError) as error:
            backbone.verbalizer_ids(tiny(), words)
        assert message in str(error.value) and str(error.value).startswith("verbalizer: ")


def test_a_byte_level_verbalizer_has_no_leading_space():
    """RoBERTa's 33407 and 22173 are `negative` and `positive` as they stand, not as after a space."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces, merges = [*SPECIAL.values(), *letters], []
    for word in ("negative", "positive"):
        for end in range(2, len(word) + 1):
            pieces.append(word[:end])
            merges.append((word[: end - 1], word[end - 1]))
        pieces.append(f"Ġ{word}")
        merges.append(("Ġ", word))
    bpe = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, merges))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made = tiny(PreTrainedTokenizerFast(tokenizer_object=bpe, **SPECIAL))
    assert backbone.verbalizer_ids(made, ("negative", "positive")) == [
        pieces.index("negative"),
        pieces.index("positive"),
    ]
    assert backbone.verbalizer_ids(made, (" negative", "positive"))[0] == pieces.index("Ġnegative")


def test_a_tokenizer_without_a_mask_token_is_refused():
    tokenizer = tiny_models.tokenizer()
    tokenizer.mask_token = None
    with pytest.raises(BackboneError, match="tiny: its tokenizer has no mask token"):
        tiny(tokenizer)


def test_loading_restores_the_verbosity_of_transformers(tmp_path, capfd):
    logs = transformers.utils.logging
    folder = saved(tiny_models.model("bert").base_model, tmp_path)
    level = logs.get_verbosity()
    logs.set_verbosity_info()
    logs.enable_progress_bar()
    try:
        backbone.load(folder)
        assert logs.get_verbosity() == logs.INFO and logs.is_progress_bar_enabled()
    finally:
        logs.set_verbosity(level)
    assert "LOAD REPORT" not in "".join(capfd.readouterr())


def test_the_default_backbone():
    """all-MiniLM-L6-v2, where its package is installed."""
    pin = checkpoint.PINS["sentence-transformers/all-MiniLM-L6-v2"]
    if checkpoint.find_spec(pin.folder.partition("/")[0]) is None:
        pytest.skip(f"{pin.package} is not installed")
    loaded = backbone.load("sentence-transformers/all-MiniLM-L6-v2")
    assert (loaded.layers, loaded.width, loaded.embedding_width, loaded.max_positions) == (6, 1536, 384, 512)
    assert loaded.readout.name == "tied_embeddings" and loaded.revision == pin.revision
    assert loaded.tokenizer.convert_ids_to_tokens(
        backbone.verbalizer_ids(loaded, ("negative", "positive"))
    ) == ["negative", "positive"]
    engine = Engine(loaded)
    activations = engine.activations(torch.zeros(1, 2, 384), engine.probe())
    assert activations.shape == (1, 9216) and activations.min() > -0.17001
