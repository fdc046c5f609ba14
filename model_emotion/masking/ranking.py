"""Rank the neurons of a run, for its attribute masks: by the searchlight, or by activity."""

import pandas as pd

from model_emotion.base.results import folder, read_activations
from model_emotion.masking.mask_plan import Plan
from model_emotion.masking.masks import by_activity
from model_emotion.rsa.selectivity import rank_table


def rank_neurons(plan: Plan, run: str) -> pd.DataFrame:
    """Read from a run's files the ranks that its masks follow: frame [neurons, attributes], 1 is the best."""
    if plan.ranking == "activation":
        activations = read_activations(folder(run) / "activations.safetensors")
        return by_activity(activations.values[plan.ranking_mask(activations.seeds)])
    searchlights = {"attributes": "searchlight.parquet", "spaces": "searchlight_spaces.parquet"}
    return rank_table(pd.read_parquet(folder(run) / searchlights[plan.ranking]))
