"""params.yaml as typed, checked values. Every stage reads the whole file first, so a slip is found before any work."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from model_emotion.base import study
from model_emotion.base.errors import InputError, UserError
from model_emotion.base.files import read_yaml


class ParamsError(UserError):
    """params.yaml can't be used; the message names the key."""


def did_you_mean(value, known):
    """'; did you mean …?' where one of the known names is near, else nothing."""
    near = get_close_matches(value, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _one_of(known, what):
    def check(value):
        if value not in known:
            raise ValueError(f"'{value}' is not one of the {len(known)} {what}{did_you_mean(value, known)}")
        return value

    return check


def _no_truth_value(value):
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    return value


def _unique(values):
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} stands twice")
        seen.add(value)
    return values


NOT_NAMES = ("NA", "NULL", "NaN", "None", "nan", "null", "emotion", "emotion_a", "emotion_b", "epoch", "train_loss", "dev_accuracy",
             "human", "model", "random")  # fmt: skip
"""What a CSV takes for a gap, and what results call something else."""


def nameable(value):
    """The value, if it can name an emotion or an attribute, as files, columns and masks are named after them; else ValueError."""
    if not re.fullmatch(r"[^\W\d_]([\w -]*\w)?", value) or value in NOT_NAMES:
        raise ValueError(f"'{value}' can't be a name: one begins with a letter and has letters, digits, '_', '-' and blanks, "
                         f"and is not one of {', '.join(NOT_NAMES)}")  # fmt: skip
    return value


one_emotion, one_attribute = _one_of(study.EMOTIONS, "emotions"), _one_of(study.ATTRIBUTES, "attributes")
Name = Annotated[str, AfterValidator(nameable)]
Emotion = Annotated[str, AfterValidator(one_emotion)]
Attribute = Annotated[str, AfterValidator(one_attribute)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Draws = Annotated[int, Field(ge=1, le=10_000)]
Emotions = Annotated[list[Emotion], Field(min_length=4), AfterValidator(_unique)]
Labels = Annotated[list[Name], Field(min_length=4), AfterValidator(_unique)]
Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_unique)]
Counts = Annotated[list[Count], Field(min_length=1), AfterValidator(_unique)]
CountsOrShares = Annotated[list[Count | Share], Field(min_length=1), AfterValidator(_unique)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


OWN_KINDS = (".csv", ".parquet")
"""What a file of one's own can be."""


def _in_own_folder(value):
    if Path(value).name != value or Path(value).suffix.lower() not in OWN_KINDS:
        raise ValueError(
            f"'{value}' is not the name of a CSV or Parquet file in data/own, where DVC sees that it changes"
        )
    return value


OwnFile = Annotated[str, AfterValidator(_in_own_folder)]


class Own(Section):
    """The run `live`'s own attributes and texts, files in data/own; None: the study's."""

    attributes: OwnFile | None
    texts: OwnFile | None


class Study(Section):
    """The grid of the run `published`."""

    emotions: Emotions
    seeds: Annotated[
        list[Annotated[Literal[study.SEEDS], BeforeValidator(_no_truth_value)]],
        Field(min_length=2),
        AfterValidator(_unique),
    ]
    top_k: Annotated[list[Literal[study.ATTRIBUTE_TOP_K]], Field(min_length=1), AfterValidator(_unique)]
    layers: Literal[12]
    width: Literal[3072]

    @property
    def is_the_studys(self):
        """True when the grid is the study's own, as its claims suppose."""
        return (tuple(self.emotions), tuple(self.seeds), tuple(self.top_k)) == (
            study.EMOTIONS,
            study.SEEDS,
            study.ATTRIBUTE_TOP_K,
        )


class Backbone(Section):
    """The model that the run `live` measures, and how a class is read from it."""

    name: Annotated[str, Field(min_length=1)]
    revision: Annotated[str, Field(pattern="^([0-9a-f]{40})?$")]
    layers: Count | None
    width: Count | None
    verbalizer: Annotated[list[str], Field(min_length=2, max_length=2), AfterValidator(_unique)]
    verbalizer_scale: Positive
    precision: Literal["float32", "bf16", "tf32"]

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, and neurons per layer. Raises ValueError if params.yaml leaves them to config.json."""
        if self.layers is None or self.width is None:
            raise ValueError("backbone.layers and backbone.width are not known before checkpoint.resolved")
        return self.layers, self.width

    @property
    def neurons(self) -> int:
        """Number of neurons; errors as those of `shape`."""
        layers, width = self.shape
        return layers * width


class Training(Section):
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
    examples: Count | None
    unmasked_examples: Count | None
    rows: Count


class Protocol(Section):
    """Where the study's way and the textbook's part."""

    negatives: Literal["with_replacement_any", "balanced_true_negatives"]
    positions: Literal["zero", "native"]
    split: Literal["dev", "test"]
    probe: Literal["s", "mask"]
    prompt_init: Literal["normal", "mask"]
    accuracy: Literal["overall", "mean_of_batches"]
    max_length: Annotated[int, Field(ge=3)]


class Activation(Section):
    point: Literal["post_gelu", "pre_gelu", "sign"]


class Executor(Section):
    kind: Literal["local", "dask"]
    workers: Count | None
    address: Annotated[str, Field(pattern=r"^\w+://\S+:\d+$")] | None

    @model_validator(mode="after")
    def _only_a_cluster_has_an_address(self):
        if self.address and self.kind != "dask":
            raise ValueError(f"address: {self.address} is a cluster's; kind must be dask")
        return self


class Masks(Section):
    ranking: Literal["attributes", "spaces", "activation"]
    ranking_seeds: Seeds | None
    kind: Literal["binary", "float"]
    baseline: Literal["uniform", "layer_matched"]
    draws: Draws
    other_draws: Draws
    seed: Seed


class Resampling(Section):
    samples: Annotated[int, Field(ge=100, le=1_000_000)]
    seed: Seed


class Analysis(Section):
    searchlight_alpha: Share
    drop_alpha: Share
    top_k: Count
    bootstrap: Resampling
    parallel: Resampling
    permutations: Resampling


class Figures(Section):
    top_k: Count
    attribute: Name
    emotion: Name
    dpi: Annotated[int, Field(ge=50, le=1200)]


class Params(Section):
    runs: Annotated[list[Literal["published", "live"]], Field(min_length=1), AfterValidator(_unique)]
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
        """Return top_k as counts of neurons of the backbone, whose size must be known.

        Raises ParamsError if the backbone has fewer neurons, or if two sizes are the same count.
        """
        try:
            return self._sizes()
        except ValueError as error:
            raise ParamsError(f"params.yaml: {error}") from None

    def _sizes(self) -> list[int]:
        neurons = self.backbone.neurons
        sizes = [k if isinstance(k, int) else round(k * neurons) for k in self.top_k]
        for place, (k, said) in enumerate(zip(sizes, self.top_k, strict=True)):
            if not 1 <= k <= neurons:
                is_ = "more than" if k else "less than one of"
                raise ValueError(
                    f"top_k[{place}]: {said} is {is_} the {neurons} neurons of {self.backbone.name}"
                )
            if k in sizes[:place]:
                raise ValueError(f"top_k[{place}]: {said} of {neurons} neurons are {k}, as another size is")
        return sizes

    @model_validator(mode="after")
    def _within(self):
        if "live" not in self.runs or "published" not in self.runs:
            raise ValueError(
                f"runs: {self.runs}, but the pipeline has both; for the published run alone there is `make published`"
            )
        if (
            not self.own.texts
        ):  # with texts of its own their labels say what there is, and the stage `own` looks
            for place, emotion in enumerate(self.emotions):
                _at(f"emotions[{place}]", one_emotion, emotion)
        if not self.own.attributes:
            _at("figures.attribute", one_attribute, self.figures.attribute)
        if self.backbone.layers and self.backbone.width:
            self._sizes()
        for place, seed in enumerate(self.masks.ranking_seeds or ()):
            if seed not in self.seeds:
                raise ValueError(f"masks.ranking_seeds[{place}]: {seed} is not one of seeds {self.seeds}")
        if self.masks.ranking_seeds and len(self.masks.ranking_seeds) == len(self.seeds):
            raise ValueError(
                "masks.ranking_seeds: all of seeds; one at least must be left that the masks are asked of"
            )
        for key, k in (("analysis.top_k", self.analysis.top_k), ("figures.top_k", self.figures.top_k)):
            if k not in self.study.top_k:
                raise ValueError(f"{key}: {k} is not one of study.top_k {self.study.top_k}")
        if self.figures.emotion not in (*self.study.emotions, *self.emotions):
            raise ValueError(
                f"figures.emotion: '{self.figures.emotion}' is not one of study.emotions, nor of emotions"
            )
        return self


def _at(key, check, value):
    """check(value), its complaint headed by the key."""
    try:
        check(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _key(location):
    """('emotions', 3) -> 'emotions[3]'; the names pydantic gives to the branches of a union are left out."""
    key = ""
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
        elif re.fullmatch(r"\w+", part) and part not in ("int", "float"):
            key += f".{part}" if key else part
    return key


def _explain(error, path, model):
    """One line for pydantic's first error."""
    first = error.errors()[0]
    key, message = _key(first["loc"]), first["msg"].removeprefix("Value error, ")
    match first["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(first["loc"][-1]), _siblings(first["loc"], model), n=1)
            message = "unknown key" + (f"; did you mean '{near[0]}'?" if near else "")
        case "missing":
            message = "is missing"
        case "value_error":
            pass
        case _:
            message = f"{message}, not {first['input']!r}"
    return f"{path}: {key}: {message}" if key else f"{path}: {message}"


def _siblings(location, section):
    """The keys that can stand where the last part of a location in a section does."""
    for part in location[:-1]:
        section = section.model_fields[part].annotation
    return list(section.model_fields)


def check(values, path="params.yaml", model=Params):
    """Params, or another model, of plain values, as a YAML file holds them. Raises ParamsError with one line that names the key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ParamsError(_explain(error, path, model)) from None


def load_params(path="params.yaml"):
    """Params read from a YAML file. Raises ParamsError with one line that names the key."""
    try:
        values = read_yaml(path)
    except InputError as error:
        raise ParamsError(str(error)) from None
    return check(values, path)
