"""A user's own ratings as the study's are made: rescaled attributes, their RDMs and their weights in the human space."""

import pandas as pd

from model_emotion.base import study
from model_emotion.rsa import rdm


def rescaled(ratings):
    """Ratings [rows, attributes], each attribute from 0, its least, to 1, its most, as the study's attributes are."""
    least, most = ratings.min(), ratings.max()
    return (ratings - least) / (most - least)


def attribute_rdms(scores, emotions):
    """Data frame [pairs of emotions, attributes] of absolute differences of rescaled ratings; what is equal by arithmetic is tied."""
    return pd.DataFrame(
        rdm.keep_ties(rdm.absolute_rdm(scores.loc[list(emotions)].to_numpy().T)).T, columns=scores.columns
    )


def human_weights(scores, judgements, samples, seed):
    """Weights of own attributes in the study's human space, as those of the study's attributes are computed: results/human/weights.csv.

    scores: rescaled ratings; judgements: results/human/similarity.csv. Over all of the 27 emotions that have ratings.
    """
    from model_emotion.human.similarity import attribute_weights  # loads torch

    emotions = [emotion for emotion in study.EMOTIONS if emotion in scores.index]
    pairs = rdm.pair_names(emotions)
    table = judgements[pairs["emotion_a"] + "|" + pairs["emotion_b"]].to_numpy()
    return attribute_weights(table, attribute_rdms(scores, emotions), samples, seed)
