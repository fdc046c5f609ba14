"""Which masks a run has: their sizes, what ranks the neurons, and how many random masks are drawn.

Each run has its own file, so that an experiment on the run `live` leaves `published` unchanged.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from model_emotion.base import study
from model_emotion.base.files import write_json
from model_emotion.base.results import folder, read_activations
from model_emotion.masking import masks
from model_emotion.masking.masks import MaskName
from model_emotion.params import Backbone, Masks, Study
from model_emotion.rsa.selectivity import rank_table

KEPT = 2
"""Random masks of a size that are stored as tensors; the others are drawn again from their seeds."""


@dataclass(frozen=True)
class Size:
    """A size of masks: k neurons, `share` of all neurons, `draws` random masks.

    attributes: whether attributes have masks of this size.
    """

    k: int
    share: float
    draws: int
    attributes: bool = True


@dataclass(frozen=True)
class Plan:
    """The masks of a run.

    ranking: `attributes`, `spaces` or `activation`, what ranks the neurons. kind: `binary` or `float`, see
    `masks.as_mask`. baseline: `uniform` or `layer_matched`, see `masks.random_masks`. seed: of the random
    draws. ranking_seeds: the seeds whose activations rank the neurons; the masks are then evaluated with the
    prompts of the other seeds only. If empty, all seeds do both.
    """

    layers: int
    width: int
    ranking: str
    kind: str
    baseline: str
    seed: int
    sizes: tuple[Size, ...]
    ranking_seeds: tuple[int, ...] = ()

    def ranking_mask(self, seeds: Sequence[int]) -> list[bool]:
        """Return for each seed whether its activations rank the neurons."""
        return [not self.ranking_seeds or seed in self.ranking_seeds for seed in seeds]

    def evaluation_seeds(self, seeds: Sequence[int]) -> list[int]:
        """Return the seeds whose prompts are evaluated under the masks."""
        return [seed for seed in seeds if seed not in self.ranking_seeds]

    @property
    def neurons(self) -> int:
        """The number of neurons in the model."""
        return self.layers * self.width

    @property
    def top_k(self) -> list[int]:
        """The sizes that attributes have masks of, as numbers of neurons."""
        return [size.k for size in self.sizes if size.attributes]

    def attribute_masks(self, ranks: pd.DataFrame) -> dict[MaskName, np.ndarray]:
        """Return the attributes' masks [layers, width]. ranks: frame [neurons, attributes]."""
        return masks.attribute_masks(ranks, self.top_k, self.layers, self.kind, self.seed)

    def random_masks(
        self, attributes: Mapping[MaskName, np.ndarray], at_most: int | None = None
    ) -> Iterator[tuple[MaskName, np.ndarray]]:
        """Yield the random masks [layers, width] with their names, `at_most` of a size (None: all).

        attributes: the attributes' masks, which the baseline `layer_matched` follows.
        """
        draws = {size.k: min(size.draws, at_most or size.draws) for size in self.sizes}
        return masks.random_masks(
            draws,
            attributes,
            (self.layers, self.width),
            kind=self.kind,
            baseline=self.baseline,
            seed=self.seed,
        )


def of_published(grid: Study) -> Plan:
    """Return the plan of the study's masks.

    The study's random masks were never released, so KEPT of each size are drawn here.
    """
    neurons = grid.layers * grid.width
    random_only = [Size(k, k / neurons, KEPT, attributes=False) for k in study.RANDOM_ONLY_TOP_K]
    sizes = random_only + [Size(k, k / neurons, KEPT) for k in grid.top_k]
    return Plan(grid.layers, grid.width, "attributes", "binary", "uniform", 1, tuple(sizes))


def of_live(backbone: Backbone, sizes: Sequence[int], section: Masks) -> Plan:
    """Return the plan that params.yaml asks for. sizes: numbers of neurons. section: its section `masks`."""
    draws = [section.draws] + [section.other_draws] * (len(sizes) - 1)
    return Plan(
        *backbone.shape,
        ranking=section.ranking,
        kind=section.kind,
        baseline=section.baseline,
        seed=section.seed,
        sizes=tuple(Size(k, k / backbone.neurons, number) for k, number in zip(sizes, draws, strict=True)),
        ranking_seeds=tuple(section.ranking_seeds or ()),
    )


def rank_neurons(plan: Plan, run: str) -> pd.DataFrame:
    """Read from a run's files the ranks that its masks follow: frame [neurons, attributes], 1 is the best."""
    if plan.ranking == "activation":
        activations = read_activations(folder(run) / "activations.safetensors")
        return masks.by_activity(activations.values[plan.ranking_mask(activations.seeds)])
    searchlights = {"attributes": "searchlight.parquet", "spaces": "searchlight_spaces.parquet"}
    return rank_table(pd.read_parquet(folder(run) / searchlights[plan.ranking]))


def path(run: str) -> Path:
    """Return the file of a run's plan."""
    return folder(run) / "mask_plan.json"


def write(plan: Plan, run: str) -> None:
    """Write the plan of a run."""
    write_json(asdict(plan), path(run))


def read(run: str) -> Plan:
    """Read the plan of a run."""
    values = json.loads(path(run).read_text(encoding="utf-8"))
    values |= {
        "sizes": tuple(Size(**size) for size in values["sizes"]),
        "ranking_seeds": tuple(values["ranking_seeds"]),
    }
    return Plan(**values)
