"""The supported architectures: a table of the modules that hold a model's neurons and its head.

This module does not import torch, so that a stage can read the size of a model in little time.
"""

from dataclasses import dataclass

from model_emotion.base.errors import UserError

GELU = "gelu()"
"""A step of a head that is a function of torch, not a module."""


class BackboneError(UserError):
    """A model that cannot be found, read or measured; the message starts with its name."""


@dataclass(frozen=True)
class Head:
    """A masked-LM head: steps from the encoder's output to word-embedding space, then one logit per word.

    A step is the name of a module, or GELU. `weight` [vocabulary, embedding] and `bias` [vocabulary] are
    names of parameters.
    """

    steps: tuple[str, ...]
    weight: str
    bias: str


@dataclass(frozen=True)
class Architecture:
    """Names of modules: `layers` within the encoder; `before_ffn`, `activation` and `output` within a layer.

    before_ffn: the last module between attention and the feed-forward network (FFN).
    output: the output projection of the FFN. Its inputs are the neurons, also if the FFN is gated.
    after_padding: native positions count from the padding token's id + 1, not from 0.
    block: names of a layer's modules in the order of Block's fields. None if Block cannot compute such a
    layer.
    layers_key, width_key: keys of config.json for the number of layers, and of neurons in a layer.
    """

    layers: str
    before_ffn: str
    activation: str
    output: str
    heads: tuple[Head, ...]
    after_padding: bool = False
    block: tuple[str, ...] | None = None
    layers_key: str = "num_hidden_layers"
    width_key: str = "intermediate_size"

    @property
    def watched(self) -> tuple[str, str, str]:
        """Names of the modules in a layer that the engine attaches hooks to."""
        return self.before_ffn, self.activation, self.output


_BERT_HEAD = Head(
    ("cls.predictions.transform",), "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"
)
_ROBERTA_HEAD = Head(
    ("lm_head.dense", GELU, "lm_head.layer_norm"), "lm_head.decoder.weight", "lm_head.decoder.bias"
)
_DISTILBERT_HEAD = Head(
    ("vocab_transform", "activation", "vocab_layer_norm"), "vocab_projector.weight", "vocab_projector.bias"
)
_ELECTRA_HEAD = Head(("generator_predictions",), "generator_lm_head.weight", "generator_lm_head.bias")
_MODERNBERT_HEAD = Head(("head",), "decoder.weight", "decoder.bias")
_DEBERTA_HEAD = Head(
    tuple(f"lm_predictions.lm_head.{step}" for step in ("dense", "transform_act_fn", "LayerNorm")),
    "deberta.embeddings.word_embeddings.weight",
    "lm_predictions.lm_head.bias",
)

_BERT = ("encoder.layer", "attention", "intermediate.intermediate_act_fn", "output.dense")
_BERT_BLOCK = (
    *(
        f"attention.{name}"
        for name in ("self.query", "self.key", "self.value", "output.dense", "output.LayerNorm")
    ),
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
    "distilbert": Architecture(
        *_DISTILBERT,
        heads=(_DISTILBERT_HEAD,),
        block=_DISTILBERT_BLOCK,
        layers_key="n_layers",
        width_key="hidden_dim",
    ),
    "electra": Architecture(*_BERT, heads=(_ELECTRA_HEAD,), block=_BERT_BLOCK),
    "mpnet": Architecture(*_BERT, heads=(_ROBERTA_HEAD,), after_padding=True),
    "deberta": Architecture(*_BERT, heads=(_DEBERTA_HEAD, _BERT_HEAD)),
    "deberta-v2": Architecture(*_BERT, heads=(_DEBERTA_HEAD, _BERT_HEAD)),
    "modernbert": Architecture("layers", "mlp_norm", "mlp.act", "mlp.Wo", heads=(_MODERNBERT_HEAD,)),
}
"""The architecture of each model type, as `model_type` in a checkpoint's config.json names it."""


def architecture_of(kind: str, decoder: bool, name: str) -> Architecture:
    """Return the architecture of a model. Raises BackboneError for decoders and unsupported types.

    kind, decoder: `model_type` and `is_decoder` of its configuration. name: of the model, for the message.
    """
    if kind in ARCHITECTURES and not decoder:
        return ARCHITECTURES[kind]
    from transformers.models.auto import modeling_auto as auto

    causal, masked = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if decoder or (kind in causal and kind not in masked):
        problem = (
            f"{kind} is a decoder-only model, and this project measures masked encoders, which read a text "
            "on both sides of a mask token"
        )
    else:
        problem = f"can't measure a model of type {kind}"
    raise BackboneError(
        f"{name}: {problem}. Use a masked encoder of one of these types: {', '.join(ARCHITECTURES)}"
    )
