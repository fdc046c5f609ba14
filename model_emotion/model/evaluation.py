"""Which examples a prompt gets right, with and without masks: many pairs of a prompt and a mask at once.

The predicted class is the one whose word has the larger logit; in a tie it is class 0. Texts of similar
length share a batch, and a text that occurs several times is computed once. Results are in the task's order,
on which the study's mean of batch means depends.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from model_emotion.base.errors import UserError
from model_emotion.model.engine import Engine
from model_emotion.model.tasks import Examples

UNMASKED_BATCH, MASKED_BATCH = 256, 100
"""The batches that the study averaged accuracies over, without and with masks."""

BATCHES_PER_MASK = 4
"""Batches that are held for each mask, so that a mask's weights are selected once for all of them."""

Texts = Sequence[Sequence[int]]
Progress = Callable[[int], object]


class NotFiniteError(UserError):
    """A prompt, or a mask's remains of the model, gives logits that are not finite numbers."""


def evaluate(
    engine: Engine,
    prompts: ArrayLike | torch.Tensor,
    masks: ArrayLike | torch.Tensor | None,
    examples: Examples,
    rows: int = 32,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return bool [pairs, n]: whether prompt i under mask i is right on each example.

    prompts: [pairs or 1, prompt_len, embedding]. masks: [pairs or 1, layers, width] of any numbers, or None.
    A single prompt or mask serves all pairs. rows: texts of a batch, times prompts, times masks unless the
    engine shares work between masks; it changes speed and memory only. progress: called with the number of
    examples done. Raises NotFiniteError.
    """
    return (margins(engine, prompts, masks, examples.texts, rows, progress) > 0) == (examples.labels == 1)


@torch.no_grad()
def margins(
    engine: Engine,
    prompts: ArrayLike | torch.Tensor,
    masks: ArrayLike | torch.Tensor | None,
    texts: Texts,
    rows: int = 32,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return float32 [pairs, n]: the logit of class 1 minus that of class 0. Arguments as in `evaluate`."""
    prompts, masks = torch.as_tensor(prompts), None if masks is None else torch.as_tensor(masks)
    if masks is not None and len({len(prompts), len(masks)} - {1}) > 1:
        raise ValueError(f"{len(prompts)} prompts and {len(masks)} masks: give equally many, or one for all")
    distinct, places = _by_length(texts)
    compute = _with_shared_work if engine.can_share else _pair_by_pair
    found = compute(engine, prompts, masks, distinct, rows, progress or (lambda done: None)).cpu()
    bad = found.isnan().any(dim=1).nonzero()[:, 0].tolist()
    if bad:
        raise NotFiniteError(
            f"logits that are not numbers from {len(bad)} of {len(found)} pairs of prompt and mask, "
            f"the first is pair {bad[0] + 1}"
        )
    return found[:, places].numpy()


def _pair_by_pair(
    engine: Engine,
    prompts: torch.Tensor,
    masks: torch.Tensor | None,
    texts: Texts,
    rows: int,
    progress: Progress,
) -> torch.Tensor:
    """[pairs, texts] margins, for any engine: batches of all pairs of a text, then of the next text."""
    pairs = max(len(prompts), 1 if masks is None else len(masks))
    found = torch.empty(len(texts), pairs, device=engine.device)
    for start in range(0, found.numel(), rows):
        text, pair = np.divmod(np.arange(start, min(start + rows, found.numel())), pairs)
        ids, attention = engine.pad([texts[t] for t in text])
        own = prompts[pair if len(prompts) > 1 else np.zeros_like(pair)].to(engine.device)
        masked = masks if masks is None or len(masks) == 1 else masks[pair]
        found.view(-1)[start : start + len(pair)] = _margin(engine.logits(own, masked, ids, attention))
        progress(len(pair))
    return found.T


def _with_shared_work(
    engine: Engine,
    prompts: torch.Tensor,
    masks: torch.Tensor | None,
    texts: Texts,
    rows: int,
    progress: Progress,
) -> torch.Tensor:
    """[pairs, texts] margins, for an engine that can share: the common part of all masks is computed once."""
    if masks is not None and len(prompts) > 1 and len(masks) > 1:
        pairs = zip(prompts, masks, strict=True)
        every = (
            _with_shared_work(engine, prompt[None], mask[None], texts, rows, progress)
            for prompt, mask in pairs
        )
        return torch.cat(list(every))
    each_mask = [None] if masks is None else list(masks)
    text, prompt = np.divmod(np.arange(len(texts) * len(prompts)), len(prompts))
    found = torch.empty(len(each_mask), len(text), device=engine.device)
    batches = [slice(start, start + rows) for start in range(0, len(text), rows)]
    for first in range(0, len(batches), BATCHES_PER_MASK):
        held = [
            (
                batch,
                engine.shared_part(prompts[prompt[batch]].to(engine.device), [texts[t] for t in text[batch]]),
            )
            for batch in batches[first : first + BATCHES_PER_MASK]
        ]
        for mask, margin in zip(each_mask, found, strict=True):
            weights = engine.masked_weights(mask)
            for batch, shared in held:
                margin[batch] = _margin(engine.masked_logits(shared, weights))
                progress(len(text[batch]))
    return found.view(len(each_mask), len(texts), -1).transpose(1, 2).reshape(-1, len(texts))


def _margin(logits: torch.Tensor) -> torch.Tensor:
    return logits[:, 1] - logits[:, 0]


def _by_length(texts: Texts) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return the distinct texts, shortest first, and the place of each text among them."""
    distinct = dict.fromkeys(map(tuple, texts))
    order = {text: place for place, text in enumerate(sorted(distinct, key=len))}
    return list(order), [order[tuple(text)] for text in texts]


def overall(correct: ArrayLike, size: int | None = None) -> np.ndarray:
    """[..., n] bool -> [...] share of right examples. `size` is not used."""
    return np.asarray(correct).mean(axis=-1)


def mean_of_batches(correct: ArrayLike, size: int) -> np.ndarray:
    """[..., n] bool -> [...] mean of the accuracies of consecutive batches of `size`; the study's accuracy.

    If the last batch is smaller, its examples count more than others.
    """
    right = np.asarray(correct, dtype=np.float64)
    starts = np.arange(0, right.shape[-1], size)
    lengths = np.diff([*starts, right.shape[-1]])
    return (np.add.reduceat(right, starts, axis=-1) / lengths).mean(axis=-1)


ACCURACIES: dict[str, Callable[[ArrayLike, int], np.ndarray]] = {
    "overall": overall,
    "mean_of_batches": mean_of_batches,
}
"""The values of `protocol.accuracy`; each is called with (correct, size)."""
