"""params.yaml as typed, checked values. Every stage reads the whole file first; an invalid value stops it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from model_emotion.base import study
from model_emotion.base.errors import InputError
from model_emotion.base.files import read_yaml
from model_emotion.base.settings import ParamsError, Section, check_section, did_you_mean
from model_emotion.base.values import (
    OWN_RUNS,
    Commit,
    Count,
    Draws,
    Emotions,
    Labels,
    Name,
    OwnFile,
    Positive,
    RunName,
    Scheduler,
    Seed,
    Seeds,
    Share,
    Sizes,
    StudySeeds,
    StudySizes,
    an_attribute,
    an_emotion,
    unique,
)


class Own(Section):
    """The user's own files in data/own for the run `live`; None: the study's data."""

    attributes: OwnFile | None
    texts: OwnFile | None


class Study(Section):
    """The design of the run `published`."""

    emotions: Emotions
    seeds: StudySeeds
    top_k: StudySizes
    layers: Literal[12]
    width: Literal[3072]

    @property
    def is_the_studys(self) -> bool:
        """Whether the design is the study's own, which its claims suppose."""
        return (tuple(self.emotions), tuple(self.seeds), tuple(self.top_k)) == (
            study.EMOTIONS,
            study.SEEDS,
            study.ATTRIBUTE_TOP_K,
        )


class Backbone(Section):
    """The model that the run `live` measures, and how its answer yes or no is read."""

    name: Annotated[str, Field(min_length=1)]
    revision: Commit
    layers: Count | None
    width: Count | None
    verbalizer: Annotated[list[str], Field(min_length=2, max_length=2), AfterValidator(unique)]
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
    """Where the study departs from standard practice."""

    negatives: Literal["with_replacement_any", "balanced_true_negatives"]
    positions: Literal["zero", "native"]
    split: Literal["dev", "test"]
    probe: Literal["s", "mask"]
    prompt_init: Literal["normal", "mask"]
    accuracy: Literal["overall", "mean_of_batches"]
    max_length: Annotated[int, Field(ge=3)]


class Activation(Section):
    """Where in a feed-forward layer a neuron is read."""

    point: Literal["post_gelu", "pre_gelu", "sign"]


class Executor(Section):
    """Where the run `live` is computed."""

    kind: Literal["local", "dask"]
    workers: Count | None
    address: Scheduler | None


class Masks(Section):
    """How neurons are ranked, and which masks are drawn."""

    ranking: Literal["attributes", "spaces", "activation"]
    ranking_seeds: Seeds | None
    kind: Literal["binary", "float"]
    baseline: Literal["uniform", "layer_matched"]
    draws: Draws
    other_draws: Draws
    permuted_draws: Annotated[int, Field(ge=0, le=10_000)]
    seed: Seed


class Resampling(Section):
    """Number of random samples, and the seed that they are drawn with."""

    samples: Annotated[int, Field(ge=100, le=1_000_000)]
    seed: Seed


class Analysis(Section):
    """Significance levels and resampling, for both runs."""

    searchlight_alpha: Share
    drop_alpha: Share
    top_k: Count
    bootstrap: Resampling
    parallel: Resampling
    permutations: Resampling


class Figures(Section):
    """What figures show that show one size, attribute or emotion."""

    top_k: Count
    attribute: Name
    emotion: Name
    dpi: Annotated[int, Field(ge=50, le=1200)]


class Params(Section):
    """All of params.yaml; its comments say what each key means."""

    runs: Annotated[list[str], Field(min_length=1), AfterValidator(unique)]
    imported: Annotated[list[RunName], AfterValidator(unique)]
    study: Study
    backbone: Backbone
    own: Own
    emotions: Labels
    seeds: Seeds
    top_k: Sizes
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
                compared = "more than" if k else "less than one of"
                name = self.backbone.name
                raise ValueError(f"top_k[{place}]: {said} is {compared} the {neurons} neurons of {name}")
            if k in sizes[:place]:
                same = f"the same size as {self.top_k[sizes.index(k)]}: {k} of {neurons} neurons"
                raise ValueError(f"top_k[{place}]: {said} is {same}")
        return sizes

    @model_validator(mode="after")
    def _check_keys_that_depend_on_each_other(self) -> "Params":
        self._check_runs()
        self._check_names()
        self._check_sizes()
        self._check_ranking_seeds()
        executor = self.executor
        if executor.kind == "dask" and not executor.address:
            raise ValueError("executor.address: kind dask needs the address of a scheduler")
        if executor.kind != "dask" and executor.address:
            raise ValueError(f"executor.address: {executor.address} needs executor.kind: dask")
        return self

    def _check_runs(self) -> None:
        for place, run in enumerate(self.runs):
            if run not in (*OWN_RUNS, *self.imported):
                known = "is neither published, live nor one of the runs that `imported` lists"
                raise ValueError(f"runs[{place}]: {run!a} {known}{did_you_mean(run, OWN_RUNS)}")
        if not set(OWN_RUNS) <= set(self.runs):
            raise ValueError("runs: must be both; `make published` reproduces the published run alone")
        for place, run in enumerate(self.imported):
            if run not in self.runs:
                raise ValueError(f"imported[{place}]: '{run}' must be in runs too")

    def _check_names(self) -> None:
        """Check the names that the study must know, unless the user's own tables bring others."""
        if not self.own.texts:
            for place, emotion in enumerate(self.emotions):
                _check_at(f"emotions[{place}]", an_emotion, emotion)
        if not self.own.attributes:
            _check_at("figures.attribute", an_attribute, self.figures.attribute)
        if self.figures.emotion not in (*self.study.emotions, *self.emotions):
            raise ValueError(
                f"figures.emotion: '{self.figures.emotion}' is neither in study.emotions nor in emotions"
            )

    def _check_sizes(self) -> None:
        if self.backbone.layers and self.backbone.width:
            self._sizes()
        for key, k in (("analysis.top_k", self.analysis.top_k), ("figures.top_k", self.figures.top_k)):
            if k not in self.study.top_k:
                raise ValueError(f"{key}: {k} is not one of study.top_k {self.study.top_k}")

    def _check_ranking_seeds(self) -> None:
        ranking_seeds = self.masks.ranking_seeds or []
        for place, seed in enumerate(ranking_seeds):
            if seed not in self.seeds:
                raise ValueError(f"masks.ranking_seeds[{place}]: {seed} is not one of seeds {self.seeds}")
        if len(ranking_seeds) == len(self.seeds):
            raise ValueError("masks.ranking_seeds: must leave at least one seed for evaluating the masks")


def _check_at(key: str, check: Callable[[str], str], value: str) -> None:
    """Check a value; the message begins with the key."""
    try:
        check(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def check(values: Any, path: Path | str = "params.yaml") -> Params:
    """Return Params of plain values, such as a YAML file holds.

    Raises ParamsError with one line 'PATH: KEY: what is wrong'.
    """
    return check_section(values, path, Params)


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read Params from a YAML file. Raises ParamsError with one line that names the key."""
    try:
        values = read_yaml(path)
    except InputError as error:
        raise ParamsError(str(error)) from None
    return check(values, path)
