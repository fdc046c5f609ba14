"""Where the neurons of a masked language model sit, and its head: what differs from one architecture to the next, as a table.

Block is a layer of the commonest kind, written out, so that parts of it can be computed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import gelu, scaled_dot_product_attention
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

from model_emotion.cli import UserError


class BackboneError(UserError):
    """A model that can't be had or can't be measured; the message is 'NAME: what is wrong'."""


@dataclass(frozen=True)
class Head:
    """A masked-LM head: steps from the encoder's output to the space of word embeddings, then one logit a word.

    Steps are functions or names of modules; `weight` [vocabulary, embedding] and `bias` [vocabulary] are names of parameters.
    """

    steps: tuple[str | Callable, ...]
    weight: str
    bias: str


@dataclass(frozen=True)
class Architecture:
    """Names of modules: `layers` within the encoder, `before_ffn`, `activation` and `output` within a layer.

    before_ffn: the last module between attention and the feed-forward network (FFN). output: the FFN's output projection; its
    input is the neurons, also where the FFN is gated. after_padding: positions count from the padding's number + 1, not from 0.
    block: names of a layer's modules in the order of Block's, where a layer is what Block says; None elsewhere.
    """

    layers: str
    before_ffn: str
    activation: str
    output: str
    heads: tuple[Head, ...]
    after_padding: bool = False
    block: tuple[str, ...] | None = None

    @property
    def watched(self):
        """Names of the modules in a layer that are watched."""
        return self.before_ffn, self.activation, self.output


_BERT_HEAD = Head(("cls.predictions.transform",), "cls.predictions.decoder.weight", "cls.predictions.decoder.bias")
_ROBERTA_HEAD = Head(("lm_head.dense", gelu, "lm_head.layer_norm"), "lm_head.decoder.weight", "lm_head.decoder.bias")
_DISTILBERT_HEAD = Head(("vocab_transform", "activation", "vocab_layer_norm"), "vocab_projector.weight", "vocab_projector.bias")
_ELECTRA_HEAD = Head(("generator_predictions",), "generator_lm_head.weight", "generator_lm_head.bias")
_MODERNBERT_HEAD = Head(("head",), "decoder.weight", "decoder.bias")
_DEBERTA_HEAD = Head(
    tuple(f"lm_predictions.lm_head.{step}" for step in ("dense", "transform_act_fn", "LayerNorm")),
    "deberta.embeddings.word_embeddings.weight",
    "lm_predictions.lm_head.bias",
)

_BERT = ("encoder.layer", "attention", "intermediate.intermediate_act_fn", "output.dense")
_BERT_BLOCK = (
    *(f"attention.{name}" for name in ("self.query", "self.key", "self.value", "output.dense", "output.LayerNorm")),
    *("intermediate.dense", "intermediate.intermediate_act_fn", "output.dense", "output.LayerNorm"),
)
_DISTILBERT = ("transformer.layer", "sa_layer_norm", "ffn.activation", "ffn.lin2")
_DISTILBERT_BLOCK = (
    *("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm"),
    *("ffn.lin1", "ffn.activation", "ffn.lin2", "output_layer_norm"),
)
ARCHITECTURES = {
    "roberta": Architecture(*_BERT, heads=(_ROBERTA_HEAD,), after_padding=True, block=_BERT_BLOCK),
    "bert": Architecture(*_BERT, heads=(_BERT_HEAD,), block=_BERT_BLOCK),
    "distilbert": Architecture(*_DISTILBERT, heads=(_DISTILBERT_HEAD,), block=_DISTILBERT_BLOCK),
    "electra": Architecture(*_BERT, heads=(_ELECTRA_HEAD,), block=_BERT_BLOCK),
    "mpnet": Architecture(*_BERT, heads=(_ROBERTA_HEAD,), after_padding=True),
    "deberta": Architecture(*_BERT, heads=(_DEBERTA_HEAD, _BERT_HEAD)),
    "deberta-v2": Architecture(*_BERT, heads=(_DEBERTA_HEAD, _BERT_HEAD)),
    "modernbert": Architecture("layers", "mlp_norm", "mlp.act", "mlp.Wo", heads=(_MODERNBERT_HEAD,)),
}
"""Model type, as in a checkpoint's config.json -> Architecture."""


def architecture_of(config, name):
    """Architecture of a configuration. Raises BackboneError for decoders and for what the table does not have."""
    kind, decoder = config.model_type, getattr(config, "is_decoder", False)
    if kind in ARCHITECTURES and not decoder:
        return ARCHITECTURES[kind]
    if decoder or (kind in CAUSAL and kind not in MASKED):
        kind += ", a decoder-only model without a masked token"
    raise BackboneError(f"{name}: can't measure a model of type {kind}; this takes masked encoders: {', '.join(ARCHITECTURES)}")


@dataclass(frozen=True)
class Block:
    """A layer x -> z: y = norm(x + mix(attention(x))), z = ffn_norm(y + down(activation(up(y)))).

    Attention is softmax(query · key / sqrt(width of a head)) · value, and knows positions by x alone. A state [positions, width] holds
    the positions of all rows, one row after another, without padding; shapes: (rows, positions of each) for each stretch of rows of
    one length.
    """

    heads: int
    query: torch.nn.Module
    key: torch.nn.Module
    value: torch.nn.Module
    mix: torch.nn.Module
    norm: torch.nn.Module
    up: torch.nn.Module
    activation: torch.nn.Module
    down: torch.nn.Module
    ffn_norm: torch.nn.Module

    def attend(self, state, shapes):
        """y of all positions, [positions, width]."""
        seen = []
        for parts in zip(*(rectangles(project(state), shapes) for project in (self.query, self.key, self.value)), strict=True):
            by_head = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
            seen.append(scaled_dot_product_attention(*by_head).transpose(1, 2).flatten(2).flatten(0, 1))
        return self.norm(state + self.mix(torch.cat(seen)))

    def attend_at_0(self, state, shapes):
        """y of each row's position 0, [rows, width].

        No key or value is computed: query · (K x) = (query K) · x, and a sum of V x is V of the sum of x. The key's bias adds the same
        to all scores of a row.
        """
        parts = rectangles(state, shapes)
        first = torch.cat([part[:, 0] for part in parts])
        query = self.query(first).unflatten(1, (self.heads, -1))
        scale = query.shape[-1] ** -0.5
        query = torch.einsum("rhw,hwi->rhi", query, self.key.weight.unflatten(0, (self.heads, -1)))
        pairs = zip(query.split([len(part) for part in parts]), parts, strict=True)
        seen = torch.cat([scaled_dot_product_attention(own, part, part, scale=scale) for own, part in pairs])
        seen = torch.einsum("rhi,hwi->rhw", seen, self.value.weight.unflatten(0, (self.heads, -1))).flatten(1) + self.value.bias
        return self.norm(first + self.mix(seen))

    def difference(self, mask, dtype):
        """Numbers of the neurons that a mask [width] changes, and the weight from these to what it adds to `down`'s output."""
        changed = (mask != 1).nonzero()[:, 0]
        return changed, (self.down.weight.index_select(1, changed) * (mask[changed] - 1)).to(dtype)

    def reduced(self, mask, dtype):
        """Weight and bias of `up`, and weight of `down` times the mask, without the neurons whose mask is 0.

        Some of these stay, up to a multiple of 16: a product of other widths takes up to half as long again.
        """
        count = min(-(-int(mask.count_nonzero()) // 16) * 16, len(mask))
        kept = mask.ne(0).byte().argsort(descending=True, stable=True)[:count]
        up, down = self.up.weight.index_select(0, kept), self.down.weight.index_select(1, kept) * mask[kept]
        return up.to(dtype), self.up.bias[kept].to(dtype), down.to(dtype)


def rectangles(state, shapes):
    """Views [rows, positions, width] of a state [all positions, width], one for each of the shapes."""
    parts = state.split([rows * positions for rows, positions in shapes])
    return [part.view(*shape, -1) for part, shape in zip(parts, shapes, strict=True)]
