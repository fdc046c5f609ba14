"""Tiny models as folders of files, for tests of what is read from them and what is refused."""

import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file

from model_emotion.model import backbone
from model_emotion.model.architecture import BackboneError
from model_emotion.model.engine import Engine

REVISION = "0123456789" * 4
IDS = torch.tensor([[0, 7, 8, 9, 2]])


def saved(model, folder):
    """A model and the tokenizer as a folder of files, as on the Hub."""
    model.save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return str(folder)


def edit(folder, change):
    """Apply `change` to the dict of tensors in a folder's safetensors."""
    tensors = load_file(f"{folder}/model.safetensors")
    save_file(change(tensors), f"{folder}/model.safetensors", {"format": "pt"})


def without(*parts):
    return lambda tensors: {
        name: tensor for name, tensor in tensors.items() if not any(part in name for part in parts)
    }


def prompts(loaded):
    return torch.randn(1, 3, loaded.embedding_width, generator=torch.Generator().manual_seed(1))


def logits(loaded):
    return Engine(loaded).logits(prompts(loaded), None, IDS)


def refused(name, *arguments):
    """The one line that `load` refuses with."""
    with pytest.raises(BackboneError) as error:
        backbone.load(str(name), *arguments)
    assert "\n" not in str(error.value)
    return str(error.value)
