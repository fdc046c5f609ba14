"""Many soft prompts, many neuron masks and many texts through one frozen model at once.

Row i of a batch has its own prompt, mask and text, and its result does not depend on the other rows. As in
the study's code, a row is the embedding of `<mask>`, the prompt's vectors, then `<s>` text `</s>` and
padding. Everything is read at position 0, the `<mask>`: the class from the logits of the verbalizer's two
words, and the activations of all neurons. A neuron is an input of an FFN's output projection, so it is the
output of the activation function, times the gate if there is one. A mask multiplies it in every layer and at
every position.

Nothing here trains. Prompts that require a gradient get one, and dropout is on if the caller has called
`backbone.model.train()`.

`logits` and `activations` run the model's own forward pass, with hooks. If `can_share`, then `shared_part`,
`masked_weights` and `masked_logits` are a faster way to the same logits for many masks of the same rows. They
compute only once what all masks have in common. They leave out padding, neurons that a mask sets to 0, and in
the last layer all positions but 0.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from typing import Any

import torch

from model_emotion.base.errors import UserError
from model_emotion.model.backbone import Backbone, verbalizer_ids
from model_emotion.model.blocks import (
    Block,
    Layout,
    MaskedWeights,
    SharedPart,
    finish_masked,
    mask_weights,
    share_first_layer,
)

POSITIONS = ("zero", "native")
PRECISIONS = ("float32", "bf16", "tf32")
POINTS = ("post_gelu", "pre_gelu", "sign")


class Engine:
    """A backbone ready to be prompted.

    verbalizer: the words of class 0 and class 1.
    positions: `zero` counts positions from 0, as the study did; `native` counts as in the model's own
    training. They differ for RoBERTa and MPNet only.
    precision: of the encoder, never of the readout. `bf16` uses bfloat16 in products, not in sums and norms.
    `tf32` lets a CUDA device multiply matrices in TensorFloat-32; on other devices it equals `float32`.
    scale: multiplies the logits, for a backbone whose logits are far below 1.
    Raises UserError for an unknown or unsupported option.
    """

    def __init__(
        self,
        backbone: Backbone,
        verbalizer: Sequence[str] = ("negative", "positive"),
        positions: str = "zero",
        precision: str = "float32",
        scale: float = 1.0,
    ):
        for key, value, known in (("positions", positions, POSITIONS), ("precision", precision, PRECISIONS)):
            if value not in known:
                raise UserError(f"{key}: {value!r} is not one of {', '.join(known)}")
        if precision == "bf16":
            _check_bf16(backbone)
        self.backbone, self.precision, self.scale = backbone, precision, scale
        self.device, self.dtype = backbone.model.device, backbone.model.dtype
        self.first_position = backbone.first_position if positions == "native" else 0
        products = torch.bfloat16 if precision == "bf16" else self.dtype
        self.blocks: tuple[Block, ...] = tuple(block.to(products) for block in backbone.blocks or ())
        self.words = torch.tensor(verbalizer_ids(backbone, verbalizer), device=self.device)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Make torch multiply float32 matrices in the engine's precision; also needed for backward passes."""
        products = torch.backends.cuda.matmul
        before = products.fp32_precision
        try:
            if self.precision == "tf32" and self.device.type == "cuda":
                products.fp32_precision = "tf32"
            yield
        finally:
            products.fp32_precision = before

    def room(self, prompt_len: int) -> int:
        """Return the most tokens that a text can have beside such a prompt, with `<s>` and `</s>`."""
        return self.backbone.max_positions - self.first_position - 1 - prompt_len

    def pad(self, texts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Lists of token ids -> ids and attention, int64 [rows, longest]."""
        longest = max(map(len, texts))
        ids = torch.full((len(texts), longest), self.backbone.tokenizer.pad_token_id)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = torch.tensor(text)
        attention = torch.arange(longest) < torch.tensor([[len(text)] for text in texts])
        return ids.to(self.device), attention.long().to(self.device)

    def logits(
        self,
        prompts: torch.Tensor,
        masks: torch.Tensor | None,
        ids: torch.Tensor,
        attention: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Compute the logits [rows, 2] of the verbalizer's words, times the scale, in the model's own type.

        prompts: [rows, prompt_len, embedding]. masks: [rows, layers, width] of any numbers, or None.
        ids: [rows, tokens] of `<s>` text `</s>` and padding. attention: like ids, 0 at padding; None: no
        padding. Masks, ids and attention may have a single row for all. A prompt that is not finite makes
        only its own rows NaN. Raises UserError for prompts or masks of another model, and for too many
        tokens.
        """
        with ExitStack() as hooks:
            if masks is not None:
                self._check_masks(masks, len(prompts))
                masks = masks.to(self.device)
                for layer, ffn in enumerate(self.backbone.ffns):
                    hook = _multiply(masks[:, layer, None])
                    hooks.enter_context(ffn.output.register_forward_pre_hook(hook))
            hidden = self._hidden(prompts, ids, attention)
        return self._read(hidden)

    @torch.no_grad()
    def activations(
        self,
        prompts: torch.Tensor,
        ids: torch.Tensor,
        attention: torch.Tensor | None = None,
        point: str = "post_gelu",
    ) -> torch.Tensor:
        """Compute the activations [rows, layers x width] at position 0, layer by layer.

        Arguments as those of `logits`. point: `post_gelu`, the neuron itself; `pre_gelu`, the input of the
        activation function; `sign`, the sign of that input, -1, 0 or 1. Their type is the model's own.
        Raises UserError for any other.
        """
        if point not in POINTS:
            raise UserError(f"activation.point: {point!r} is not one of {', '.join(POINTS)}")
        found: list[torch.Tensor] = []
        with ExitStack() as hooks:
            for ffn in self.backbone.ffns:
                module = ffn.output if point == "post_gelu" else ffn.activation
                hooks.enter_context(
                    module.register_forward_pre_hook(
                        lambda module, inputs: found.append(inputs[0][:, 0].to(self.dtype))
                    )
                )
            self._hidden(prompts, ids, attention)
        activations = torch.cat(found, dim=1)
        return activations.sign() if point == "sign" else activations

    def probe(self, kind: str = "s") -> torch.Tensor:
        """Return ids [1, 1] of the text that activations are recorded with: `<s>` alone, or `<mask>`.

        The study's version 1 used `<s>`, its version 2 `<mask>`.
        """
        tokenizer = self.backbone.tokenizer
        token = {"s": tokenizer.cls_token_id, "mask": tokenizer.mask_token_id}[kind]
        return torch.tensor([[token]], device=self.device)

    @property
    def can_share(self) -> bool:
        """Whether `shared_part`, `masked_weights` and `masked_logits` support this architecture."""
        return bool(self.blocks)

    def shared_part(self, prompts: torch.Tensor, texts: Sequence[Sequence[int]]) -> SharedPart:
        """Compute what all masks have in common, for `masked_logits`. Dropout is never applied.

        prompts: [rows, prompt_len, embedding]. texts: the token ids of each row; sort rows by length for
        speed.
        """
        lengths = [len(text) for text in texts]
        self._check_prompts(prompts, max(lengths))
        ids = torch.tensor([token for text in texts for token in text], device=self.device)
        tokens, begin = self.backbone.words(ids).split(lengths), self._mask_token()[None]
        rows = zip(self._without_type(prompts), tokens, strict=True)
        inputs = torch.cat([part for prompt, text in rows for part in (begin, prompt, text)])
        runs = ((length, len(list(rows))) for length, rows in groupby(lengths))
        layout = Layout(tuple((rows, 1 + prompts.shape[1] + length) for length, rows in runs), self.device)
        numbers = torch.cat([torch.arange(size).repeat(rows) for rows, size in layout.shapes])
        encoder: Any = self.backbone.model.base_model
        state = encoder.embeddings(
            input_ids=None,
            inputs_embeds=inputs[None],
            position_ids=(numbers.to(self.device) + self.first_position)[None],
        )[0]
        if hasattr(encoder, "embeddings_project"):
            state = encoder.embeddings_project(state)
        with self.computing():
            return share_first_layer(self.blocks[0], state, layout)

    def masked_weights(self, mask: torch.Tensor | None = None) -> MaskedWeights:
        """Return the model's weights under a mask [layers, width] of any numbers; None: no mask.

        Raises UserError for a mask of another model.
        """
        mask = torch.ones(self.backbone.layers, self.backbone.width) if mask is None else mask
        self._check_masks(mask[None], 1)
        return mask_weights(self.blocks, mask.to(self.dtype))

    def masked_logits(self, shared: SharedPart, weights: MaskedWeights) -> torch.Tensor:
        """Compute the logits [rows, 2] that `logits` gives, of the rows in `shared` under one mask."""
        with self.computing():
            state = finish_masked(self.blocks, shared, weights)
        return self._read(state)

    def _read(self, state: torch.Tensor) -> torch.Tensor:
        return self.backbone.readout(state.to(self.dtype), self.words) * self.scale

    def _mask_token(self) -> torch.Tensor:
        return self.backbone.words.weight[self.backbone.tokenizer.mask_token_id]

    def _without_type(self, prompts: torch.Tensor) -> torch.Tensor:
        """Subtract from prompts the token-type vector that the model will add to every input.

        The study's code adds a token type to `<mask>` and the text only, not to the prompt.
        """
        token_type = self.backbone.token_type
        return prompts if token_type is None else prompts - token_type

    def _hidden(
        self, prompts: torch.Tensor, ids: torch.Tensor, attention: torch.Tensor | None
    ) -> torch.Tensor:
        """[rows, hidden] state of position 0 after the last layer."""
        self._check_prompts(prompts, ids.shape[1])
        rows, prompt_len, _ = prompts.shape
        begin, text = self._mask_token().expand(rows, 1, -1), self.backbone.words(ids).expand(rows, -1, -1)
        inputs = torch.cat([begin, self._without_type(prompts), text], dim=1)
        positions = torch.arange(inputs.shape[1], device=self.device) + self.first_position
        attention = torch.ones_like(ids) if attention is None else attention.long()
        seen = torch.cat([attention.new_ones(rows, 1 + prompt_len), attention.expand(rows, -1)], dim=1)
        last = self.backbone.ffns[-1].before
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with last.register_forward_hook(_first_only), self.computing(), autocast:
            states = self.backbone.model.base_model(
                inputs_embeds=inputs, attention_mask=seen, position_ids=positions.expand(rows, -1)
            )
        return states.last_hidden_state[:, 0]

    def _check_prompts(self, prompts: torch.Tensor, tokens: int) -> None:
        name, width = self.backbone.name, self.backbone.embedding_width
        if prompts.ndim != 3 or prompts.shape[2] != width:
            expected = f"[rows, prompt_len, {width}]"
            raise UserError(f"prompts of shape {list(prompts.shape)}, but {name} takes {expected}")
        prompt_len = prompts.shape[1]
        if tokens > (room := self.room(prompt_len)):
            sizes = f"a prompt of {prompt_len} vectors leaves {room} tokens for a text"
            raise UserError(f"{name}: {sizes}, but one has {tokens}")

    def _check_masks(self, masks: torch.Tensor, rows: int) -> None:
        name, expected = self.backbone.name, [self.backbone.layers, self.backbone.width]
        if (shape := list(masks.shape[-2:])) != expected:
            raise UserError(f"masks of {shape} neurons, but {name} has {expected} (layers, width)")
        if masks.ndim != 3 or len(masks) not in (1, rows):
            raise ValueError(f"masks of shape {list(masks.shape)} for {rows} rows")


def _check_bf16(backbone: Backbone) -> None:
    """Raise UserError if the device or the model cannot compute in bfloat16."""
    device = backbone.model.device
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(
            f"precision: {torch.cuda.get_device_name(device)} does not compute in bfloat16; use float32"
        )
    # transformers fills this model's bfloat16 scores with float32's smallest number.
    if backbone.model.config.model_type == "deberta":
        raise UserError(
            f"precision: transformers can't run {backbone.name} (DeBERTa, version 1) in bfloat16; use float32"
        )


def _multiply(mask: torch.Tensor) -> Callable[[torch.nn.Module, tuple[torch.Tensor]], tuple[torch.Tensor]]:
    """Pre-hook of an output projection: its input [rows, positions, width] times a mask [rows, 1, width]."""
    return lambda module, inputs: (inputs[0] * mask.to(inputs[0].dtype),)


def _first_only(module: torch.nn.Module, inputs: Any, output: Any) -> Any:
    """Hook before the last layer's FFN: only position 0 goes on, since no other is read."""
    return (output[0][:, :1], *output[1:]) if isinstance(output, tuple) else output[:, :1]
