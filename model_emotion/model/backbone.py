"""A frozen masked language model, the modules that hold its neurons, and how words are read from it.

`load` reads a checkpoint; `wrap` takes a model that is already in memory.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
import transformers
from torch.nn.functional import gelu, linear

from model_emotion.base.errors import UserError
from model_emotion.model import checkpoint
from model_emotion.model.architecture import GELU, Architecture, BackboneError, architecture_of
from model_emotion.model.blocks import Block

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Readout:
    """How words are read from a hidden state: by the language-model head, or else by word embeddings."""

    name: str  # lm_head | tied_embeddings
    steps: tuple[Callable[[torch.Tensor], torch.Tensor], ...]
    weight: torch.Tensor
    bias: torch.Tensor | None

    def __call__(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """[rows, hidden] states -> [rows, len(words)] logits of the words with those ids."""
        for step in self.steps:
            hidden = step(hidden)
        return linear(hidden, self.weight[words], None if self.bias is None else self.bias[words])


@dataclass(frozen=True)
class FeedForward:
    """The modules of one layer that the engine attaches hooks to; see Architecture."""

    before: torch.nn.Module
    activation: torch.nn.Module
    output: torch.nn.Linear


@dataclass(frozen=True)
class Backbone:
    """A frozen masked language model.

    source: where its weights came from, for people. blocks: None if Block cannot compute the model's layers.
    first_position: the number of the first position in the model's own training.
    """

    name: str
    revision: str
    source: str
    model: transformers.PreTrainedModel
    tokenizer: transformers.PreTrainedTokenizerBase
    ffns: tuple[FeedForward, ...]
    blocks: tuple[Block, ...] | None
    first_position: int
    readout: Readout

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.ffns)

    @property
    def width(self) -> int:
        """Number of neurons in a layer."""
        return self.ffns[0].output.in_features

    @property
    def words(self) -> torch.nn.Embedding:
        """The word embeddings, [vocabulary, embedding]."""
        return _words(self.model)

    @property
    def embedding_width(self) -> int:
        """Numbers in a prompt vector."""
        return self.words.embedding_dim

    @property
    def token_type(self) -> torch.Tensor | None:
        """[embedding] vector of token type 0, which the model adds to each input; None: it has no types."""
        types = getattr(self.model.base_model.embeddings, "token_type_embeddings", None)
        return None if types is None else types.weight[0]

    @property
    def max_positions(self) -> int:
        """The most tokens in a row if positions count from 0."""
        return self.model.config.max_position_embeddings


def load(name: str, revision: str = "", device: str = "cpu") -> Backbone:
    """Load a backbone by its name on the Hub, or from a folder. Raises BackboneError with one line.

    revision: a commit. A pinned backbone needs none, and a folder has none. Only safetensors files are read.
    No remote code runs.
    """
    found = checkpoint.find(name, revision)
    location, config = found.location, found.config
    if any(tensor.startswith("lm_predictions.") for tensor in found.tensors):
        config.legacy = False  # read the head of Microsoft's checkpoints; the default head would be random
    with location.reading(), _quiet():
        model, report = transformers.AutoModelForMaskedLM.from_pretrained(
            location.folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(location.folder, trust_remote_code=False)
    _check_tokenizer_files(tokenizer, location)
    headless = _without_head(model, report["missing_keys"], name)
    return _assemble(
        model.to(device), tokenizer, found.architecture, name, location.revision, location.source, headless
    )


def wrap(
    model: transformers.PreTrainedModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    name: str,
    *,
    revision: str = "",
    headless: bool = False,
) -> Backbone:
    """Make a backbone of a masked language model in memory, which this freezes.

    headless: its head was not trained, so words are read with its word embeddings. Raises BackboneError.
    """
    decoder = getattr(model.config, "is_decoder", False)
    architecture = architecture_of(model.config.model_type, decoder, name)
    return _assemble(model, tokenizer, architecture, name, revision, "memory", headless)


def _assemble(
    model: transformers.PreTrainedModel,
    tokenizer: transformers.PreTrainedTokenizerBase,
    architecture: Architecture,
    name: str,
    revision: str,
    source: str,
    headless: bool,
) -> Backbone:
    for token in ("mask", "cls", "pad"):
        if getattr(tokenizer, f"{token}_token_id") is None:
            raise BackboneError(f"{name}: its tokenizer has no {token} token, which prompts need")
    tokens, rows = tokenizer.get_vocab(), _words(model).num_embeddings
    if beyond := sorted(token for token, number in tokens.items() if number >= rows):
        raise BackboneError(
            f"{name}: its tokenizer has tokens beyond the model's {rows} word embeddings, such as "
            f"{beyond[0]!r}; remove them from the tokenizer, or call "
            "model.resize_token_embeddings(len(tokenizer)) and save the model again"
        )
    model.requires_grad_(False).eval()
    encoder, blocks = model.base_model, None
    layers = cast(torch.nn.ModuleList, encoder.get_submodule(architecture.layers))
    if architecture.block:
        heads = model.config.num_attention_heads
        blocks = tuple(Block(heads, *_modules(layer, architecture.block)) for layer in layers)
    return Backbone(
        name=name,
        revision=revision,
        source=source,
        model=model,
        tokenizer=tokenizer,
        ffns=tuple(FeedForward(*_modules(layer, architecture.watched)) for layer in layers),
        blocks=blocks,
        first_position=cast(Any, encoder.embeddings).padding_idx + 1 if architecture.after_padding else 0,
        readout=_tied_readout(model, name) if headless else _head_readout(model, architecture),
    )


def _check_tokenizer_files(
    tokenizer: transformers.PreTrainedTokenizerBase, location: checkpoint.Location
) -> None:
    """Raise BackboneError if a folder has no tokenizer. transformers then makes one without words."""
    files = sorted({"tokenizer.json", *tokenizer.vocab_files_names.values()})
    if not any((location.folder / file).is_file() for file in files):
        raise BackboneError(
            f"{location.name}: no tokenizer in {location.folder} (none of {', '.join(files)}); "
            f"save the model's tokenizer there: tokenizer.save_pretrained({str(location.folder)!r})"
        )


def _tied_readout(model: transformers.PreTrainedModel, name: str) -> Readout:
    words = _words(model)
    if words.embedding_dim != model.config.hidden_size:
        raise BackboneError(
            f"{name}: no language-model head, and word embeddings of another width than its hidden states"
        )
    log.warning("%s has no language-model head: the class is read with its word embeddings", name)
    return Readout("tied_embeddings", (), words.weight, None)


def _head_readout(model: transformers.PreTrainedModel, architecture: Architecture) -> Readout:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    head = next(head for head in architecture.heads if hasattr(model, head.bias.partition(".")[0]))
    steps = tuple(gelu if step == GELU else model.get_submodule(step) for step in head.steps)
    return Readout("lm_head", steps, parameters[head.weight], parameters.get(head.bias))


def verbalizer_ids(backbone: Backbone, words: Sequence[str]) -> list[int]:
    """Return the ids of the verbalizer's two words.

    Each must be exactly one token when the tokenizer gets the word alone. Raises UserError.
    """
    tokenizer, ids = backbone.tokenizer, []
    for word in words:
        tokens = tokenizer.encode(word, add_special_tokens=False)
        if len(tokens) != 1 or tokens[0] == tokenizer.unk_token_id:
            pieces = ", ".join(repr(token) for token in tokenizer.convert_ids_to_tokens(tokens))
            raise UserError(
                f"verbalizer: {word!r} is not one token of {backbone.name} but {pieces or 'none'}; "
                "use another word"
            )
        ids += tokens
    if len(set(ids)) != 2 or len(ids) != 2:
        raise UserError(f"verbalizer: {', '.join(map(repr, words))}: give two different words")
    return ids


def _modules(layer: torch.nn.Module, names: Sequence[str]) -> list[Any]:
    return [layer.get_submodule(name) for name in names]


def _words(model: transformers.PreTrainedModel) -> torch.nn.Embedding:
    return cast(torch.nn.Embedding, model.get_input_embeddings())


def _without_head(model: transformers.PreTrainedModel, missing_keys: Sequence[str], name: str) -> bool:
    """Return whether a checkpoint lacks the head. Raises BackboneError if it lacks anything else."""
    words = _words(model).weight
    in_head = {
        key
        for key, parameter in model.named_parameters(remove_duplicate=False)
        if not key.startswith(f"{model.base_model_prefix}.") and parameter is not words
    }
    missing = set(missing_keys)
    if lost := sorted(missing - in_head) or (missing != in_head and sorted(missing)):
        first = ", ".join(lost[:3]) + " …" * (len(lost) > 3)
        raise BackboneError(f"{name}: the checkpoint lacks {len(lost)} of the model's tensors: {first}")
    return bool(missing)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' progress bars and its table of missing weights, which `_without_head` checks."""
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
