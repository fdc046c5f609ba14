"""Prompt tuning side by side: it equals separate trainings and a plain loop, and it learns."""

import gc
import math
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
from torch.nn.functional import cross_entropy

from model_emotion.base.errors import UserError
from model_emotion.model import backbone, training, tuning
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import NotFiniteError, evaluate, overall
from model_emotion.model.optimiser import AdamW, clipped
from model_emotion.model.tasks import Examples
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune

SEEDS = (1, 3, 42)
pytestmark = pytest.mark.usefixtures("one_thread")
SHORT = Recipe(prompt_len=4, epochs=3, batch=5, lr=0.02, dropout=False)
HAPPY, SAD = 10, 11
AGAIN = tiny_models.VOCABULARY.index("again")


class Padded(Engine):
    """An engine that always runs the model's own forward pass, with padding."""

    can_share = False


def engine(kind=Engine, **settings):
    model = tiny_models.model("roberta", num_hidden_layers=2, hidden_size=32, **settings)
    return kind(backbone.wrap(model, tiny_models.tokenizer(), "tiny roberta"))


def toy(count, seed):
    """Examples that the word after `<s>` tells apart, happy from sad; 0 to 4 other words follow."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(count) % 2)
    words = [
        generator.choice([7, 8, 9, 12, 13, 14, 15, 16, 17], generator.integers(0, 5)).tolist() for _ in labels
    ]
    return Examples(
        [[0, HAPPY if label else SAD, *own, 2] for label, own in zip(labels, words, strict=True)], labels
    )


def tasks(seeds, train=24, dev=16):
    return [toy(train, seed) for seed in seeds], [toy(dev, 1000 + seed) for seed in seeds]


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


def test_an_emotion_that_fails_leaves_the_others_of_its_group():
    tiny, of = poisoned(), {emotion: tasks([1, 3]) for emotion in ("joy", "fear")}
    alone = tune(tiny, "joy", [1, 3], *of["joy"], SHORT)
    for examples in of["fear"][0]:
        examples.texts[5] = [0, AGAIN, 2]
    together = tuning.tune_together(tiny, of, [1, 3], SHORT)
    assert set(together["fear"].failed) == {1, 3} and not together["joy"].failed
    torch.testing.assert_close(together["joy"].prompts, alone.prompts, atol=5e-5, rtol=0)


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


def poisoned():
    """An engine for which the word `again` gives NaN."""
    tiny = engine()
    tiny.backbone.model.get_input_embeddings().weight[AGAIN] = float("nan")
    return tiny


def test_a_loss_that_is_not_finite_stops_its_seed_only():
    (train, dev), tiny = tasks(SEEDS), poisoned()
    healthy = tune(tiny, "joy", [1, 42], train[::2], dev[::2], SHORT)
    assert not healthy.failed
    train[1].texts[5] = [0, AGAIN, 2]
    tuned = tune(tiny, "joy", SEEDS, train, dev, SHORT)
    assert list(tuned.failed) == [3]
    assert tuned.failed[3].startswith("joy, seed 3: the loss is not a finite number at step ")
    assert "of 15; a learning rate below training.lr 0.02 may help" in tuned.failed[3]
    assert tuned.seeds == (1, 42) and set(tuned.curve["seed"]) == {1, 42}
    torch.testing.assert_close(tuned.prompts, healthy.prompts, atol=5e-5, rtol=0)
    np.testing.assert_array_equal(tuned.best_epoch, healthy.best_epoch)


def test_logits_on_dev_that_are_not_finite_stop_their_seed_only():
    (train, dev), tiny = tasks(SEEDS), poisoned()
    dev[2].texts[0] = [0, 7, AGAIN, 2]
    tuned = tune(tiny, "joy", SEEDS, train, dev, SHORT)
    assert list(tuned.failed) == [42] and tuned.seeds == (1, 3)
    assert tuned.failed[42].startswith("joy, seed 42, on dev after epoch 1: logits that are not numbers")
    with pytest.raises(NotFiniteError):
        evaluate(tiny, tuned.prompts[:1], None, dev[2])


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


def test_an_infinite_loss_stops_its_seed(monkeypatch):
    tiny, (train, dev) = engine(Padded), tasks(SEEDS)
    second = training.Training(tiny, "joy", SEEDS, train, dev, SHORT).prompts[1]  # as it is at its first step
    logits, far = (
        tiny.logits,
        torch.tensor([3e38, -3e38]),
    )  # their difference is beyond float32, their gradient is not

    def scripted(prompts, *rest):
        return logits(prompts, *rest) + far * (prompts == second).flatten(1).all(dim=1, keepdim=True)

    monkeypatch.setattr(tiny, "logits", scripted)
    tuned = tune(tiny, "joy", SEEDS, train, dev, replace(SHORT, epochs=1))
    assert list(tuned.failed) == [3] and "at step 1 of 5" in tuned.failed[3]


def test_a_seed_that_fails_late_has_a_curve_and_no_prompt(monkeypatch):
    calls = iter([None, None, NotFiniteError("none"), None, None])

    def scripted(*_):
        if error := next(calls):
            raise error
        return np.ones((1, 1), bool)

    monkeypatch.setattr(training, "evaluate", scripted)
    tuned = tune(engine(), "joy", [1, 3], *tasks([1, 3]), SHORT)
    assert tuned.failed == {1: "joy, seed 1, on dev after epoch 2: none"}
    assert (
        tuned.seeds == (3,)
        and len(tuned.prompts) == len(tuned.accuracies) == 1
        and tuned.best_epoch.tolist() == [1]
    )
    assert tuned.curve["seed"].tolist() == [1, 3, 3, 3]


def test_all_seeds_can_fail():
    train, dev = tasks(SEEDS)
    steps = []
    tuned = tune(engine(), "joy", SEEDS, train, dev, replace(SHORT, lr=1e38, epochs=9), steps.append)
    assert list(tuned.failed) == list(SEEDS)
    assert tuned.seeds == () and tuned.prompts.shape == (0, 4, 32) and len(tuned.curve) == 0
    assert len(steps) < 5


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


def test_invalid_recipes_and_tasks_are_refused():
    for option in ({"schedule": "cosine"}, {"keep": "first"}, {"prompt_init": "zeros"}):
        with pytest.raises(
            UserError, match=r"(training\.(schedule|keep)|protocol\.prompt_init): '\w+' is not one of"
        ):
            Recipe(**option)
    train, dev = tasks(SEEDS)
    with pytest.raises(ValueError, match=r"3 seeds and \[24, 24\] examples"):
        tune(engine(), "joy", SEEDS, train[:2], dev, SHORT)
    with pytest.raises(ValueError, match=r"\[24, 24, 16\]"):
        tune(engine(), "joy", SEEDS, [*train[:2], dev[0]], dev, SHORT)
    with pytest.raises(ValueError, match="3 seeds and 2 dev sets"):
        tune(engine(), "joy", SEEDS, train, dev[:2], SHORT)
