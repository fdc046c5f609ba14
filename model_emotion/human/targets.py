"""The human data and the texts that the run `live` is compared with: the study's, or a user's own files.

A table that does not exist for the run's emotions or texts has its columns and no rows.
"""

from pathlib import Path

import pandas as pd

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv
from model_emotion.base.settings import did_you_mean
from model_emotion.human import user_ratings
from model_emotion.inputs import user_data
from model_emotion.params import Params
from model_emotion.rsa import rdm

HUMAN = Path("results/human")
TABLES = ("attributes", "attribute_rdms", "mean_rdm", "weights", "agreement")
"""The tables of results/human that a run is compared with."""


def user_tables(params: Params) -> dict[str, pd.DataFrame]:
    """Return the tables of the run `live` that differ from results/human, by name.

    Raises UserError if params.yaml names an emotion without ratings, or if a setting does not fit the user's
    ratings.
    """
    tables = {}
    unknown = [emotion for emotion in params.emotions if emotion not in study.EMOTIONS]
    if params.own.texts:
        tables["agreement"] = _no_rows("agreement")  # which is of the raters of GoEmotions
    if params.own.attributes:
        tables |= _tables_of_ratings(params)
    elif unknown:
        key = f"emotions[{params.emotions.index(unknown[0])}]"
        raise UserError(
            f"params.yaml: {key}: the study has no ratings of '{unknown[0]}'; give some as own.attributes"
        )
    if unknown:
        tables |= {name: _no_rows(name) for name in ("mean_rdm", "weights")}
    return tables


def user_texts(params: Params) -> pd.DataFrame | None:
    """Return the user's texts, as `read_texts` does, or None if params.yaml names none."""
    return (
        user_data.read_texts(params.own.texts, params.emotions, params.protocol.split)
        if params.own.texts
        else None
    )


def _no_rows(name: str) -> pd.DataFrame:
    """Return the columns of a table of results/human."""
    return read_csv(HUMAN / f"{name}.csv").iloc[:0]


def _tables_of_ratings(params: Params) -> dict[str, pd.DataFrame]:
    """Return the tables made from the ratings that params.yaml names."""
    file, bootstrap, shown = params.own.attributes, params.analysis.bootstrap, params.figures.attribute
    assert file is not None  # user_tables checks this
    ratings, path = user_data.read_ratings(file, params.emotions), user_data.FOLDER / file
    if params.masks.ranking == "spaces" and not any(
        set(names) <= set(ratings) for names in study.SPACES.values()
    ):
        raise UserError(
            f"params.yaml: masks.ranking: 'spaces' needs all attributes of a space, but {path} lacks some"
        )
    if shown not in {*ratings, *study.ATTRIBUTES}:
        near = did_you_mean(shown, ratings)
        raise UserError(f"params.yaml: figures.attribute: '{shown}' is no column of {path}{near}")
    scores = user_ratings.rescaled(ratings)
    distances = user_ratings.attribute_rdms(scores, params.emotions)
    tables = {
        "attributes": scores.loc[params.emotions].reset_index(),
        "attribute_rdms": rdm.pair_names(params.emotions).join(distances),
    }
    if set(params.emotions) <= set(study.EMOTIONS):
        judgements = read_csv(HUMAN / "similarity.csv")
        tables["weights"] = user_ratings.human_weights(scores, judgements, bootstrap.samples, bootstrap.seed)
    return tables
