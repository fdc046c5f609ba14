"""Evaluation of pairs of prompt and mask equals one example at a time; the two accuracies by hand."""

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_emotion.model import backbone
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import (
    ACCURACIES,
    NotFiniteError,
    evaluate,
    margins,
    mean_of_batches,
    overall,
)
from model_emotion.model.tasks import Examples

pytestmark = pytest.mark.usefixtures("one_thread")
PAIRS, PROMPT_LEN, COUNT = 7, 3, 23


@pytest.fixture(scope="module")
def tiny():
    return Engine(backbone.wrap(tiny_models.model("roberta"), tiny_models.tokenizer(), "tiny roberta"))


@pytest.fixture(scope="module")
def examples():
    generator = np.random.default_rng(5)
    texts = [[0, *generator.integers(5, 19, generator.integers(0, 12)).tolist(), 2] for _ in range(COUNT)]
    texts[20:] = texts[3], texts[11], texts[3]  # drawn with replacement
    return Examples(texts, generator.integers(0, 2, COUNT))


def pairs(tiny, seed=2):
    """Prompts, and masks with a third of the neurons at 0, of PAIRS pairs."""
    generator = torch.Generator().manual_seed(seed)
    prompts = torch.randn(PAIRS, PROMPT_LEN, tiny.backbone.embedding_width, generator=generator)
    masks = torch.rand(PAIRS, tiny.backbone.layers, tiny.backbone.width, generator=generator) > 1 / 3
    return prompts, masks.to(torch.uint8)


@torch.no_grad()
def one_at_a_time(tiny, prompts, masks, texts):
    """[pairs, n] differences of the two logits, each from a forward pass of its own."""
    found = np.empty((len(prompts), len(texts)), dtype=np.float32)
    for i, prompt in enumerate(prompts):
        for j, text in enumerate(texts):
            mask = None if masks is None else masks[[i]]
            negative, positive = tiny.logits(prompt[None], mask, torch.tensor([text]))[0]
            found[i, j] = positive - negative
    return found


@pytest.fixture(scope="module", params=["pairs", "one prompt", "one mask", "no masks"])
def alone(request, tiny, examples):
    """(prompts, masks, margins one example at a time) for each way to pair prompts and masks."""
    prompts, masks = pairs(tiny)
    given_prompts = prompts[:1] if request.param == "one prompt" else prompts
    given_masks = {"no masks": None, "one mask": masks[:1]}.get(request.param, masks)
    each_prompt = given_prompts.expand_as(prompts)
    each_mask = None if given_masks is None else given_masks.expand_as(masks)
    return given_prompts, given_masks, one_at_a_time(tiny, each_prompt, each_mask, examples.texts)


@pytest.mark.parametrize("rows", [1, 4, 32, 1000])
def test_batches_give_what_one_example_at_a_time_gives(tiny, examples, alone, rows):
    given_prompts, given_masks, expected = alone
    found = margins(tiny, given_prompts, given_masks, examples.texts, rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=0)
    assert found.std(axis=0).min() > 1e-3 and found.std(axis=1).min() > 1e-3
    assert abs(expected).min() > 1e-4  # none so near a tie that rounding decides
    correct = evaluate(tiny, given_prompts, given_masks, examples, rows)
    assert correct.shape == (PAIRS, COUNT) and correct.dtype == bool
    np.testing.assert_array_equal(correct, (expected > 0) == (examples.labels == 1))


def test_numpy_arrays_are_accepted(tiny, examples):
    prompts, masks = pairs(tiny)
    expected = margins(tiny, prompts, masks, examples.texts)
    np.testing.assert_array_equal(margins(tiny, prompts.numpy(), masks.numpy(), examples.texts), expected)


def test_same_bytes_twice(tiny, examples):
    one, two = (margins(tiny, *pairs(tiny), examples.texts) for _ in range(2))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("short", [False, True])
def test_similar_lengths_share_a_batch_and_repeats_are_computed_once(tiny, examples, monkeypatch, short):
    seen, logits, start = [], tiny.logits, tiny.shared_part

    def watched(prompts, masks, ids, attention):
        seen.append(attention.sum(dim=1).tolist())
        return logits(prompts, masks, ids, attention)

    def watched_shared_part(prompts, texts):
        seen.append([len(text) for text in texts])
        return start(prompts, texts)

    monkeypatch.setattr(type(tiny), "can_share", short)
    monkeypatch.setattr(tiny, "logits", watched)
    monkeypatch.setattr(tiny, "shared_part", watched_shared_part)
    progress = []
    prompts, masks = pairs(tiny)
    evaluate(tiny, prompts, masks[:1], examples, rows=10, progress=progress.append)
    distinct = {tuple(text) for text in examples.texts}
    lengths = sum(seen, [])
    assert len(distinct) < COUNT
    assert lengths == sorted(lengths) == sorted(len(text) for text in distinct for _ in range(PAIRS))
    assert {len(batch) for batch in seen[:-1]} == {10}  # every batch is full but the last
    assert sum(progress) == len(distinct) * PAIRS


def test_a_tie_is_class_0(tiny, examples, monkeypatch):
    monkeypatch.setattr(tiny, "_read", lambda state: torch.ones(len(state), 2))
    np.testing.assert_array_equal(evaluate(tiny, pairs(tiny)[0], None, examples)[0], examples.labels == 0)


def test_no_gradient_is_kept(tiny, examples):
    prompts = pairs(tiny)[0].requires_grad_()
    evaluate(tiny, prompts, None, examples)
    assert prompts.grad is None


def test_a_prompt_that_is_not_finite_is_an_error(tiny, examples):
    prompts, masks = pairs(tiny)
    prompts[4, 1, 2] = float("nan")
    with pytest.raises(NotFiniteError, match="from 1 of 7 pairs of prompt and mask, the first is pair 5"):
        evaluate(tiny, prompts, masks, examples)


def test_prompts_and_masks_must_pair(tiny, examples):
    prompts, masks = pairs(tiny)
    with pytest.raises(ValueError, match="7 prompts and 6 masks"):
        evaluate(tiny, prompts, masks[:6], examples)


def test_accuracies_by_hand():
    correct = np.array([[True, True, False, True, False], [False, False, False, False, True]])
    np.testing.assert_allclose(overall(correct), [3 / 5, 1 / 5])
    np.testing.assert_allclose(mean_of_batches(correct, 2), [(1 + 1 / 2 + 0) / 3, (0 + 0 + 1) / 3])
    assert overall(correct[0]).shape == mean_of_batches(correct[0], 2).shape == ()


@given(st.lists(st.booleans(), min_size=1, max_size=700), st.integers(1, 300))
def test_mean_of_batches_is_the_studys_loop(correct, size):
    batches = [correct[start : start + size] for start in range(0, len(correct), size)]
    expected = sum(sum(batch) / len(batch) for batch in batches) / len(batches)
    assert mean_of_batches(np.array(correct), size) == pytest.approx(expected, abs=1e-12)
    assert ACCURACIES["mean_of_batches"](np.array([correct] * 2), size) == pytest.approx(
        [expected] * 2, abs=1e-12
    )


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(1, 20))
def test_batches_of_one_size_have_the_overall_accuracy(correct, size):
    correct = np.array(correct * size)  # a multiple of the size
    assert mean_of_batches(correct, size) == pytest.approx(ACCURACIES["overall"](correct, size), abs=1e-12)
