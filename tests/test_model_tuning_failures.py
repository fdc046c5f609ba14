"""Prompt tuning that fails: a loss that is not finite stops its seed only, and bad recipes are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from prompt_tasks import AGAIN, SEEDS, SHORT, Padded, engine, poisoned, tasks

from model_emotion.base.errors import UserError
from model_emotion.model import training, tuning
from model_emotion.model.evaluation import NotFiniteError, evaluate
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_an_emotion_that_fails_leaves_the_others_of_its_group():
    tiny, of = poisoned(), {emotion: tasks([1, 3]) for emotion in ("joy", "fear")}
    alone = tune(tiny, "joy", [1, 3], *of["joy"], SHORT)
    for examples in of["fear"][0]:
        examples.texts[5] = [0, AGAIN, 2]
    together = tuning.tune_together(tiny, of, [1, 3], SHORT)
    assert set(together["fear"].failed) == {1, 3} and not together["joy"].failed
    torch.testing.assert_close(together["joy"].prompts, alone.prompts, atol=5e-5, rtol=0)


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
