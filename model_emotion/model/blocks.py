"""Encoder layers of the usual kind written out, so that parts of a layer can be computed on rows without padding."""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch.nn.attention.varlen import varlen_attn
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True)
class Layout:
    """How the positions of many rows, one row after another and without padding, make a state [all positions, width].

    shapes: (rows, positions of each) for each stretch of rows of one length.
    """

    shapes: tuple
    device: torch.device

    def rectangles(self, state):
        """Views [rows, positions, width] of a state, one for each of the shapes."""
        parts = state.split([rows * positions for rows, positions in self.shapes])
        return [part.view(*shape, -1) for part, shape in zip(parts, self.shapes, strict=True)]

    @cached_property
    def starts(self):
        """int32 [rows + 1]: the position where each row starts, and the number of all positions."""
        lengths = torch.tensor([0, *(positions for rows, positions in self.shapes for _ in range(rows))])
        return lengths.cumsum(0).to(self.device, torch.int32)

    @property
    def longest(self):
        return max(positions for _, positions in self.shapes)


@dataclass(frozen=True)
class Block:
    """A layer x -> z: y = norm(x + mix(attention(x))), z = ffn_norm(y + down(activation(up(y)))).

    Attention is softmax(query · key / sqrt(width of a head)) · value, and knows positions by x alone.
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

    def to(self, dtype):
        """This layer with its products in another type, its sums and norms unchanged; itself if it has that type."""
        if dtype == self.dtype:
            return self
        names = ("query", "key", "value", "mix", "up", "down")
        return replace(self, **{name: deepcopy(getattr(self, name)).to(dtype) for name in names})

    @property
    def dtype(self):
        """Of the inputs and outputs of products."""
        return self.down.weight.dtype

    def attend(self, state, layout):
        """y of all positions, [positions, width]."""
        low = state.to(self.dtype)
        parts = (project(low) for project in (self.query, self.key, self.value))
        if self._varied:
            seen = self._varied_attention(*parts, layout.starts, layout, layout.longest)
        else:
            seen = torch.cat(
                [self._attention(*own) for own in zip(*map(layout.rectangles, parts), strict=True)]
            )
        return self.norm(state + self.mix(seen))

    @property
    def _varied(self):
        """Whether one kernel does the attention of rows of all lengths."""
        return self.device.type == "cuda" and self.dtype == torch.bfloat16

    def _varied_attention(self, query, key, value, starts, layout, longest):
        by_head = (part.unflatten(1, (self.heads, -1)) for part in (query, key, value))
        return varlen_attn(*by_head, starts, layout.starts, longest, layout.longest).flatten(1)

    def _attention(self, *parts):
        """[rows x positions, width] of query, key and value [rows, positions, width]."""
        by_head = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        return scaled_dot_product_attention(*by_head).transpose(1, 2).flatten(2).flatten(0, 1)

    def attend_at_0(self, state, layout):
        """y of each row's position 0, [rows, width].

        No key or value is computed: query · (K x) = (query K) · x, and a sum of V x is V of the sum of x. The key's bias adds the same
        to all scores of a row.
        """
        if self._varied:  # there the products cost less than many small kernels
            low, ends = state.to(self.dtype), layout.starts.long()
            first = state[ends[:-1]]
            each = torch.arange(len(ends), device=self.device, dtype=torch.int32)
            seen = self._varied_attention(
                self.query(first.to(self.dtype)), self.key(low), self.value(low), each, layout, 1
            )
            return self.norm(first + self.mix(seen))
        parts = layout.rectangles(state)
        first = torch.cat([part[:, 0] for part in parts])
        query = self.query(first.to(self.dtype)).unflatten(1, (self.heads, -1))
        scale = query.shape[-1] ** -0.5
        query = torch.einsum("rhw,hwi->rhi", query, self.key.weight.unflatten(0, (self.heads, -1)))
        pairs = zip(
            query.split([len(part) for part in parts]), (part.to(self.dtype) for part in parts), strict=True
        )
        seen = torch.cat([scaled_dot_product_attention(own, part, part, scale=scale) for own, part in pairs])
        seen = (
            torch.einsum("rhi,hwi->rhw", seen, self.value.weight.unflatten(0, (self.heads, -1))).flatten(1)
            + self.value.bias
        )
        return self.norm(first + self.mix(seen))

    def difference(self, mask):
        """Numbers of the neurons that a mask [width] changes, and the weight from these to what it adds to `down`'s output."""
        changed = (mask != 1).nonzero()[:, 0]
        factor = (mask[changed] - 1).to(self.device)
        changed = changed.to(self.device)
        return changed, (self.down.weight.index_select(1, changed) * factor).to(self.dtype)

    def reduced(self, mask):
        """Weight and bias of `up`, and weight of `down` times the mask, without the neurons whose mask is 0.

        Some of these stay, up to a multiple of 16 on a CPU, of 64 on a GPU: a product of other widths takes up to half as long again.
        """
        if mask.eq(1).all():  # no copy
            return self.up.weight, self.up.bias, self.down.weight
        of = 64 if self.device.type == "cuda" else 16
        count = min(-(-int(mask.count_nonzero()) // of) * of, len(mask))
        kept = mask.ne(0).byte().argsort(descending=True, stable=True)[:count]
        factor = mask[kept].to(self.device)
        kept = kept.to(self.device)
        down = (self.down.weight.index_select(1, kept) * factor).to(self.dtype)
        return self.up.weight.index_select(0, kept), self.up.bias[kept], down

    @property
    def device(self):
        return self.down.weight.device
