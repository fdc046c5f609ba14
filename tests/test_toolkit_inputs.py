"""What the toolkit reads: models, tokenizers and tables of texts."""

import re

import numpy as np
import pytest
import tiny_models
import torch
import transformers
from toys import LAYERS, PROMPT_LEN, SETTINGS, TABLE, make_trainer

from model_emotion.base.errors import UserError
from model_emotion.base.files import write_tensors
from model_emotion.model.architecture import BackboneError
from model_emotion.model.engine import Engine
from model_emotion.toolkit.arguments import ModelEmotionArguments
from model_emotion.toolkit.model import AutoTokenizer, RobertaForMaskedLMPrompt
from model_emotion.toolkit.trainer import DATA, ModelEmotionTrainer

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("headless", [False, True])
def test_the_model_is_a_module_that_can_be_saved_and_loaded(tmp_path, headless):
    encoder = tiny_models.model("roberta", num_hidden_layers=LAYERS, hidden_size=32)
    (encoder.base_model if headless else encoder).save_pretrained(tmp_path / "tiny")
    tiny_models.tokenizer().save_pretrained(tmp_path / "tiny")
    model = RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "tiny"), PROMPT_LEN)
    assert isinstance(model, torch.nn.Module) and model.config.num_hidden_layers == LAYERS
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert "prompt" not in model.state_dict()
    model.set_prompt(torch.randn(PROMPT_LEN, 32))
    assert "prompt" in dict(model.named_parameters()) and model.to("cpu") is model
    model.save_pretrained(tmp_path / "saved")
    again = RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "saved"), PROMPT_LEN)
    assert again.backbone.readout.name == model.backbone.readout.name
    ids = torch.tensor([[0, 10, 2]])
    logits = [Engine(own.backbone).logits(own.prompt[None], None, ids) for own in (model, again)]
    torch.testing.assert_close(*logits, atol=1e-6, rtol=0)
    fresh = RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "tiny"), PROMPT_LEN)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(fresh.prompt, model.prompt)
    write_tensors({"prompts": np.zeros((1, 4, 32), np.float32)}, tmp_path / "saved/prompt.safetensors", {})
    with pytest.raises(UserError, match="saved/prompt.safetensors: has no tensor `prompt`"):
        RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path / "saved"), PROMPT_LEN)
    with pytest.raises(UserError, match=r"prompt: its shape is \[3, 32\], but the model takes \[4, 32\]"):
        model.set_prompt(torch.zeros(3, 32))


def test_the_default_backbones_tokenizer_is_found_by_its_name():
    tokenizer = AutoTokenizer.from_pretrained(
        "sentence-transformers/all-MiniLM-L6-v2", max_length=128, use_fast=False
    )
    assert tokenizer("I am happy")["input_ids"] == [101, 1045, 2572, 3407, 102]
    with pytest.raises(BackboneError, match="no-such/model: no weights found"):
        AutoTokenizer.from_pretrained("no-such/model")


def test_a_decoder_only_model_is_one_clear_error(tmp_path):
    config = transformers.GPT2Config(
        vocab_size=19, n_positions=40, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=2
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tiny_models.tokenizer().save_pretrained(tmp_path)
    with pytest.raises(
        BackboneError, match="gpt2 is a decoder-only model, and this project measures masked encoders"
    ) as error:
        RobertaForMaskedLMPrompt.from_pretrained(str(tmp_path))
    assert "\n" not in str(error.value)


def test_inputs_that_do_not_fit_together_are_refused(tiny_roberta, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="num_labels=3"):
        RobertaForMaskedLMPrompt.from_pretrained(tiny_roberta, num_labels=3)
    model = RobertaForMaskedLMPrompt.from_pretrained(tiny_roberta, PROMPT_LEN)

    def attempt(data=TABLE, tokenizer=None, **settings):
        args = ModelEmotionArguments(output_dir="out", **{"backbone": tiny_roberta} | SETTINGS | settings)
        return ModelEmotionTrainer(args, model, tokenizer, data=data)

    with pytest.raises(UserError, match="prompt_len=5, but the model's is 4"):
        attempt(prompt_len=5)
    with pytest.raises(UserError, match="backbone='roberta-base', but the model's is"):
        attempt(backbone="roberta-base")
    with pytest.raises(
        UserError, match="max_source_length=36: beside a prompt of 4 vectors .* has room for 35 tokens"
    ):
        attempt(max_source_length=36)
    with pytest.raises(UserError, match="tokenizer: its vocabulary is not that of"):
        attempt(tokenizer=AutoTokenizer.from_pretrained("sentence-transformers/all-MiniLM-L6-v2"))
    with pytest.raises(UserError, match="data/goemotions.parquet: not found; `dvc repro goemotions`"):
        attempt(data=DATA)
    with pytest.raises(UserError, match="data: no column 'text' among its 2"):
        attempt(data=TABLE[["split", "joy"]])
    with pytest.raises(UserError, match="sentiment: 'hapiness' is no column of data; its labels are"):
        attempt(sentiment="hapiness")
    for method in ("eval_prompt", "activated_neuron", "mask_activated_neuron", "plot_neuron"):
        with pytest.raises(UserError, match="no prompt yet: call train_prompt"):
            getattr(attempt(), method)()


@pytest.mark.parametrize("column, values, message", [
    ("joy", {3: None}, "data: data row 4, column 'joy': is not 0 or 1"),
    ("joy", {3: "yes"}, "data: data row 4, column 'joy': is not 0 or 1"),
    ("text", {3: None}, "data: data row 4, column 'text': is not a text; pandas reads texts such as 'null'"),
    ("text", {3: 3.5}, "data: data row 4, column 'text': is not a text"),
    ("split", {3: "validation"}, "data: data row 4, column 'split': is not train, dev or test"),
])  # fmt: skip
def test_a_table_with_a_missing_cell_is_refused(tiny_roberta, tmp_path, column, values, message):
    """A missing label was taken for `no`."""
    spoilt = TABLE.astype({column: object}).reset_index(drop=True)
    spoilt.loc[list(values), column] = list(values.values())
    with pytest.raises(UserError, match=re.escape(message)):
        make_trainer(tiny_roberta, tmp_path, data=spoilt)


def test_a_csv_file_gives_what_the_same_parquet_file_gives(tiny_roberta, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    capital = TABLE.rename(columns={"joy": "Joy"})
    capital.to_csv("texts.csv", index=False)
    capital.to_parquet("texts.parquet")
    one, other = (
        make_trainer(tiny_roberta, tmp_path, data=f"texts.{kind}", sentiment="Joy")
        for kind in ("csv", "parquet")
    )
    assert one.train_prompt().metrics["dev_accuracy"] == other.train_prompt().metrics["dev_accuracy"]
    torch.testing.assert_close(one.model.prompt, other.model.prompt, rtol=0, atol=0)
    assert (tmp_path / "out/Joy-3.safetensors").is_file()
    assert make_trainer(tiny_roberta, tmp_path, sentiment="Joy").sentiment == "joy"  # as in the original
