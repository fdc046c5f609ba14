"""params.yaml as typed, checked values.

Every stage reads the whole file first, so that an invalid value is found before any work.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from model_emotion.base import study
from model_emotion.base.files import read_yaml
from model_emotion.base.validation import check, nameable, one_of, unique

one_emotion, one_attribute = one_of(study.EMOTIONS, "emotions"), one_of(study.ATTRIBUTES, "attributes")
Name = Annotated[str, AfterValidator(nameable)]
Emotion = Annotated[str, AfterValidator(one_emotion)]
Attribute = Annotated[str, AfterValidator(one_attribute)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
StudySeed = Annotated[int, AfterValidator(one_of(study.SEEDS, "seeds of the study"))]
StudySize = Annotated[int, AfterValidator(one_of(study.ATTRIBUTE_TOP_K, "mask sizes of the study"))]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Draws = Annotated[int, Field(ge=1, le=10_000)]
Emotions = Annotated[list[Emotion], Field(min_length=4), AfterValidator(unique)]
Labels = Annotated[list[Name], Field(min_length=4), AfterValidator(unique)]
Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(unique)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(unique)]
CountsOrShares = Annotated[list[Count | Share], Field(min_length=1), AfterValidator(unique)]


class Section(BaseModel):
    """A section of params.yaml: unknown keys and values of a wrong type are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


OWN_KINDS = (".csv", ".parquet")
"""The kinds of a user's own files."""


def _in_own_folder(value: str) -> str:
    if Path(value).name != value or Path(value).suffix.lower() not in OWN_KINDS:
        raise ValueError(
            f"'{value}' is not the name of a CSV or Parquet file in data/own; copy the file there"
        )
    return value


OwnFile = Annotated[str, AfterValidator(_in_own_folder)]


class Own(Section):
    """The user's own attributes and texts for the run `live`, files in data/own; None: the study's."""

    attributes: OwnFile | None
    texts: OwnFile | None


class Study(Section):
    """The emotions, seeds, mask sizes and neurons of the run `published`."""

    emotions: Emotions
    seeds: Annotated[list[StudySeed], Field(min_length=2), AfterValidator(unique)]
    top_k: Annotated[list[StudySize], Field(min_length=1), AfterValidator(unique)]
    layers: Literal[12]
    width: Literal[3072]

    @property
    def is_the_studys(self) -> bool:
        """Whether the design is the study's, as its claims assume."""
        chosen = tuple(self.emotions), tuple(self.seeds), tuple(self.top_k)
        return chosen == (study.EMOTIONS, study.SEEDS, study.ATTRIBUTE_TOP_K)


class Backbone(Section):
    """The model that the run `live` measures, and the words that stand for the two classes."""

    name: Annotated[str, Field(min_length=1)]
    revision: Annotated[str, Field(pattern="^([0-9a-f]{40})?$")]
    layers: Count
    width: Count
    verbalizer: Annotated[list[str], Field(min_length=2, max_length=2), AfterValidator(unique)]
    verbalizer_scale: Positive
    precision: Literal["float32", "bf16", "tf32"]

    @property
    def neurons(self) -> int:
        """The number of neurons in the model."""
        return self.layers * self.width


class Training(Section):
    """How a soft prompt is trained."""

    prompt_len: Count
    examples: Count | None
    epochs: Count
    dev_examples: Count | None
    batch: Count
    lr: Positive
    weight_decay: Annotated[float, Field(ge=0, lt=1)]
    correct_bias: bool
    schedule: Literal["constant", "linear"]
    dropout: bool


class Evaluation(Section):
    """How many texts a prompt is evaluated on."""

    examples: Count | None
    unmasked_examples: Count | None
    rows: Count


class Protocol(Section):
    """Choices in which the study departs from standard practice."""

    negatives: Literal["with_replacement_any", "balanced_true_negatives"]
    positions: Literal["zero", "native"]
    split: Literal["dev", "test"]
    probe: Literal["s", "mask"]
    prompt_init: Literal["normal", "mask"]
    accuracy: Literal["overall", "mean_of_batches"]
    max_length: Annotated[int, Field(ge=3)]


class Activation(Section):
    """Where the activation of a neuron is read."""

    point: Literal["post_gelu", "pre_gelu", "sign"]


class Executor(Section):
    """Where the run `live` is computed."""

    kind: Literal["local", "dask"]
    workers: Count | None
    address: Annotated[str, Field(pattern=r"^\w+://\S+:\d+$")] | None

    @model_validator(mode="after")
    def _only_a_cluster_has_an_address(self) -> "Executor":
        if self.address and self.kind != "dask":
            raise ValueError(f"address: {self.address} is the address of a cluster; set kind: dask")
        return self


class Masks(Section):
    """The masks of the run `live`; `mask_plan` says what they mean."""

    ranking: Literal["attributes", "spaces", "activation"]
    ranking_seeds: Seeds | None
    kind: Literal["binary", "float"]
    baseline: Literal["uniform", "layer_matched"]
    draws: Draws
    other_draws: Draws
    seed: Seed


class Resampling(Section):
    """The number of random samples, and their seed."""

    samples: Annotated[int, Field(ge=100, le=1_000_000)]
    seed: Seed


class Analysis(Section):
    """Thresholds and sizes of the analyses of both runs."""

    searchlight_alpha: Share
    drop_alpha: Share
    top_k: Count
    bootstrap: Resampling
    parallel: Resampling
    permutations: Resampling


class Figures(Section):
    """What the figures show."""

    top_k: Count
    attribute: Name
    emotion: Name
    dpi: Annotated[int, Field(ge=50, le=1200)]


class Params(Section):
    """All of params.yaml."""

    runs: Annotated[list[Literal["published", "live"]], Field(min_length=1), AfterValidator(unique)]
    study: Study
    backbone: Backbone
    own: Own
    emotions: Labels
    seeds: Seeds
    top_k: CountsOrShares
    training: Training
    evaluation: Evaluation
    protocol: Protocol
    activation: Activation
    masks: Masks
    analysis: Analysis
    figures: Figures
    executor: Executor

    def sizes(self) -> list[int]:
        """Return top_k as numbers of neurons of the backbone."""
        return [k if isinstance(k, int) else round(k * self.backbone.neurons) for k in self.top_k]

    @model_validator(mode="after")
    def _names(self) -> "Params":
        if "live" not in self.runs or "published" not in self.runs:
            raise ValueError(f"runs: {self.runs}, but the pipeline needs both; see also `make published`")
        if not self.own.texts:  # the stage `targets` compares the user's own texts with `emotions`
            for place, emotion in enumerate(self.emotions):
                _at(f"emotions[{place}]", one_emotion, emotion)
        if not self.own.attributes:
            _at("figures.attribute", one_attribute, self.figures.attribute)
        if self.figures.emotion not in (*self.study.emotions, *self.emotions):
            raise ValueError(
                f"figures.emotion: '{self.figures.emotion}' is in neither study.emotions nor emotions"
            )
        return self

    @model_validator(mode="after")
    def _mask_sizes(self) -> "Params":
        backbone, sizes = self.backbone, self.sizes()
        for place, k in enumerate(sizes):
            given = f"top_k[{place}]: {self.top_k[place]}"
            if not 1 <= k <= backbone.neurons:
                less_or_more = "more than" if k else "less than one of"
                raise ValueError(
                    f"{given} is {less_or_more} the {backbone.neurons} neurons of {backbone.name}"
                )
            if k in sizes[:place]:
                raise ValueError(f"{given} of {backbone.neurons} neurons are {k}, the same size as another")
        for key, k in (("analysis.top_k", self.analysis.top_k), ("figures.top_k", self.figures.top_k)):
            if k not in self.study.top_k:
                raise ValueError(f"{key}: {k} is not one of study.top_k {self.study.top_k}")
        return self

    @model_validator(mode="after")
    def _ranking_seeds(self) -> "Params":
        ranking = self.masks.ranking_seeds or []
        for place, seed in enumerate(ranking):
            if seed not in self.seeds:
                raise ValueError(f"masks.ranking_seeds[{place}]: {seed} is not one of seeds {self.seeds}")
        if len(ranking) == len(self.seeds):
            raise ValueError("masks.ranking_seeds: must leave at least one seed for evaluating the masks")
        return self


def _at(key: str, check_value: Callable[[Any], Any], value: Any) -> None:
    """Check a value. Raises ValueError that begins with the key."""
    try:
        check_value(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check params.yaml. Raises UserError with one line that names the wrong key."""
    return check(read_yaml(path), path, Params)
