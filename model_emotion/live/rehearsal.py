"""Rehearse a measurement on two texts of one emotion, to find problems before a prompt is trained."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model_emotion.base.errors import UserError
from model_emotion.live.activations import check_layers
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import evaluate
from model_emotion.model.tasks import Corpus
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import tune
from model_emotion.params import Params

PROMPTS = 8
"""Different prompts that activations are compared between."""


def rehearse(engine: Engine, corpus: Corpus, params: Params) -> None:
    """Train a prompt for one step, record activations, and evaluate the prompt with and without a mask.

    Raises UserError with one line if a step fails, if a number is not finite, or if a layer is dead.
    """
    backbone, training, protocol = engine.backbone, params.training, params.protocol
    emotion, seed = params.emotions[0], params.seeds[0]
    examples = corpus.examples(corpus.task(emotion, "train", seed, protocol.negatives, 2), "train")
    settings = training.model_dump(include={"prompt_len", "lr", "weight_decay", "correct_bias", "dropout"})
    recipe = Recipe(**settings, prompt_init=protocol.prompt_init, epochs=1, examples=2, batch=2)
    with _step("training", backbone.name):
        tuned = tune(engine, emotion, [seed], [examples], [examples], recipe)
    if tuned.failed:
        raise UserError(f"{backbone.name}: a rehearsal on two texts failed: {tuned.failed[seed]}")
    with _step("recording activations", backbone.name):
        prompts = _different_prompts(engine, recipe.prompt_len)
        values = engine.activations(prompts, engine.probe(protocol.probe), point=params.activation.point)
    check_layers(values[None].cpu().numpy(), backbone.layers, backbone.name)
    with _step("evaluation", backbone.name):
        masks = torch.ones(2, backbone.layers, backbone.width)
        masks[1, :, ::2] = 0
        evaluate(engine, tuned.prompts, masks, examples)


def _different_prompts(engine: Engine, prompt_len: int) -> torch.Tensor:
    """[PROMPTS, prompt_len, embedding] word embeddings from all parts of the vocabulary."""
    words = engine.backbone.words.weight
    places = torch.linspace(0, len(words) - 1, PROMPTS * prompt_len, device=words.device).long()
    return words[places].view(PROMPTS, prompt_len, -1)


@contextmanager
def _step(doing: str, name: str) -> Iterator[None]:
    """Turn any error of the block into a UserError of one line."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {doing} failed in a rehearsal on two texts: {error}") from None
    except Exception as error:  # a model can fail in many ways
        said = (str(error).strip() or "no message").splitlines()[0]
        raise UserError(
            f"{name}: can't be measured: {doing} failed in a rehearsal on two texts "
            f"({type(error).__name__}: {said}); check its files, or use another model"
        ) from error
