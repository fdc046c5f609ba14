"""Do the prompts infer emotions at all, and the same emotions well as in the study?"""

import pandas as pd
from scipy import stats

from model_emotion.base.statistics import correlation_interval, regression
from model_emotion.model.tasks import sample
from model_emotion.retests.rows import Row, row


def with_majority(accuracy: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """Fill in the majority rate of accuracy.csv where it is unknown: that of the study's own tasks.

    texts: the dev split of data/goemotions.parquet, from which the seeds draw the tasks.
    """
    unknown = accuracy["majority"].isna()
    tasks = accuracy.loc[unknown, ["emotion", "seed"]].to_numpy()
    drawn = [sample(texts[emotion] == 1, seed, name=emotion).majority for emotion, seed in tasks]
    filled = pd.Series(drawn, accuracy.index[unknown], dtype=float)
    return accuracy.assign(majority=accuracy["majority"].mask(unknown, filled))


def accuracy_above_majority(accuracy: pd.DataFrame) -> list[Row]:
    """Are the prompts more accurate than always answering with the majority class? Emotions are the cases.

    There is no row if the majority rate is unknown.
    """
    known = accuracy.dropna(subset=["majority"])
    if not len(known):
        return []
    method = "mean of accuracy - majority over emotions, each the mean of its seeds; t interval"
    above = (known["accuracy"] - known["majority"]).groupby(known["emotion"], sort=False).mean()
    test = stats.ttest_1samp(above, 0)
    ci = test.confidence_interval()
    return [row("accuracy_above_majority", method, "interval", above.mean(), ci, test.pvalue, len(above))]


def rank_interval(rho: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of Spearman's rho of n cases.

    Fisher's z with the variance (1 + rho^2 / 2) / (n - 3) (Bonett and Wright 2000).
    """
    return correlation_interval(rho, n, variance=1 + rho * rho / 2)


def accuracy_order(accuracy: pd.DataFrame, published: pd.DataFrame) -> list[Row]:
    """Are the same emotions easy and hard as in the study (C1)?

    Spearman's rho of the mean accuracies, over the emotions that both tables have. No row if those are fewer
    than four.
    """
    means = [of_run.groupby("emotion")["accuracy"].mean() for of_run in (accuracy, published)]
    both = pd.concat(means, axis=1, join="inner")
    if len(both) < 4:
        return []
    found = regression(*stats.rankdata(both, axis=0).T)
    method = (
        "Spearman's rho over emotions with the mean accuracies of the run published; "
        "Fisher z interval, Bonett and Wright (2000)"
    )
    ci = rank_interval(found.r, len(both))
    return [row("accuracy_order", method, "interval", found.r, ci, found.p, len(both))]
