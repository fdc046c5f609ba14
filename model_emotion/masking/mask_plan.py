"""Which masks a run has: their sizes as counts, what ranks the neurons, how many random draws there are of each size.

One file for both runs, so that an experiment on `live` leaves `published` alone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from model_emotion.base import study
from model_emotion.base.files import write_json
from model_emotion.base.results import folder

KEPT = 2
"""Random masks of a size that are kept as tensors; more are made anew from their seeds."""


@dataclass(frozen=True)
class Size:
    """A size of masks: k neurons, `share` of all; `attributes`: whether attribute masks have it too."""

    k: int
    share: float
    draws: int
    attributes: bool = True


@dataclass(frozen=True)
class Plan:
    layers: int
    width: int
    ranking: str  # attributes | spaces | activation
    kind: str  # binary | float
    baseline: str  # uniform | layer_matched
    seed: int
    sizes: tuple[Size, ...]
    ranking_seeds: tuple[int, ...] = ()
    """The seeds whose activations rank the neurons, their masks then met by the prompts of the others alone; empty: all, and all."""

    def ranking_mask(self, seeds: Sequence[int]) -> list[bool]:
        """Return for each seed whether its activations rank the neurons."""
        return [not self.ranking_seeds or seed in self.ranking_seeds for seed in seeds]

    def evaluation_seeds(self, seeds: Sequence[int]) -> list[int]:
        """Return the seeds whose prompts are evaluated under the masks."""
        return [seed for seed in seeds if seed not in self.ranking_seeds]

    @property
    def neurons(self):
        return self.layers * self.width

    @property
    def top_k(self):
        """Sizes of attribute masks."""
        return [size.k for size in self.sizes if size.attributes]

    @property
    def random(self):
        """What all random masks have in common, as `masks.random_masks` takes it."""
        return {
            "kind": self.kind,
            "baseline": self.baseline,
            "seed": self.seed,
            "shape": (self.layers, self.width),
        }


def of_published(grid):
    """The study's sizes; its own random masks were never released, so that a few are drawn here. grid: params.study."""
    neurons = grid.layers * grid.width
    random_only = [Size(k, k / neurons, KEPT, attributes=False) for k in study.RANDOM_ONLY_TOP_K]
    sizes = random_only + [Size(k, k / neurons, KEPT) for k in grid.top_k]
    return Plan(grid.layers, grid.width, "attributes", "binary", "uniform", 1, tuple(sizes))


def of_live(backbone, sizes, masks):
    """What params.yaml asks for; sizes: counts; backbone, masks: its sections."""
    draws = [masks.draws] + [masks.other_draws] * (len(sizes) - 1)
    sizes = tuple(Size(k, k / backbone.neurons, number) for k, number in zip(sizes, draws, strict=True))
    chosen_by = tuple(masks.ranking_seeds or ())
    return Plan(
        *backbone.shape,
        masks.ranking,
        masks.kind,
        masks.baseline,
        masks.seed,
        sizes,
        chosen_by,
    )


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
