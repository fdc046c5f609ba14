"""The neurons of a run's masks: how they are ranked, by the searchlight or by activity, and all its masks."""

import numpy as np
import pandas as pd

from model_emotion.base.files import read_parquet, read_tensors
from model_emotion.base.results import folder, read_activations
from model_emotion.masking import mask_plan
from model_emotion.masking.mask_plan import Plan
from model_emotion.masking.masks import MaskName, by_activity
from model_emotion.rsa.selectivity import rank_table


def rank_neurons(plan: Plan, run: str) -> pd.DataFrame:
    """Read from a run's files the ranks that its masks follow: frame [neurons, attributes], 1 is the best."""
    if plan.ranking == "activation":
        activations = read_activations(folder(run) / "activations.safetensors")
        return by_activity(activations.values[plan.ranking_mask(activations.seeds)])
    searchlights = {"attributes": "searchlight.parquet", "spaces": "searchlight_spaces.parquet"}
    return rank_table(read_parquet(folder(run) / searchlights[plan.ranking]))


def all_masks(run: str) -> dict[str, np.ndarray]:
    """Return all masks [layers, width] of a run by name: the attributes' from its file, then random ones.

    The random masks are those of its plan. The study's own were never released.
    """
    kept, about = read_tensors(folder(run) / "masks.safetensors")
    named = {MaskName.parse(text): kept[text] for text in about["masks"]}
    attributes = {name: mask for name, mask in named.items() if name.kind == "attribute"}
    every = attributes | dict(mask_plan.read(run).random_masks(attributes))
    return {str(name): mask for name, mask in every.items()}
