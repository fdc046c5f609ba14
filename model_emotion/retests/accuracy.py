"""Does the model infer emotions at all, and the same ones as the study's?"""

import pandas as pd
from scipy import stats

from model_emotion.base.statistics import correlation_interval, regression
from model_emotion.model.tasks import sample
from model_emotion.retests.rows import row


def with_majority(accuracy, texts):
    """accuracy.csv with the majority of the study's own tasks where it is unknown: what their seeds draw from dev.

    texts: `data/goemotions.parquet`'s dev split.
    """
    unknown = accuracy["majority"].isna()
    tasks = accuracy.loc[unknown, ["emotion", "seed"]].to_numpy()
    drawn = [sample(texts[emotion] == 1, seed, name=emotion).majority for emotion, seed in tasks]
    return accuracy.assign(
        majority=accuracy["majority"].mask(unknown, pd.Series(drawn, accuracy.index[unknown], dtype=float))
    )


def accuracy_above_majority(accuracy):
    """Does the model do better than always saying the commoner class? Emotions are the cases; a run of unknown majority has no row."""
    known = accuracy.dropna(subset=["majority"])
    if not len(known):
        return []
    method = "mean of accuracy - majority over emotions, each the mean of its seeds; t interval"
    above = (known["accuracy"] - known["majority"]).groupby(known["emotion"], sort=False).mean()
    test = stats.ttest_1samp(above, 0)
    return [
        row(
            "accuracy_above_majority",
            method,
            "interval",
            above.mean(),
            test.confidence_interval(),
            test.pvalue,
            len(above),
        )
    ]


def rank_interval(rho, n):
    """95 % interval of Spearman's rho of n cases: Fisher's z with Bonett and Wright's (2000) variance (1 + rho^2 / 2) / (n - 3)."""
    return correlation_interval(rho, n, variance=1 + rho * rho / 2)


def accuracy_order(accuracy, published):
    """Are the same emotions easy and hard as in the study (C1)? Spearman's rho of mean accuracies over the emotions that both have.

    No row of fewer than four emotions.
    """
    both = pd.concat(
        [of_run.groupby("emotion")["accuracy"].mean() for of_run in (accuracy, published)],
        axis=1,
        join="inner",
    )
    if len(both) < 4:
        return []
    found = regression(*stats.rankdata(both, axis=0).T)
    method = "Spearman's rho over emotions with the mean accuracies of the run published; Fisher z interval, Bonett and Wright (2000)"
    return [
        row(
            "accuracy_order",
            method,
            "interval",
            found.r,
            rank_interval(found.r, len(both)),
            found.p,
            len(both),
        )
    ]
