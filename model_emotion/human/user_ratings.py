"""A user's own ratings, treated as the study's: rescaled attributes, their RDMs and human weights."""

from collections.abc import Iterable

import pandas as pd

from model_emotion.base import study
from model_emotion.human.similarity import attribute_weights
from model_emotion.rsa import rdm


def rescaled(ratings: pd.DataFrame) -> pd.DataFrame:
    """Rescale each attribute of ratings [rows, attributes] to the range from 0 to 1."""
    least, most = ratings.min(), ratings.max()
    return (ratings - least) / (most - least)


def attribute_rdms(scores: pd.DataFrame, emotions: Iterable[str]) -> pd.DataFrame:
    """Return the RDMs of rescaled ratings, frame [pairs of emotions, attributes]: absolute differences.

    Arithmetically equal differences are tied.
    """
    distances = rdm.absolute_rdm(scores.loc[list(emotions)].to_numpy().T)
    return pd.DataFrame(rdm.keep_ties(distances).T, columns=scores.columns)


def human_weights(scores: pd.DataFrame, judgements: pd.DataFrame, samples: int, seed: int) -> pd.DataFrame:
    """Return the weights of a user's attributes in the study's human space, as in results/human/weights.csv.

    They are computed over those of the study's 27 emotions that have ratings. scores: rescaled ratings.
    judgements: results/human/similarity.csv.
    """
    emotions = [emotion for emotion in study.EMOTIONS if emotion in scores.index]
    pairs = rdm.pair_names(emotions)
    table = judgements[pairs["emotion_a"] + "|" + pairs["emotion_b"]].to_numpy()
    return attribute_weights(table, attribute_rdms(scores, emotions), samples, seed)
