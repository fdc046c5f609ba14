"""A backbone: a frozen masked language model, the modules its neurons are watched at, and how words are read from it.

`load` finds the weights (a folder, an installed package that carries the same bytes, the Hub) and checks them; `wrap` takes
a model that is already in memory.
"""

import logging
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import transformers
from torch.nn.functional import linear

from model_emotion.base.errors import UserError
from model_emotion.model import checkpoint
from model_emotion.model.architecture import BackboneError, architecture_of
from model_emotion.model.blocks import Block

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Readout:
    """How words are read from a hidden state: by the language-model head, or, without one, by the tied word embeddings."""

    name: str  # lm_head | tied_embeddings
    steps: tuple[Callable, ...]
    weight: torch.Tensor
    bias: torch.Tensor | None

    def __call__(self, hidden, words):
        """[rows, hidden] states -> [rows, len(words)] logits of the words with those ids."""
        for step in self.steps:
            hidden = step(hidden)
        return linear(hidden, self.weight[words], None if self.bias is None else self.bias[words])


@dataclass(frozen=True)
class FeedForward:
    """The modules of one layer that are watched; see Architecture."""

    before: torch.nn.Module
    activation: torch.nn.Module
    output: torch.nn.Module


@dataclass(frozen=True)
class Backbone:
    """A frozen masked language model. `source` says where its weights came from."""

    name: str
    revision: str
    source: str
    model: transformers.PreTrainedModel
    tokenizer: transformers.PreTrainedTokenizerBase
    ffns: tuple[FeedForward, ...]
    blocks: tuple[Block, ...] | None  # None: its layers are others than Block says
    first_position: int  # the number of the first position, as the model was trained
    readout: Readout

    @property
    def layers(self):
        return len(self.ffns)

    @property
    def width(self):
        """Neurons a layer."""
        return self.ffns[0].output.in_features

    @property
    def embedding_width(self):
        """Numbers in a prompt vector."""
        return self.model.get_input_embeddings().embedding_dim

    @property
    def token_type(self) -> torch.Tensor | None:
        """[embedding] vector of token type 0, which the model adds to each input. None if it has no token types."""
        types = getattr(self.model.base_model.embeddings, "token_type_embeddings", None)
        return None if types is None else types.weight[0]

    @property
    def max_positions(self):
        """Tokens of a row, when positions count from 0."""
        return self.model.config.max_position_embeddings


def load(name, revision="", device="cpu"):
    """Backbone by its name on the Hub, or a folder. Raises BackboneError with one line that says where it looked.

    revision: a commit; a pinned backbone needs none, and a folder has none. Reads safetensors alone and runs no remote code.
    """
    pin = checkpoint.PINS.get(name)
    revision = revision or (pin.revision if pin else "")
    if pin and pin.revision != revision:
        pin = None
    folder, source = checkpoint.find(name, revision, pin)
    try:
        config = checkpoint.configuration(folder, name)
        keys = checkpoint.tensor_names(folder, name, pin)
        if any(key.startswith("lm_predictions.") for key in keys):
            config.legacy = False  # DeBERTa's own head; by default transformers makes another, at random
        with _quiet():
            model, report = transformers.AutoModelForMaskedLM.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except BackboneError:
        raise
    except Exception as error:  # transformers raises of every kind where a file is not what it should be
        raise BackboneError(f"{name}: can't be read from {source}: {checkpoint.one_line(error)}") from None
    headless = _without_head(model, report["missing_keys"], name)
    return wrap(model.to(device), tokenizer, name, revision=revision, source=source, headless=headless)


def wrap(model, tokenizer, name, *, revision="", source="memory", headless=False):
    """Backbone of a transformers masked-LM model in memory, which is frozen. headless: its head is no trained one."""
    architecture = architecture_of(model.config, name)
    for token in ("mask", "cls", "pad"):
        if getattr(tokenizer, f"{token}_token_id") is None:
            raise BackboneError(f"{name}: its tokenizer has no {token} token")
    model.requires_grad_(False).eval()
    encoder, embeddings = model.base_model, model.get_input_embeddings().weight
    layers, heads = (
        encoder.get_submodule(architecture.layers),
        getattr(model.config, "num_attention_heads", None),
    )
    parameters = dict(model.named_parameters(remove_duplicate=False))
    if headless:
        if embeddings.shape[1] != model.config.hidden_size:
            raise BackboneError(
                f"{name}: no language-model head, and word embeddings of another width than its hidden states"
            )
        log.warning("%s has no language-model head: the class is read with its word embeddings", name)
        readout = Readout("tied_embeddings", (), embeddings, None)
    else:
        head = next(head for head in architecture.heads if hasattr(model, head.bias.partition(".")[0]))
        steps = tuple(step if callable(step) else model.get_submodule(step) for step in head.steps)
        readout = Readout("lm_head", steps, parameters[head.weight], parameters.get(head.bias))
    return Backbone(
        name=name,
        revision=revision,
        source=source,
        model=model,
        tokenizer=tokenizer,
        ffns=tuple(FeedForward(*map(layer.get_submodule, architecture.watched)) for layer in layers),
        blocks=architecture.block
        and tuple(Block(heads, *map(layer.get_submodule, architecture.block)) for layer in layers),
        first_position=encoder.embeddings.padding_idx + 1 if architecture.after_padding else 0,
        readout=readout,
    )


def verbalizer_ids(backbone, words):
    """Ids of the verbalizer's two words, each exactly one token as the tokenizer writes a word alone. Raises UserError."""
    tokenizer, ids = backbone.tokenizer, []
    for word in words:
        tokens = tokenizer.encode(word, add_special_tokens=False)
        if len(tokens) != 1 or tokens[0] == tokenizer.unk_token_id:
            pieces = ", ".join(repr(token) for token in tokenizer.convert_ids_to_tokens(tokens))
            raise UserError(
                f"verbalizer: {word!r} is not one token of {backbone.name} but {pieces or 'none'}; take another word"
            )
        ids += tokens
    if len(set(ids)) != 2 or len(ids) != 2:
        raise UserError(f"verbalizer: {', '.join(map(repr, words))}: two different words are needed")
    return ids


def _without_head(model, missing, name):
    """True when all of the head is missing from a checkpoint, False when nothing is. Raises BackboneError for all else."""
    embeddings = model.get_input_embeddings().weight
    in_head = {
        key
        for key, parameter in model.named_parameters(remove_duplicate=False)
        if not key.startswith(f"{model.base_model_prefix}.") and parameter is not embeddings
    }
    missing = set(missing)
    if lost := sorted(missing - in_head) or (missing != in_head and sorted(missing)):
        first = ", ".join(lost[:3]) + " …" * (len(lost) > 3)
        raise BackboneError(f"{name}: the checkpoint lacks {len(lost)} of the model's tensors: {first}")
    return bool(missing)


@contextmanager
def _quiet():
    """transformers without its progress bars and its table of missing keys, which is read here."""
    logs = transformers.utils.logging
    level, bars = logs.get_verbosity(), logs.is_progress_bar_enabled()
    logs.set_verbosity_error()
    logs.disable_progress_bar()
    try:
        yield
    finally:
        logs.set_verbosity(level)
        if bars:
            logs.enable_progress_bar()
