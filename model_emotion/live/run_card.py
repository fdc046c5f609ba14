"""The card of a run that was measured elsewhere, data/runs/NAME/run.yaml, as typed, checked values."""

import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.base.files import parse_yaml
from model_emotion.base.settings import Section, check_section
from model_emotion.base.values import Commit, Count, Emotions, RunName, Seed, Seeds, unique
from model_emotion.masking import mask_plan
from model_emotion.masking.masks import MaskName
from model_emotion.params import Activation, Evaluation, Protocol, Training

LARGEST, DEEPEST, LONGEST = 64 * 1024, 12, 1000
"""A card has at most so many bytes and levels, and each value so many characters."""
MOST_MASKS = 20_000
"""A run has at most so many masks."""


def _one_line(value: str) -> str:
    """Return the text. Raises ValueError for line breaks, control characters, and marks that reorder text."""
    for one in value:
        if unicodedata.category(one) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(one) in REORDERING:
            raise ValueError(f"must be one line of plain text, without the character U+{ord(one):04X}")
    return value


REORDERING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Unicode's marks that change the direction of the text after them, and so can make it read otherwise."""
Line = Annotated[str, Field(max_length=300), AfterValidator(_one_line)]
"""A line of text without control characters."""


class Measured(Section):
    """Who measured the run, and on which machine."""

    by: Line
    on: Line


class CardBackbone(Section):
    """The model: a name on the Hugging Face Hub or of a folder, its commit or '', and the precision or ''.

    sha256: of the weights in the folder, `cat model*.safetensors | sha256sum`; '' for a model of the Hub, and
    in a card that was written without it.
    """

    name: Annotated[Line, Field(min_length=1)]
    revision: Commit
    sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    precision: Literal["", "float32", "bf16", "tf32"] = ""


class CardSize(Section):
    """A size of masks: k neurons, `draws` random masks, and whether attributes have masks of this size.

    permuted: the number of masks by permuted ratings.
    """

    k: Count
    draws: Annotated[int, Field(ge=1, le=10_000)]
    attributes: bool
    permuted: Annotated[int, Field(ge=0, le=10_000)] = 0


class CardMasks(Section):
    """Which masks were evaluated. The keys are those of `masks` in params.yaml, but for `sizes`."""

    ranking: Literal["attributes", "spaces", "activation"]
    kind: Literal["binary", "float"]
    baseline: Literal["uniform", "layer_matched"]
    seed: Seed
    ranking_seeds: Annotated[list[Seed], AfterValidator(unique)]
    sizes: Annotated[list[CardSize], Field(min_length=1, max_length=100)]


class Card(Section):
    """What was measured, of which model, and how. The sections are those of params.yaml."""

    name: RunName
    backbone: CardBackbone
    layers: Annotated[int, Field(ge=1, le=1000)]
    width: Annotated[int, Field(ge=1, le=1_000_000)]
    emotions: Emotions
    seeds: Seeds
    masks: CardMasks
    activation: Activation
    protocol: Protocol
    training: Training
    evaluation: Evaluation
    measured: Measured

    @model_validator(mode="after")
    def _check_keys_that_depend_on_each_other(self) -> "Card":
        sizes, neurons = [size.k for size in self.masks.sizes], self.layers * self.width
        for place, k in enumerate(sizes):
            if k > neurons:
                raise ValueError(f"masks.sizes[{place}]: {k} is more than the {neurons} neurons")
            if k in sizes[:place]:
                raise ValueError(f"masks.sizes[{place}]: {k} is listed twice")
        if (many := self._masks()) > MOST_MASKS:
            raise ValueError(f"masks.sizes: {many:,} masks in all; {MOST_MASKS:,} are allowed")
        if not any(size.attributes for size in self.masks.sizes):
            raise ValueError("masks.sizes: attributes need masks of at least one size")
        if unknown := set(self.masks.ranking_seeds) - set(self.seeds):
            raise ValueError(f"masks.ranking_seeds: {min(unknown)} is not one of seeds {self.seeds}")
        if len(self.masks.ranking_seeds) == len(self.seeds):
            raise ValueError("masks.ranking_seeds: must leave at least one seed for evaluating the masks")
        return self

    def _masks(self) -> int:
        """Return an upper bound of the number of masks, without listing them: a card could mean millions."""
        attributes = len(study.ATTRIBUTES)
        own = 1 if self.masks.baseline == "uniform" else attributes
        return sum(size.draws * own + (1 + size.permuted) * attributes for size in self.masks.sizes)

    def plan(self) -> mask_plan.Plan:
        """Return the plan of the run's masks."""
        of, neurons = self.masks, self.layers * self.width
        sizes = tuple(
            mask_plan.Size(size.k, size.k / neurons, size.draws, size.attributes, size.permuted)
            for size in of.sizes
        )
        return mask_plan.Plan(
            self.layers, self.width, of.ranking, of.kind, of.baseline, of.seed, sizes, tuple(of.ranking_seeds)
        )

    def mask_names(self) -> list[MaskName]:
        """Return the names of all masks that each prompt must have been evaluated under."""
        ranked = {
            "attributes": study.ATTRIBUTES,
            "spaces": tuple(study.SPACES),
            "activation": ("activation",),
        }
        attributes = ranked[self.masks.ranking]
        names = self.plan().permuted_names(attributes)
        for size in self.masks.sizes:
            own = attributes if size.attributes else ()
            names += [MaskName("attribute", name, size.k) for name in own]
            of = ("",) if self.masks.baseline == "uniform" else own
            draws = range(1, size.draws + 1)
            names += [MaskName("random", name, size.k, draw) for name in of for draw in draws]
        return names


def read(path: Path) -> Card:
    """Read a card. Raises InputError or ParamsError, each with one line, if it is too large or invalid."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError(f"{path}: more than {LARGEST:,} bytes, which no card needs")
    try:
        values = _plain_yaml(content.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start + 1}") from None
    except (YAMLError, ValueError, LookupError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())[:300]}") from None
    return check_section(values, path, Card)


def _plain_yaml(text: str, path: Path) -> Any:
    """Return the content of a YAML text.

    Raises InputError for anchors, with which a small file can grow, for tags, and for long or deep values.
    """
    depth = 0
    # parse_yaml expands aliases and nesting at once; the events of the text show them before that.
    for event in YAML(typ="safe").parse(text):
        if getattr(event, "anchor", None):
            raise InputError(f"{path}: has anchors (&) or aliases (*); write each value out")
        if getattr(event, "tag", None):
            raise InputError(f"{path}: has tags (!); a card needs none")
        if len(getattr(event, "value", "")) > LONGEST:
            raise InputError(f"{path}: a value of more than {LONGEST:,} characters")
        kind = type(event).__name__
        depth += kind.endswith(("MappingStartEvent", "SequenceStartEvent")) - kind.endswith(
            ("MappingEndEvent", "SequenceEndEvent")
        )
        if depth > DEEPEST:
            raise InputError(f"{path}: nested more than {DEEPEST} levels deep")
    return parse_yaml(text)
