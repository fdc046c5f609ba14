"""How the neurons of a run's masks are ranked: by the searchlight, by activity, or by permuted ratings."""

import numpy as np
import pandas as pd

from model_emotion.base.files import read_csv, read_parquet
from model_emotion.base.results import folder, read_activations
from model_emotion.masking.mask_plan import Plan
from model_emotion.masking.masks import MaskName, by_activity
from model_emotion.rsa import rdm
from model_emotion.rsa.permutation import permutations, permuted_pairs
from model_emotion.rsa.searchlight import searchlight, space_rdms
from model_emotion.rsa.selectivity import rank_table


def rank_neurons(plan: Plan, run: str) -> pd.DataFrame:
    """Read from a run's files the ranks that its masks follow: frame [neurons, attributes], 1 is the best."""
    if plan.ranking == "activation":
        activations = read_activations(folder(run) / "activations.safetensors")
        return by_activity(activations.values[plan.ranking_mask(activations.seeds)])
    searchlights = {"attributes": "searchlight.parquet", "spaces": "searchlight_spaces.parquet"}
    return rank_table(read_parquet(folder(run) / searchlights[plan.ranking]))


def rank_by_permuted_ratings(plan: Plan, run: str) -> dict[MaskName, np.ndarray]:
    """Rank a run's neurons by RDMs whose emotions are permuted: [neurons] for each such mask of the plan.

    The emotions of an attribute's RDM change places, at random. So the RDM keeps its geometry and has nothing
    to do with the attribute any more. Neurons are ranked by their tau with it, as by any attribute's. The
    order of the emotions depends on the plan's seed and the number of the draw.
    """
    out = folder(run)
    activations = read_activations(out / "activations.safetensors")
    rdms = rdm.select(read_csv(out / "attribute_rdms.csv"), activations.emotions)
    if plan.ranking == "spaces":
        rdms = space_rdms(rdms)
    names = plan.permuted_names(list(rdms))
    if not names:
        return {}
    draws = max(size.permuted for size in plan.sizes)
    places = permuted_pairs(permutations(len(activations.emotions), draws, plan.seed))
    of_names = [rdms[name.attribute].to_numpy()[places[(name.draw or 1) - 1]] for name in names]
    ranking = activations.values[plan.ranking_mask(activations.seeds)]
    return dict(zip(names, searchlight(ranking, np.column_stack(of_names)).rank.T, strict=True))
