"""Which examples a prompt gets right, with and without masks: many (prompt, mask) pairs at once.

The class is the likelier of the verbalizer's two words; a tie is class 0. Texts of similar length share a batch, an example that
repeats is computed once, and results come back in the task's order, which the study's mean of batch means depends on.
"""

import numpy as np
import torch

from model_emotion.base.errors import UserError

UNMASKED_BATCH, MASKED_BATCH = 256, 100
"""Batches behind the study's accuracies without and with masks."""

KEPT = 4
"""Batches that wait for all masks, so that a mask's weights are chosen once for them."""


class NotFiniteError(UserError):
    """A prompt, or what a mask leaves of the model, gives logits that are not numbers."""


def evaluate(engine, prompts, masks, examples, rows=32, progress=None):
    """correct: [pairs, n] bool. Pair i is prompt i with mask i; one prompt, or one mask, serves all pairs.

    prompts: [pairs or 1, prompt_len, embedding]. masks: [pairs or 1, layers, width] of any numbers, or None. examples: Examples.
    rows: of a batch, prompts times texts, and times masks where the engine does not share; changes speed and memory only. progress:
    called with the number of examples done. Raises NotFiniteError.
    """
    return (margins(engine, prompts, masks, examples.texts, rows, progress) > 0) == (examples.labels == 1)


@torch.no_grad()
def margins(engine, prompts, masks, texts, rows=32, progress=None):
    """float32 [pairs, n]: how far the logit of class 1 stands above that of class 0; arguments as those of `evaluate`."""
    prompts, masks = torch.as_tensor(prompts), None if masks is None else torch.as_tensor(masks)
    sizes = {len(prompts), len(prompts) if masks is None else len(masks)}
    if len(sizes - {1}) > 1:
        raise ValueError(f"{len(prompts)} prompts and {len(masks)} masks: neither as many nor one for all")
    distinct, place = _by_length(texts)
    way = _shared if engine.shares else _mixed
    found = way(engine, prompts, masks, distinct, rows, progress or (lambda done: None)).cpu()
    bad = sorted({int(pair) for pair in found.isnan().nonzero()[:, 0]})
    if bad:
        raise NotFiniteError(
            f"logits that are not numbers from {len(bad)} of {len(found)} pairs of prompt and mask, the first number {bad[0] + 1}"
        )
    return found[:, place].numpy()


def _mixed(engine, prompts, masks, texts, rows, progress):
    """[pairs, texts] margins, for any engine: batches of all pairs of a text, then of the next."""
    pairs = max(len(prompts), 1 if masks is None else len(masks))
    found = torch.empty(len(texts), pairs, device=engine.device)
    for start in range(0, found.numel(), rows):
        text, pair = np.divmod(np.arange(start, min(start + rows, found.numel())), pairs)
        ids, attention = engine.pad([texts[t] for t in text])
        own = prompts[pair if len(prompts) > 1 else np.zeros_like(pair)].to(engine.device)
        masked = (
            masks if masks is None or len(masks) == 1 else masks[pair]
        )  # the engine takes one mask for all
        found.view(-1)[start : start + len(pair)] = _margin(engine.logits(own, masked, ids, attention))
        progress(len(pair))
    return found.T


def _shared(engine, prompts, masks, texts, rows, progress):
    """[pairs, texts] margins, for an engine that shares: what no mask changes is computed once, and then every mask on it."""
    masks = [None] if masks is None else masks
    if len(prompts) > 1 and len(masks) > 1:
        own = zip(prompts, masks, strict=True)
        return torch.cat(
            [_shared(engine, prompt[None], mask[None], texts, rows, progress) for prompt, mask in own]
        )
    text, prompt = np.divmod(np.arange(len(texts) * len(prompts)), len(prompts))
    found = torch.empty(len(masks), len(text), device=engine.device)
    for first in range(0, len(text), rows * KEPT):
        places = [
            slice(start, start + rows) for start in range(first, min(first + rows * KEPT, len(text)), rows)
        ]
        started = [
            engine.start(prompts[prompt[place]].to(engine.device), [texts[t] for t in text[place]])
            for place in places
        ]
        for mask, margin in zip(masks, found, strict=True):
            weights = engine.weights(mask)
            for place, batch in zip(places, started, strict=True):
                margin[place] = _margin(engine.finish(batch, weights))
                progress(len(text[place]))
    return found.view(len(masks), len(texts), len(prompts)).transpose(1, 2).reshape(-1, len(texts))


def _margin(logits):
    return logits[:, 1] - logits[:, 0]


def _by_length(texts):
    """(different texts, shortest first; [n] place of each text among them)."""
    distinct = {tuple(text): None for text in texts}
    order = {text: place for place, text in enumerate(sorted(distinct, key=len))}
    return list(order), [order[tuple(text)] for text in texts]


def overall(correct, size=None):
    """[..., n] bool -> [...] share of the examples that are right."""
    return np.asarray(correct).mean(axis=-1)


def mean_of_batches(correct, size):
    """[..., n] bool -> [...] mean of the accuracies of consecutive batches, the last one short; the study's accuracy.

    Examples of a short last batch weigh more than others.
    """
    correct = np.asarray(correct, dtype=np.float64)
    starts = np.arange(0, correct.shape[-1], size)
    lengths = np.diff([*starts, correct.shape[-1]])
    return (np.add.reduceat(correct, starts, axis=-1) / lengths).mean(axis=-1)


ACCURACIES = {"overall": overall, "mean_of_batches": mean_of_batches}
"""What `protocol.accuracy` can be; each is called with (correct, size)."""
