"""Prompt tuning side by side: it equals separate trainings and a plain loop, and it learns."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
from prompt_tasks import SEEDS, SHORT, Padded, engine, tasks
from torch.nn.functional import cross_entropy

from model_emotion.model import training, tuning
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import evaluate, overall
from model_emotion.model.tuning import tune

pytestmark = pytest.mark.usefixtures("one_thread")


def plain(tiny, emotion, seed, train, recipe):
    """A prompt trained one example at a time with transformers' forward pass and AdamW written out."""
    prompt = (
        np.random.default_rng([0, seed, *emotion.encode()])
        .normal(0, 0.02, (recipe.prompt_len, 32))
        .astype(np.float32)
    )
    order = np.random.default_rng([1, seed, *emotion.encode()])
    prompt, first, second = torch.from_numpy(prompt).double(), 0, 0
    for _ in range(recipe.epochs):
        shuffled = order.permutation(len(train))
        for start in range(0, len(train), recipe.batch):
            chosen, gradient = shuffled[start : start + recipe.batch], 0
            for i in chosen:
                leaf = prompt.float().requires_grad_()
                inputs = tiny_models.embedded(tiny.backbone.model, leaf, train.texts[i])
                out = tiny.backbone.model(
                    inputs_embeds=inputs, position_ids=torch.arange(inputs.shape[1])[None]
                )
                loss = cross_entropy(out.logits[0, 0, [5, 6]][None], torch.tensor(train.labels[[i]]))
                gradient = gradient + torch.autograd.grad(loss, leaf)[0].double() / len(chosen)
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            prompt = prompt - recipe.lr * first / (second.sqrt() + 1e-6)
            prompt = prompt - recipe.lr * recipe.weight_decay * prompt
    return prompt.float()


def test_side_by_side_is_three_separate_trainings():
    tiny, (train, dev) = engine(), tasks(SEEDS)
    together = tune(tiny, "joy", SEEDS, train, dev, SHORT)
    assert (
        together.seeds == SEEDS
        and together.prompts.shape == (3, 4, 32)
        and together.prompts.dtype == torch.float32
    )
    for place, seed in enumerate(SEEDS):
        alone = tune(tiny, "joy", [seed], train[place : place + 1], dev[place : place + 1], SHORT)
        torch.testing.assert_close(together.prompts[place], alone.prompts[0], atol=5e-5, rtol=0)
        assert together.best_epoch[place] == alone.best_epoch[0]
        assert together.accuracies[place] == alone.accuracies[0]
        own = together.curve[together.curve["seed"] == seed].reset_index(drop=True)
        np.testing.assert_allclose(own["train_loss"], alone.curve["train_loss"], atol=5e-5)
        np.testing.assert_array_equal(own["dev_accuracy"], alone.curve["dev_accuracy"])
    for other in (1, 2):  # each seed has a prompt of its own
        assert (together.prompts[0] - together.prompts[other]).abs().mean() > 0.02


@pytest.mark.parametrize("kind", [Engine, Padded])
def test_emotions_side_by_side_are_separate_trainings(kind):
    """Tasks of 24, 7 and 40 examples: the shortest ends long before the others."""
    tiny, recipe = engine(kind), replace(SHORT, schedule="linear")
    of = {emotion: tasks([1, 3], train) for emotion, train in (("joy", 24), ("fear", 7), ("love", 40))}
    progress = []
    together = tuning.tune_together(tiny, of, [1, 3], recipe, progress.append)
    assert list(together) == list(of)
    assert (
        progress[:3] == [30, 24, 30]
        and progress[6:8] == [20, 20]
        and progress[-1] == 10
        and sum(progress) == 6 * (24 + 7 + 40)
    )
    for emotion, (train, dev) in of.items():
        alone = tune(tiny, emotion, [1, 3], train, dev, recipe)
        torch.testing.assert_close(together[emotion].prompts, alone.prompts, atol=5e-5, rtol=0)
        np.testing.assert_array_equal(together[emotion].best_epoch, alone.best_epoch)
        pd.testing.assert_frame_equal(together[emotion].curve, alone.curve, atol=5e-5, rtol=0)
    assert (together["joy"].prompts - together["love"].prompts).abs().mean() > 0.02


def test_each_emotion_side_by_side_has_the_gradient_of_its_own_loss():
    tiny, recipe = engine(), replace(SHORT, batch=3)
    made, steps = (
        {
            emotion: training.Training(tiny, emotion, [1, 3], *tasks([1, 3]), recipe)
            for emotion in ("joy", "fear")
        },
        {},
    )
    for emotion, group in made.items():
        group.optimiser.step = lambda gradient, lr, emotion=emotion: steps.update({emotion: gradient})
        group.batches = iter([[np.arange(3), np.arange(3, 6)]])
    tuning._step(tiny, list(made.values()), recipe.prompt_len, tiny.masked_weights())
    for emotion, group in made.items():
        for place, chosen in enumerate([np.arange(3), np.arange(3, 6)]):
            leaf, loss = group.prompts[[place]].clone().requires_grad_(), 0
            for i in chosen:
                logits = tiny.logits(leaf, None, torch.tensor([group.train[place].texts[i]]))
                loss = loss + cross_entropy(logits, torch.tensor(group.train[place].labels[[i]])) / 3
            expected = torch.autograd.grad(loss, leaf)[0]
            assert expected.abs().max() > 1e-3
            torch.testing.assert_close(steps[emotion][[place]], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("many", "rows", "sizes"),
    [
        (27, 4, [4, 4, 4, 3, 3, 3, 3, 3]),
        (27, 48, [1] * 27),
        (9, 4, [3, 2, 2, 2]),
        (4, 4, [2, 2]),
        (33, 4, [3] + [2] * 15),
        (1, 4, [1]),
        (5, 16, [1] * 5),
    ],  # fmt: skip
)
def test_groups_of_emotions(many, rows, sizes):
    emotions = [f"e{number}" for number in range(many)]
    found = tuning.groups(emotions, rows)
    assert [len(group) for group in found] == sizes and sorted(sum(found, ())) == sorted(emotions)
    assert all(len(group) == 1 or len(group) * rows <= tuning.SIDE_BY_SIDE for group in found)


def test_an_emotion_that_is_appended_changes_one_group():
    emotions = [f"e{number}" for number in range(28)]
    before, after = tuning.groups(emotions[:-1], 4), tuning.groups(emotions, 4)
    assert [old == new for old, new in zip(before, after, strict=True)].count(False) == 1


def test_a_plain_loop_gives_the_same_prompt():
    tiny, (train, dev) = engine(), tasks(SEEDS)
    recipe = replace(SHORT, epochs=1)
    tuned = tune(tiny, "joy", SEEDS, train, dev, recipe)
    for place, seed in enumerate(SEEDS):
        torch.testing.assert_close(
            tuned.prompts[place], plain(tiny, "joy", seed, train[place], recipe), atol=5e-5, rtol=0
        )


def test_the_order_of_the_seeds_does_not_matter():
    tiny, (train, dev) = engine(), tasks(SEEDS)
    forward = tune(tiny, "joy", SEEDS, train, dev, replace(SHORT, epochs=1))
    backward = tune(tiny, "joy", SEEDS[::-1], train[::-1], dev[::-1], replace(SHORT, epochs=1))
    torch.testing.assert_close(forward.prompts, backward.prompts.flip(0), atol=5e-5, rtol=0)


def test_it_learns():
    tiny, (train, dev) = engine(), tasks(SEEDS, train=128, dev=100)
    recipe = replace(SHORT, epochs=6, batch=8)
    untrained = [
        training.INITS["normal"](tiny.backbone, 4, np.random.default_rng([0, seed, *b"joy"]))
        for seed in SEEDS
    ]
    before = [
        overall(evaluate(tiny, prompt[None], None, examples))[0]
        for prompt, examples in zip(untrained, dev, strict=True)
    ]
    tuned = tune(tiny, "joy", SEEDS, train, dev, recipe)
    assert 0.4 <= np.mean(before) <= 0.6
    assert tuned.accuracies.min() > 0.9
    after = [overall(evaluate(tiny, tuned.prompts[[i]], None, examples))[0] for i, examples in enumerate(dev)]
    np.testing.assert_array_equal(after, tuned.accuracies)
    losses = tuned.curve.pivot(index="epoch", columns="seed", values="train_loss").to_numpy()
    assert (losses[-1] < 0.3 * losses[0]).all()
    assert all(
        parameter.grad is None and not parameter.requires_grad
        for parameter in tiny.backbone.model.parameters()
    )


def test_the_same_bytes_twice_dropout_on_or_off():
    tiny, (train, dev) = engine(), tasks(SEEDS)
    prompts = {}
    for dropout in (False, True):
        torch.manual_seed(7)  # what the caller draws elsewhere
        before = torch.get_rng_state()
        one = tune(tiny, "joy", SEEDS, train, dev, replace(SHORT, dropout=dropout))
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(3)
        two = tune(engine(), "joy", SEEDS, train, dev, replace(SHORT, dropout=dropout))
        assert one.prompts.numpy().tobytes() == two.prompts.numpy().tobytes()
        assert one.curve.equals(two.curve)
        assert not tiny.backbone.model.training
        prompts[dropout] = one.prompts
    assert (prompts[True] - prompts[False]).abs().max() > 0.01


def test_the_curve_has_a_row_for_each_seed_and_epoch():
    train, dev = tasks(SEEDS[::-1])
    progress = []
    curve = tune(engine(), "joy", SEEDS[::-1], train, dev, SHORT, progress.append).curve
    assert list(curve) == ["emotion", "seed", "epoch", "examples", "train_loss", "dev_accuracy"]
    assert list(curve[["seed", "epoch"]].itertuples(index=False, name=None)) == [
        (s, e) for s in SEEDS[::-1] for e in (1, 2, 3)
    ]
    assert set(curve["emotion"]) == {"joy"} and curve["train_loss"].between(0, 20).all()
    assert progress == [15, 15, 15, 15, 12] * 3


@pytest.mark.parametrize("keep, kept", [("best", [2, 4]), ("last", [4, 4])])
def test_the_prompt_of_the_first_best_epoch_or_of_the_last_is_kept(monkeypatch, keep, kept):
    right = {1: [1, 3, 3, 2], 3: [2, 1, 0, 4]}  # of 4, by epoch
    prompts = {seed: [] for seed in right}
    calls = iter([(seed, epoch) for epoch in range(4) for seed in right])

    def scripted(engine, prompt, masks, examples, rows):
        seed, epoch = next(calls)
        prompts[seed].append(prompt[0].clone())
        return np.arange(4)[None] < right[seed][epoch]

    monkeypatch.setattr(training, "evaluate", scripted)
    tuned = tune(engine(), "joy", list(right), *tasks(right), replace(SHORT, epochs=4, keep=keep))
    assert tuned.best_epoch.tolist() == kept
    assert tuned.accuracies.tolist() == [right[1][kept[0] - 1] / 4, 1.0]
    assert torch.equal(tuned.prompts, torch.stack([prompts[1][kept[0] - 1], prompts[3][3]]))
    assert not torch.equal(prompts[1][1], prompts[1][2])
    assert tuned.curve["dev_accuracy"].tolist() == [0.25, 0.75, 0.75, 0.5, 0.5, 0.25, 0, 1]


def test_a_training_frees_its_memory_without_the_garbage_collector():
    gc.disable()
    try:
        group = training.Training(engine(), "joy", [1], *tasks([1]), SHORT)
        group.next_batch()
        left = weakref.ref(group)
        del group
        assert left() is None  # without the collector, which may come many prompts later
    finally:
        gc.enable()
