"""The steps of a training: AdamW, clipping, the learning rate, the order of the examples, and their parts."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from prompt_tasks import SEEDS, SHORT, Padded, engine, tasks

from model_emotion.model import training, tuning
from model_emotion.model.engine import Engine
from model_emotion.model.optimiser import AdamW, clipped
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_without_padding_each_step_is_the_same():
    steps, (train, dev) = [], tasks(SEEDS)
    tiny = engine()
    for unmasked in (tiny.masked_weights(), None):
        group = training.Training(tiny, "joy", SEEDS, train, dev, SHORT)
        group.optimiser.step = lambda gradient, lr: steps.append(gradient.clone())
        assert tuning._step(tiny, [group], SHORT.prompt_len, unmasked) == 15
    assert steps[0].abs().max() > 0.01
    torch.testing.assert_close(*steps, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", [Engine, Padded])
def test_a_step_in_parts_is_the_same(monkeypatch, kind):
    steps, (train, dev) = [], tasks(SEEDS)
    tiny = engine(kind)
    for at_once in (1, 60, 10**6):
        monkeypatch.setitem(tuning.AT_ONCE, "cpu", at_once)
        group = training.Training(tiny, "joy", SEEDS, train, dev, SHORT)
        group.failed[3] = "some steps ago"
        monkeypatch.setattr(group.optimiser, "step", lambda gradient, lr: steps.append(gradient))
        tuning._step(tiny, [group], SHORT.prompt_len, tiny.masked_weights() if tiny.can_share else None)
        steps.append(torch.from_numpy(group.losses[0][[0, 2]]))
    assert len(tuning._parts(train[0].texts, SHORT.prompt_len, at_once)) == 1 and not steps[0][1].any()
    for part in (0, 1):
        for other in (2, 4):
            torch.testing.assert_close(steps[part], steps[part + other], atol=1e-6, rtol=1e-5)


def test_first_values_follow_the_recipe():
    tiny = engine(max_position_embeddings=300)

    def started(emotion, seed, **options):
        """The prompt before any step: at a learning rate of 0."""
        recipe = Recipe(epochs=1, lr=0.0, dropout=False, **options)
        return tune(tiny, emotion, [seed], *tasks([seed], 2, 2), recipe).prompts[0]

    many = [started(emotion, seed, prompt_len=200) for emotion in ("joy", "fear") for seed in (1, 3)]
    for prompt in many:
        assert abs(prompt.mean()) < 0.001 and 0.0195 < prompt.std() < 0.0205
    assert len({tuple(prompt.flatten().tolist()) for prompt in many}) == 4
    expected = tiny.backbone.model.get_input_embeddings().weight[4].expand(6, -1)
    assert torch.equal(started("joy", 1, prompt_len=6, prompt_init="mask"), expected)


@pytest.mark.parametrize("epsilon", [1e-6, 1e-2])
@pytest.mark.parametrize("correct_bias", [False, True])
def test_adamw_by_hand(correct_bias, epsilon):
    generator = np.random.default_rng(3)
    values, gradients = generator.normal(size=4), generator.normal(size=(7, 4))
    tensor = torch.from_numpy(values.copy())
    optimiser = AdamW(tensor, weight_decay=0.1, correct_bias=correct_bias, epsilon=epsilon)
    for gradient in gradients:
        optimiser.step(torch.from_numpy(gradient), lr=0.05)
    for i, value in enumerate(values):
        m = v = 0.0
        for t, gradient in enumerate(gradients[:, i], start=1):
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            factor = math.sqrt(1 - 0.999**t) / (1 - 0.9**t) if correct_bias else 1
            value -= 0.05 * factor * m / (math.sqrt(v) + epsilon)
            value -= 0.05 * 0.1 * value
        assert tensor[i].item() == pytest.approx(value, abs=1e-12)


def test_adamw_with_correction_is_torchs():
    generator = torch.Generator().manual_seed(1)
    ours, theirs = torch.ones(5), torch.nn.Parameter(torch.ones(5))
    optimiser, reference = (
        AdamW(ours, 0.0, correct_bias=True),
        torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.0),
    )
    for _ in range(20):
        theirs.grad = torch.randn(5, generator=generator)
        optimiser.step(theirs.grad, 0.1)
        reference.step()
    torch.testing.assert_close(ours, theirs.detach(), atol=1e-4, rtol=0)


def test_clipping_is_torchs_for_each_prompt():
    gradients = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(2))
    gradients *= torch.tensor([0.01, 1, 10])[:, None, None]
    found = clipped(gradients, 1.0)
    for own, gradient in zip(found, gradients, strict=True):
        parameter = torch.nn.Parameter(torch.zeros(4, 5))
        parameter.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_([parameter], 1.0)
        torch.testing.assert_close(own, parameter.grad, atol=1e-7, rtol=1e-6)
    assert torch.equal(found[0], gradients[0]) and not torch.equal(found[1], gradients[1])


@pytest.mark.parametrize("norm, epsilon", [(0.0, 1e-6), (0.05, 1e-4)])
def test_a_training_takes_the_steps_of_its_recipe(monkeypatch, norm, epsilon):
    """The steps are written out, so that the default ones stay the same to the last bit."""
    recipe = Recipe(prompt_len=4, epochs=1, batch=5, dropout=False)
    if norm:
        recipe = replace(recipe, max_grad_norm=norm, epsilon=epsilon)
    tiny, (train, dev), gradients = engine(), tasks([1, 3]), []
    started = tune(tiny, "joy", [1, 3], train, dev, replace(recipe, lr=0.0)).prompts
    step = training.Training.step
    monkeypatch.setattr(
        training.Training, "step", lambda self, *given: (gradients.append(given[0]), step(self, *given))
    )
    found = tune(tiny, "joy", [1, 3], train, dev, recipe).prompts
    mean = square = torch.zeros_like(started)
    for gradient in gradients:
        if norm:
            gradient = gradient * (norm / (gradient.norm(dim=(1, 2)) + 1e-6)).clamp(max=1)[:, None, None]
        mean = mean.mul(0.9).add_(gradient, alpha=1 - 0.9)
        square = square.mul(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
        started = started.addcdiv(mean, square.sqrt().add_(epsilon), value=-0.002)
        started = started.mul(1 - 0.002 * 0.01)
    assert len(gradients) == 5
    if norm:
        torch.testing.assert_close(found, started, atol=1e-6, rtol=0)
    else:
        assert torch.equal(found, started)


@pytest.mark.parametrize(
    "schedule, expected", [("constant", [0.02] * 6), ("linear", [0.02 * (6 - step) / 6 for step in range(6)])]
)
def test_the_learning_rate_follows_its_schedule(monkeypatch, schedule, expected):
    rates, step = [], AdamW.step
    monkeypatch.setattr(
        AdamW, "step", lambda self, gradient, lr: (rates.append(lr), step(self, gradient, lr))
    )
    tune(engine(), "joy", [1], *tasks([1], train=11), replace(SHORT, epochs=2, schedule=schedule))
    assert rates == pytest.approx(expected)


def test_each_seed_sees_each_example_once_an_epoch_in_an_order_of_its_own(monkeypatch):
    tiny, (train, dev) = engine(Padded), tasks([1, 3], train=13)
    for place, examples in enumerate(train):
        examples.texts[:] = [
            [0, 10 + place, *[9] * i, 2] for i in range(13)
        ]  # the second token tells the seed, the length the example
    seen, logits = [], tiny.logits

    def watched(prompts, masks, ids, attention):
        seen.append(torch.stack([attention.sum(1)[ids[:, 1] == 10 + place] - 3 for place in (0, 1)]))
        return logits(prompts, masks, ids, attention)

    monkeypatch.setattr(tiny, "logits", watched)
    monkeypatch.setattr(training, "evaluate", lambda *_: np.ones((1, 1), bool))
    tune(tiny, "joy", [1, 3], train, dev, replace(SHORT, epochs=2))
    assert [batch.shape[1] for batch in seen] == [5, 5, 3] * 2
    orders = [tuple(order) for half in (seen[:3], seen[3:]) for order in torch.cat(half, dim=1).tolist()]
    assert all(sorted(order) == list(range(13)) for order in orders)
    assert len(set(orders)) == 4
