"""Tables of a user's own ratings, made as those of the study's: rescaled attributes, RDMs and weights."""

from collections.abc import Iterable

import pandas as pd

from model_emotion.base import study
from model_emotion.rsa import rdm


def rescaled(ratings: pd.DataFrame) -> pd.DataFrame:
    """Rescale ratings [emotions, attributes] so that each attribute goes from 0 to 1, as the study's do."""
    least, most = ratings.min(), ratings.max()
    return (ratings - least) / (most - least)


def attribute_rdms(scores: pd.DataFrame, emotions: Iterable[str]) -> pd.DataFrame:
    """Return the absolute differences [pairs of emotions, attributes] of rescaled ratings.

    scores: [emotions, attributes], indexed by emotion. Differences that are equal by arithmetic are tied.
    """
    values = scores.loc[list(emotions)].to_numpy()
    return pd.DataFrame(rdm.keep_ties(rdm.absolute_rdm(values.T)).T, columns=scores.columns)


def human_weights(scores: pd.DataFrame, judgements: pd.DataFrame, samples: int, seed: int) -> pd.DataFrame:
    """Return the weights of the user's attributes in the human space, as in results/human/weights.csv.

    They are computed over all of the study's 27 emotions that have ratings. scores: rescaled ratings, indexed
    by emotion. judgements: results/human/similarity.csv. samples, seed: of the bootstrap over subjects.
    """
    from model_emotion.human.similarity import attribute_weights  # imports torch

    emotions = [emotion for emotion in study.EMOTIONS if emotion in scores.index]
    pairs = rdm.pair_names(emotions)
    table = judgements[pairs["emotion_a"] + "|" + pairs["emotion_b"]].to_numpy()
    return attribute_weights(table, attribute_rdms(scores, emotions), samples, seed)
