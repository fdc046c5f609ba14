"""All re-tests of a run: which question is asked of which measurements."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from model_emotion.base.results import Activations
from model_emotion.masking.drops import above_floor, accuracy_drops, floor, pool_random_masks, shown_size
from model_emotion.params import Analysis
from model_emotion.retests import (
    accuracy,
    bayes,
    controls,
    crossed,
    drops,
    huge_neurons,
    layers,
    leave_one_out,
    masks,
    neurons,
    power,
    space,
    specification,
    weights,
)
from model_emotion.retests.rows import Row, table
from model_emotion.rsa import rdm
from model_emotion.rsa.whole_model import model_rdm

HALVINGS = 50
IRREGULAR_SEEDS = (1, 42, 100)
"""Seeds of the study beside its other nine, 3 to 19. Whether they were chosen by their results is not
known."""


@dataclass(frozen=True)
class Measured:
    """The measurements of a run, tables as in their files under results/RUN.

    published: the accuracy.csv to compare with; None for the run `published`. texts: data/texts/RUN.parquet.
    similarity: results/human/similarity.csv. weights: human weights by attribute. masks: all masks whose
    neurons are known, arrays [layers, width] by name.
    """

    accuracy: pd.DataFrame
    published: pd.DataFrame | None
    masked: pd.DataFrame
    drops: pd.DataFrame
    activations: Activations
    attribute_rdms: pd.DataFrame
    mean_rdm: pd.DataFrame
    similarity: pd.DataFrame
    weights: pd.Series
    texts: pd.DataFrame
    masks: dict[str, np.ndarray]


def tables(measured: Measured, analysis: Analysis) -> dict[str, pd.DataFrame]:
    """Ask every question that applies to a run. Return its tables by the names of their files.

    They are `retests`, the answers; `specifications`, every analysis of the specification curves;
    `mask_layers`; and `majority`, the majority rates. analysis: its section of params.yaml.
    Questions on masks leave out emotions at floor. They are asked at the size analysis.top_k, or at the run's
    first if it has no masks of that size.
    """
    floors, texts = floor(measured.accuracy), measured.texts
    of_masks = above_floor(measured.masked, floors), above_floor(measured.drops, floors)
    k, permuted = shown_size(of_masks[1], analysis.top_k), analysis.permutations
    accuracies = accuracy.with_majority(measured.accuracy, texts[texts["split"] == "dev"])
    curves = list(_curves(of_masks[0], accuracies, measured, permuted.samples, permuted.seed))
    counts = layers.mask_layers(measured.masks)
    rows = [
        *_of_accuracy(accuracies, measured.published),
        *_of_neurons(measured, k, analysis),
        *_of_masks(*of_masks, accuracies, measured, k, analysis),
        *(row for rows, _ in curves for row in rows),
        *_of_rivals(*of_masks, counts, measured, k, analysis),
        *_of_space(measured, analysis),
    ]
    analyses = [curve for _, curve in curves if len(curve)] or [pd.DataFrame(columns=specification.COLUMNS)]
    return {
        "retests": table(rows),
        "specifications": pd.concat(analyses, ignore_index=True),
        "mask_layers": counts,
        "majority": accuracies[["emotion", "seed", "majority"]],
    }


def _of_accuracy(accuracies: pd.DataFrame, published: pd.DataFrame | None) -> Iterator[Row]:
    yield from accuracy.accuracy_above_majority(accuracies)
    if published is not None:
        yield from accuracy.accuracy_order(accuracies, published)


def _of_neurons(measured: Measured, k: int, analysis: Analysis) -> Iterator[Row]:
    activations, permuted, texts = measured.activations, analysis.permutations, measured.texts
    attributes = rdm.select(measured.attribute_rdms, activations.emotions)
    labels = texts.loc[texts["split"] == "train", list(activations.emotions)]
    control = neurons.label_rdm(labels.to_numpy(dtype=float))
    values = activations.values
    yield from neurons.significant_neurons(values, attributes, permuted.samples, permuted.seed)
    yield from neurons.significant_neurons(values, control, permuted.samples, permuted.seed)[:1]
    yield from neurons.own_neurons(values, attributes, k, permuted.seed)
    yield from neurons.split_half(values, attributes, k, HALVINGS, permuted.seed)


def _of_masks(
    masked: pd.DataFrame,
    dropped: pd.DataFrame,
    accuracies: pd.DataFrame,
    measured: Measured,
    k: int,
    analysis: Analysis,
) -> Iterator[Row]:
    samples, seed, human = analysis.bootstrap.samples, analysis.bootstrap.seed, measured.weights
    pooled, of_study = pool_random_masks(masked), measured.published is None
    # the study's random masks have only a label in common with the attribute's mask: they are no pairs
    unpaired = pooled if pooled is not None and of_study else masked
    yield from masks.place_among_random(masked, k)
    yield from _hurt(unpaired, dropped, human, k)
    yield from drops.hurt_beyond_permuted(masked, k)
    if of_study and (fewer := drops.without_seeds(unpaired, IRREGULAR_SEEDS)):
        key, of_seeds = fewer
        kept = dropped[dropped["seed"].isin(of_seeds["seed"])]
        yield from _hurt(of_seeds, kept, human, k, key)
    if pooled is not None:
        less_noisy = accuracy_drops(pooled)
        yield from weights.human_correlation_of_attributes(less_noisy, k, human, "random masks pooled")
        yield from weights.human_correlation_of_size(less_noisy, human, "human_correlation_pooled_of_size")
    yield from weights.human_correlation_of_size(dropped, human)
    yield from masks.place_of_size(masked)
    yield from masks.place_error_rate(masked)
    yield from weights.human_correlation_permuted(dropped, k, human, samples, seed)
    yield from bayes.evidence_on_drop(unpaired, dropped, k)
    yield from bayes.evidence_on_correlation(dropped, k, human)
    yield from crossed.share_of_distance(masked, dropped, accuracies, k)
    yield from drops.corrected_stars(dropped, analysis.drop_alpha)
    yield from power.detectable_place(masked, k)
    yield from power.detectable_drop(dropped, k)
    yield from power.detectable_over_attributes(unpaired, dropped, k)


def _curves(
    masked: pd.DataFrame, accuracies: pd.DataFrame, measured: Measured, samples: int, seed: int
) -> Iterator[tuple[list[Row], pd.DataFrame]]:
    """Return the rows and the table of each specification curve, with so many permutations."""
    choices, emotions = specification.read_choices(), measured.activations.emotions
    judged = not measured.mean_rdm.empty
    human = rdm.select(measured.mean_rdm, emotions)["distance"].to_numpy() if judged else np.empty(0)
    attributes = rdm.select(measured.attribute_rdms, emotions)
    of_weights = specification.weight_variants(measured.weights, human, attributes)
    yield specification.curve_of_drops(masked, accuracies, choices["H2"], samples, seed)
    yield specification.curve_of_correlations(masked, accuracies, of_weights, choices["H3"], samples, seed)


def _of_rivals(
    masked: pd.DataFrame,
    dropped: pd.DataFrame,
    counts: pd.DataFrame,
    measured: Measured,
    k: int,
    analysis: Analysis,
) -> Iterator[Row]:
    """Ask whether something else explains the drops: layers, huge neurons, one case, or random factors."""
    human, permuted, activations = measured.weights, analysis.permutations, measured.activations
    yield from layers.layers_of_masks(counts, k)
    yield from layers.given_layer(dropped, counts, human, k, permuted.samples, permuted.seed)
    yield from huge_neurons.steps_with_huge_neurons(
        activations.values, activations.layers, masked, measured.masks, permuted.samples, permuted.seed
    )
    yield from leave_one_out.without_each_mask(dropped, k, human)
    yield from crossed.crossed(masked, dropped, k)


def _hurt(
    masked: pd.DataFrame, dropped: pd.DataFrame, human: pd.Series, k: int, key: str = ""
) -> Iterator[Row]:
    yield from drops.hurt_over_attributes(masked, dropped, k, key)
    yield from drops.hurt_over_emotions(dropped, k, key)
    yield from weights.human_correlation_of_attributes(dropped, k, human, key)


def _of_space(measured: Measured, analysis: Analysis) -> Iterator[Row]:
    if measured.mean_rdm.empty:  # nobody judged these emotions
        return
    emotions, permuted = measured.activations.emotions, analysis.permutations
    judged = rdm.select(rdm.of_subjects(measured.similarity), emotions)
    human = rdm.select(measured.mean_rdm, emotions)["distance"].to_numpy()
    model = model_rdm(measured.activations.values)
    yield from space.model_and_human(model, human, len(emotions), permuted.samples, permuted.seed)
    yield from leave_one_out.without_each_emotion(model, human, emotions)
    models = rdm.select(measured.attribute_rdms, emotions).assign(model=model)
    yield from space.agreement_with_subjects(judged.T.to_numpy(), models, len(emotions), permuted.seed)
    references = rdm.select(measured.attribute_rdms, emotions)
    texts = measured.texts
    labels = texts.loc[texts["split"] == "train", list(emotions)]
    given = {"label co-occurrence": neurons.label_rdm(labels.to_numpy(dtype=float)).iloc[:, 0].to_numpy()}
    given |= controls.training_controls(labels, measured.accuracy, emotions)
    if controls.VALENCE in references:
        given[controls.VALENCE] = references[controls.VALENCE].to_numpy()
    yield from controls.model_and_human_given(model, human, given, permuted.samples, permuted.seed)
    references.insert(0, "human", human)
    yield from controls.layers_and_references(
        measured.activations, references, permuted.samples, permuted.seed
    )
