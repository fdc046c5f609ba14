"""Encoder layers written out, so that parts of a layer can be computed, on rows without padding."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import linear, scaled_dot_product_attention


@dataclass(frozen=True)
class Layout:
    """How many rows without padding, one after another, make a state [all positions, width].

    shapes: (rows, positions of each) for each run of rows of equal length.
    """

    shapes: tuple[tuple[int, int], ...]
    device: torch.device

    def rectangles(self, state: torch.Tensor) -> list[torch.Tensor]:
        """Views [rows, positions, width] of a state, one for each of the shapes."""
        parts = state.split([rows * positions for rows, positions in self.shapes])
        return [part.view(*shape, -1) for part, shape in zip(parts, self.shapes, strict=True)]

    @cached_property
    def starts(self) -> torch.Tensor:
        """int32 [rows + 1]: the position where each row starts, then the number of all positions."""
        lengths = torch.tensor([0, *(positions for rows, positions in self.shapes for _ in range(rows))])
        return lengths.cumsum(0).to(self.device, torch.int32)

    @property
    def longest(self) -> int:
        """Positions of the longest row."""
        return max(positions for _, positions in self.shapes)


@dataclass(frozen=True)
class ChangedNeurons:
    """What a mask changes in a layer's output: weight [hidden, changed] on the neurons with these numbers."""

    numbers: torch.Tensor
    weight: torch.Tensor


@dataclass(frozen=True)
class ReducedFFN:
    """A feed-forward network (FFN) without neurons that a mask sets to 0; `down` includes the mask."""

    up: torch.Tensor
    up_bias: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True)
class Block:
    """A layer x -> z: y = norm(x + mix(attention(x))), z = ffn_norm(y + down(activation(up(y)))).

    Attention is softmax(query · key / sqrt(width of a head)) · value. It sees positions only through x.
    """

    heads: int
    query: torch.nn.Linear
    key: torch.nn.Linear
    value: torch.nn.Linear
    mix: torch.nn.Linear
    norm: torch.nn.Module
    up: torch.nn.Linear
    activation: torch.nn.Module
    down: torch.nn.Linear
    ffn_norm: torch.nn.Module

    def to(self, dtype: torch.dtype) -> "Block":
        """Return this layer with its products in another type; sums and norms keep theirs."""
        if dtype == self.dtype:
            return self
        names = ("query", "key", "value", "mix", "up", "down")
        return replace(self, **{name: deepcopy(getattr(self, name)).to(dtype) for name in names})

    @property
    def dtype(self) -> torch.dtype:
        """Type of the inputs and outputs of products."""
        return self.down.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the layer is computed."""
        return self.down.weight.device

    def attend(self, state: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Compute y of all positions, [positions, width]."""
        low = state.to(self.dtype)
        query, key, value = (project(low) for project in (self.query, self.key, self.value))
        if self._one_kernel:
            seen = self._attention_of_all(query, key, value, layout.starts, layout.longest, layout)
        else:
            rows = zip(*map(layout.rectangles, (query, key, value)), strict=True)
            seen = torch.cat([self._attention(*own) for own in rows])
        return self.norm(state + self.mix(seen))

    def attend_at_0(self, state: torch.Tensor, layout: Layout) -> torch.Tensor:
        """Compute y of each row's position 0, [rows, width].

        Keys and values are never computed: query · (K x) = (query K) · x, and a sum of V x is V times the
        sum of x. The key's bias adds the same to all scores of a row, so it can be left out.
        """
        if self._one_kernel:  # computing all keys and values costs less there than many small kernels
            low, ends = state.to(self.dtype), layout.starts.long()
            first = state[ends[:-1]]
            each = torch.arange(len(ends), device=self.device, dtype=torch.int32)
            query = self.query(first.to(self.dtype))
            seen = self._attention_of_all(query, self.key(low), self.value(low), each, 1, layout)
            return self.norm(first + self.mix(seen))
        parts = layout.rectangles(state)
        first = torch.cat([part[:, 0] for part in parts])
        query = self.query(first.to(self.dtype)).unflatten(1, (self.heads, -1))
        scale = query.shape[-1] ** -0.5
        query = torch.einsum("rhw,hwi->rhi", query, self._by_head(self.key))
        queries = query.split([len(part) for part in parts])
        pairs = zip(queries, (part.to(self.dtype) for part in parts), strict=True)
        seen = torch.cat([scaled_dot_product_attention(own, part, part, scale=scale) for own, part in pairs])
        seen = torch.einsum("rhi,hwi->rhw", seen, self._by_head(self.value)).flatten(1) + self.value.bias
        return self.norm(first + self.mix(seen))

    def neurons(self, state: torch.Tensor) -> torch.Tensor:
        """Compute the neurons [positions, width of the FFN] of y."""
        return self.activation(self.up(state.to(self.dtype)))

    def masked_ffn(self, state: torch.Tensor, reduced: ReducedFFN) -> torch.Tensor:
        """Compute z of y under a mask."""
        neurons = self.activation(linear(state.to(self.dtype), reduced.up, reduced.up_bias))
        return self.ffn_norm(state + linear(neurons, reduced.down, self.down.bias))

    def changed(self, mask: torch.Tensor) -> ChangedNeurons:
        """Return what a mask [width] changes in the output of `down`."""
        numbers = (mask != 1).nonzero()[:, 0]
        factor = (mask[numbers] - 1).to(self.device)
        numbers = numbers.to(self.device)
        return ChangedNeurons(numbers, (self.down.weight.index_select(1, numbers) * factor).to(self.dtype))

    def reduced(self, mask: torch.Tensor) -> ReducedFFN:
        """Return the FFN under a mask [width].

        The number of neurons is rounded up to a multiple of 16 on a CPU, of 64 on a GPU: a product of another
        width takes up to half as long again.
        """
        if mask.eq(1).all():  # no copy
            return ReducedFFN(self.up.weight, self.up.bias, self.down.weight)
        of = 64 if self.device.type == "cuda" else 16
        count = min(-(-int(mask.count_nonzero()) // of) * of, len(mask))
        kept = mask.ne(0).byte().argsort(descending=True, stable=True)[:count]
        factor = mask[kept].to(self.device)
        kept = kept.to(self.device)
        down = (self.down.weight.index_select(1, kept) * factor).to(self.dtype)
        return ReducedFFN(self.up.weight.index_select(0, kept), self.up.bias[kept], down)

    @property
    def _one_kernel(self) -> bool:
        """Whether one kernel computes the attention of rows of all lengths."""
        return self.device.type == "cuda" and self.dtype == torch.bfloat16

    def _by_head(self, module: torch.nn.Linear) -> torch.Tensor:
        """Weight [heads, width of a head, hidden] of a projection."""
        return module.weight.unflatten(0, (self.heads, -1))

    def _attention_of_all(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        starts: torch.Tensor,
        longest: int,
        layout: Layout,
    ) -> torch.Tensor:
        """[queries, width] attention of rows of all lengths; `starts` and `longest` are of the queries."""
        query, key, value = (part.unflatten(1, (self.heads, -1)) for part in (query, key, value))
        seen = varlen_attn(query, key, value, starts, layout.starts, longest, layout.longest)
        assert isinstance(seen, torch.Tensor)  # it returns a tuple only when asked for more
        return seen.flatten(1)

    def _attention(self, *parts: torch.Tensor) -> torch.Tensor:
        """[rows x positions, width] of query, key and value [rows, positions, width]."""
        query, key, value = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        return scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2).flatten(0, 1)


@dataclass(frozen=True)
class SharedPart:
    """What all masks of the same rows have in common: the first layer without its mask and last norm.

    state [positions, hidden]: y + down(neurons) of the first layer. neurons [positions, width]: its neurons.
    """

    state: torch.Tensor
    neurons: torch.Tensor
    layout: Layout


@dataclass(frozen=True)
class MaskedWeights:
    """A mask as weights: the change that it makes to the first layer, and the other layers' FFNs under it."""

    first: ChangedNeurons
    others: tuple[ReducedFFN, ...]


def share_first_layer(block: Block, embedded: torch.Tensor, layout: Layout) -> SharedPart:
    """Compute what all masks have in common, from the first layer's input [positions, hidden]."""
    state = block.attend(embedded, layout)
    neurons = block.neurons(state)
    return SharedPart(state + block.down(neurons), neurons, layout)


def mask_weights(blocks: Sequence[Block], mask: torch.Tensor) -> MaskedWeights:
    """Return the weights of all layers under a mask [layers, width]."""
    others = (block.reduced(own) for block, own in zip(blocks[1:], mask[1:], strict=True))
    return MaskedWeights(blocks[0].changed(mask[0]), tuple(others))


def finish_masked(blocks: Sequence[Block], shared: SharedPart, weights: MaskedWeights) -> torch.Tensor:
    """Return the states [rows, hidden] of position 0 after the last layer, under a mask."""
    first, *others = blocks
    change = weights.first
    state = shared.state + linear(shared.neurons.index_select(1, change.numbers), change.weight)
    state = first.ffn_norm(state)
    if not others:
        return torch.cat([rows[:, 0] for rows in shared.layout.rectangles(state)])
    for block, reduced in zip(others, weights.others, strict=True):
        attend = block.attend_at_0 if block is others[-1] else block.attend
        state = block.masked_ffn(attend(state, shared.layout), reduced)
    return state
