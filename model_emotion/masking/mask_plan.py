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
from model_emotion.base.files import read_tensors, write_json
from model_emotion.base.results import folder
from model_emotion.masking import masks
from model_emotion.masking.masks import MaskName
from model_emotion.params import Backbone, Masks, Study

KEPT = 2
"""Random masks of a size that are stored as tensors; the others are drawn again from their seeds."""


@dataclass(frozen=True)
class Size:
    """A size of masks: k neurons, `share` of all neurons, `draws` random masks.

    attributes: whether attributes have masks of this size. permuted: the number of masks by permuted ratings.
    """

    k: int
    share: float
    draws: int
    attributes: bool = True
    permuted: int = 0


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

    def permuted_names(self, attributes: Sequence[str]) -> list[MaskName]:
        """Return the names of the masks by permuted ratings. The draws take the attributes in turn."""
        return [
            MaskName("permuted", attributes[(draw - 1) % len(attributes)], size.k, draw)
            for size in self.sizes
            for draw in range(1, size.permuted + 1)
        ]

    def permuted_masks(self, ranks: Mapping[MaskName, np.ndarray]) -> dict[MaskName, np.ndarray]:
        """Return the masks [layers, width] by permuted ratings. ranks: [neurons] by name."""
        return masks.best_masks(ranks, self.layers, self.kind, self.seed)

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
    permuted = 0 if section.ranking == "activation" else section.permuted_draws  # it has no ratings
    first, *others = (k / backbone.neurons for k in sizes)
    return Plan(
        *backbone.shape,
        ranking=section.ranking,
        kind=section.kind,
        baseline=section.baseline,
        seed=section.seed,
        sizes=(
            Size(sizes[0], first, section.draws, permuted=permuted),
            *(Size(k, share, section.other_draws) for k, share in zip(sizes[1:], others, strict=True)),
        ),
        ranking_seeds=tuple(section.ranking_seeds or ()),
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


def all_masks(run: str) -> Iterator[tuple[MaskName, np.ndarray]]:
    """Yield (name, mask [layers, width]) of all masks of a run: those of its file, then the random ones.

    The file also has a few random masks of each size. The study's own were never released.
    """
    kept, about = read_tensors(folder(run) / "masks.safetensors")
    named = {MaskName.parse(text): kept[text] for text in about["masks"]}
    chosen = {name: mask for name, mask in named.items() if name.kind != "random"}
    yield from chosen.items()
    yield from read(run).random_masks(
        {name: mask for name, mask in chosen.items() if name.kind == "attribute"}
    )
