"""Many soft prompts, many neuron masks, many texts through one frozen model at once.

Row i of a batch carries its own prompt, its own mask and its own text, and gives what it would give alone. A row is, as in the
study's code: the embedding of `<mask>`, the prompt's vectors, then `<s>` text `</s>` and padding. Everything is read at
position 0, the `<mask>`: the class from the logits of the verbalizer's two words, the activations of all neurons. A neuron is an
input of an FFN's output projection, that is, the output of the activation function (times the gate where there is one); a mask
multiplies it, in every layer and at every position.

Nothing here trains: prompts that require a gradient get one, and dropout is on when the caller has set `backbone.model.train()`.

`logits` and `activations` watch the model's own forward pass. For many masks of the same rows `start`, `weights` and `finish` are a
shorter way to the same logits, where `shares` says so: the layers written out, with what no mask changes computed once for all masks,
no padding, no neuron that is masked, and of the last layer only what position 0 needs.
"""

from contextlib import ExitStack, contextmanager
from itertools import groupby

import torch
from torch.nn.functional import linear

from model_emotion.base.errors import UserError
from model_emotion.model.backbone import verbalizer_ids
from model_emotion.model.blocks import Layout

POSITIONS = ("zero", "native")
PRECISIONS = ("float32", "bf16", "tf32")
POINTS = ("post_gelu", "pre_gelu", "sign")


class Engine:
    """A backbone ready to be prompted.

    verbalizer: the words of class 0 and class 1. positions: `zero` counts positions from 0, as the study did, `native` as the
    model was trained; they differ on RoBERTa and MPNet only. precision: of the encoder, never of the readout; `bf16` is bfloat16
    in products, not in sums and norms; `tf32` lets a CUDA device multiply matrices in TensorFloat-32 and is `float32`
    elsewhere. scale: the logits are multiplied by it, for a backbone whose logits are far below 1.
    """

    def __init__(
        self, backbone, verbalizer=("negative", "positive"), positions="zero", precision="float32", scale=1.0
    ):
        for key, value, known in (("positions", positions, POSITIONS), ("precision", precision, PRECISIONS)):
            if value not in known:
                raise UserError(f"{key}: {value!r} is not one of {', '.join(known)}")
        self.device = backbone.model.device
        if (
            precision == "bf16"
            and self.device.type == "cuda"
            and not torch.cuda.is_bf16_supported(including_emulation=False)
        ):
            raise UserError(
                f"precision: {torch.cuda.get_device_name(self.device)} does not compute in bfloat16; use float32"
            )
        if (
            precision == "bf16" and backbone.model.config.model_type == "deberta"
        ):  # it fills bfloat16 scores with float32's least number
            raise UserError(
                f"precision: transformers can't run {backbone.name} (DeBERTa, version 1) under bfloat16 autocast; use float32"
            )
        self.backbone = backbone
        self.precision = precision
        self.scale = scale
        self.first_position = backbone.first_position if positions == "native" else 0
        self.dtype = backbone.model.dtype
        products = torch.bfloat16 if precision == "bf16" else self.dtype
        self.blocks = backbone.blocks and tuple(block.to(products) for block in backbone.blocks)
        self.words = torch.tensor(verbalizer_ids(backbone, verbalizer), device=self.device)

    @contextmanager
    def computing(self):
        """torch multiplies float32 matrices in the precision inside and as before outside; a backward pass wants this around it too."""
        products = torch.backends.cuda.matmul
        before = products.fp32_precision
        try:
            if self.precision == "tf32" and self.device.type == "cuda":
                products.fp32_precision = "tf32"
            yield
        finally:
            products.fp32_precision = before

    def room(self, prompt_len):
        """Tokens that a text, `<s>` and `</s>` included, can have beside a prompt of that length."""
        return self.backbone.max_positions - self.first_position - 1 - prompt_len

    def pad(self, texts):
        """Lists of token ids -> ids and attention, int64 [rows, longest]."""
        longest = max(map(len, texts))
        ids = torch.full((len(texts), longest), self.backbone.tokenizer.pad_token_id)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = torch.tensor(text)
        attention = torch.arange(longest) < torch.tensor([[len(text)] for text in texts])
        return ids.to(self.device), attention.long().to(self.device)

    def logits(self, prompts, masks, ids, attention=None):
        """float32 [rows, 2] logits of the verbalizer's words, times the scale.

        prompts: [rows, prompt_len, embedding]. masks: [rows, layers, width] of any numbers, or None. ids: [rows, tokens] of `<s>`
        text `</s>` and padding. attention: like ids, 0 at padding; None: no padding. Masks, ids and attention may have one row for all.
        A prompt that is not finite gives its own rows NaN. Raises UserError for masks of another model and for too many tokens.
        """
        with ExitStack() as hooks:
            if masks is not None:
                self._check(masks, len(prompts))
                masks = masks.to(self.device)
                for layer, ffn in enumerate(self.backbone.ffns):
                    hooks.enter_context(
                        ffn.output.register_forward_pre_hook(_multiply(masks[:, layer, None]))
                    )
            hidden = self._hidden(prompts, ids, attention)
        return self._read(hidden)

    @torch.no_grad()
    def activations(self, prompts, ids, attention=None, point="post_gelu"):
        """float32 [rows, layers x width] activations at position 0, layer by layer; arguments as those of `logits`.

        point: `post_gelu`, the neuron itself; `pre_gelu`, what goes into the activation function; `sign`, the sign of that, -1, 0 or 1.
        """
        if point not in POINTS:
            raise UserError(f"activation.point: {point!r} is not one of {', '.join(POINTS)}")
        found = []
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

    def probe(self, kind="s"):
        """ids [1, 1] of the sentence that activations are recorded with: the token `<s>` alone, or `<mask>` (its version 2)."""
        tokenizer = self.backbone.tokenizer
        return torch.tensor(
            [[{"s": tokenizer.cls_token_id, "mask": tokenizer.mask_token_id}[kind]]], device=self.device
        )

    @property
    def shares(self):
        """Whether `start`, `weights` and `finish` can be used: not with every architecture."""
        return self.blocks is not None

    def start(self, prompts, texts):
        """What no mask changes, for `finish`; never with dropout.

        prompts: [rows, prompt_len, embedding]. texts: a list of token ids for each row; rows of equal length should be neighbours.
        """
        self._fits(prompts, max(map(len, texts)))
        words, encoder, first = (
            self.backbone.model.get_input_embeddings(),
            self.backbone.model.base_model,
            self.blocks[0],
        )
        begin, prompts = words.weight[[self.backbone.tokenizer.mask_token_id]], self._without_type(prompts)
        tokens = words(torch.tensor([token for text in texts for token in text], device=self.device)).split(
            [len(text) for text in texts]
        )
        inputs = torch.cat(
            [part for prompt, text in zip(prompts, tokens, strict=True) for part in (begin, prompt, text)]
        )
        layout = Layout(
            tuple(
                (len(list(rows)), 1 + prompts.shape[1] + length) for length, rows in groupby(map(len, texts))
            ),
            self.device,
        )
        positions = (
            torch.cat([torch.arange(size).repeat(rows) for rows, size in layout.shapes]).to(self.device)
            + self.first_position
        )
        state = encoder.embeddings(input_ids=None, inputs_embeds=inputs[None], position_ids=positions[None])[
            0
        ]
        if hasattr(encoder, "embeddings_project"):
            state = encoder.embeddings_project(state)
        with self.computing():
            state = first.attend(state, layout)
            neurons = first.activation(first.up(state.to(first.dtype)))
            return state + first.down(neurons), neurons, layout

    def weights(self, mask=None):
        """What `finish` needs of a mask [layers, width] of any numbers, None: unmasked. Raises UserError for masks of another model."""
        mask = torch.ones(self.backbone.layers, self.backbone.width) if mask is None else mask
        self._check(mask[None], 1)
        first, *others = zip(self.blocks, mask.to(self.dtype), strict=True)
        return [first[0].difference(first[1]), *(block.reduced(own) for block, own in others)]

    def finish(self, started, weights):
        """float32 [rows, 2] logits as `logits` gives, of what `start` and `weights` gave."""
        state, neurons, layout = started
        first, *others = self.blocks
        changed, difference = weights[0]
        with self.computing():
            state = first.ffn_norm(state + linear(neurons.index_select(1, changed), difference))
            for block, (up, up_bias, down) in zip(others, weights[1:], strict=True):
                state = (
                    block.attend_at_0(state, layout) if block is others[-1] else block.attend(state, layout)
                )
                neurons = block.activation(linear(state.to(block.dtype), up, up_bias))
                state = block.ffn_norm(state + linear(neurons, down, block.down.bias))
        if not others:
            state = torch.cat([rows[:, 0] for rows in layout.rectangles(state)])
        return self._read(state)

    def _read(self, state):
        return self.backbone.readout(state.to(self.dtype), self.words) * self.scale

    def _inputs(self, prompts, ids):
        """[rows, positions, embedding] of `<mask>`, prompt and text, and the number of each position [rows, positions]."""
        self._fits(prompts, ids.shape[1])
        words, rows = self.backbone.model.get_input_embeddings(), len(prompts)
        mask_token = words.weight[self.backbone.tokenizer.mask_token_id]
        parts = mask_token.expand(rows, 1, -1), self._without_type(prompts), words(ids).expand(rows, -1, -1)
        inputs = torch.cat(parts, dim=1)
        return inputs, (torch.arange(inputs.shape[1], device=self.device) + self.first_position).expand(
            rows, -1
        )

    def _without_type(self, prompts):
        """Subtract from prompts the token-type vector that the model will add to every input.

        The study's code adds a token type to `<mask>` and the text only, not to the prompt.
        """
        token_type = self.backbone.token_type
        return prompts if token_type is None else prompts - token_type

    def _hidden(self, prompts, ids, attention):
        """[rows, hidden] state of position 0 after the last layer."""
        model, rows = self.backbone.model, len(prompts)
        inputs, positions = self._inputs(prompts, ids)
        attention = torch.ones_like(ids) if attention is None else attention.long()
        seen = torch.cat([attention.new_ones(rows, 1 + prompts.shape[1]), attention.expand(rows, -1)], dim=1)
        last = self.backbone.ffns[-1].before
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with last.register_forward_hook(_first_only), self.computing(), autocast:
            states = model.base_model(inputs_embeds=inputs, attention_mask=seen, position_ids=positions)
        return states.last_hidden_state[:, 0]

    def _fits(self, prompts, tokens):
        if prompts.ndim != 3 or prompts.shape[2] != self.backbone.embedding_width:
            expected = f"[rows, prompt_len, {self.backbone.embedding_width}]"
            raise UserError(
                f"prompts of shape {list(prompts.shape)}, but {self.backbone.name} takes {expected}"
            )
        if tokens > self.room(prompts.shape[1]):
            sizes = f"a prompt of {prompts.shape[1]} vectors leaves {self.room(prompts.shape[1])} tokens for a text"
            raise UserError(f"{self.backbone.name}: {sizes}, but one has {tokens}")

    def _check(self, masks, rows):
        layers, width = self.backbone.layers, self.backbone.width
        if masks.shape[-2:] != (layers, width):
            raise UserError(
                f"masks of {list(masks.shape[-2:])} neurons, but {self.backbone.name} has [{layers}, {width}] (layers, width)"
            )
        if masks.ndim != 3 or len(masks) not in (1, rows):
            raise ValueError(f"masks of shape {list(masks.shape)} for {rows} rows")


def _multiply(mask):
    """Pre-hook of an output projection: its input [rows, positions, width] times a mask [rows, 1, width]."""
    return lambda module, inputs: (inputs[0] * mask.to(inputs[0].dtype),)


def _first_only(module, inputs, output):
    """Hook before the last layer's FFN: of all positions only the first goes on, since no other is read."""
    return (output[0][:, :1], *output[1:]) if isinstance(output, tuple) else output[:, :1]
