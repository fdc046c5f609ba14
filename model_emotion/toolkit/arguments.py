"""The original toolkit's arguments, a `transformers.TrainingArguments`: which are honoured or refused."""

from dataclasses import InitVar, dataclass, fields
from math import inf
from numbers import Real
from typing import Any

from transformers import TrainingArguments

from model_emotion.base.errors import UserError
from model_emotion.base.values import LARGEST_SEED
from model_emotion.model.optimiser import SCHEDULES
from model_emotion.model.training import KEEPS, Recipe
from model_emotion.toolkit.masks import DEFAULT_BACKBONE, MAX_SOURCE_LENGTH

HONOURED = (
    "output_dir", "learning_rate", "num_train_epochs", "per_device_train_batch_size",
    "per_device_eval_batch_size", "seed", "weight_decay", "lr_scheduler_type", "max_grad_norm",
    "adam_epsilon", "bf16", "tf32", "use_cpu", "disable_tqdm",
)  # fmt: skip
"""transformers' own arguments that have an effect here."""
HARMLESS = (
    "do_train", "do_eval", "do_predict", "run_name", "dataloader_num_workers", "dataloader_pin_memory",
)  # fmt: skip
"""Arguments that no result depends on, besides all whose names begin with `log`."""
EQUIVALENT = {
    "eval_strategy": ("epoch",),
    "save_strategy": ("no",),
    "include_num_input_tokens_seen": (False,),
}
"""Values besides the default that describe what happens here."""
LEAST_WHOLE = {
    "prompt_len": 1, "max_source_length": 3, "examples": 1, "per_device_train_batch_size": 1,
    "per_device_eval_batch_size": 1, "num_train_epochs": 1, "seed": 0,
}  # fmt: skip
"""The smallest value of each whole number."""
LEAST_OTHER = {"learning_rate": 0, "weight_decay": 0, "max_grad_norm": 0, "adam_epsilon": 0}
"""The smallest value of each other number."""
PROBES = ("s", "mask")
VERSION_2: dict[str, Any] = {
    "learning_rate": 5e-5, "num_train_epochs": 3, "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 8, "weight_decay": 0.0, "lr_scheduler_type": "linear",
    "max_grad_norm": 1.0, "adam_epsilon": 1e-8, "correct_bias": True, "keep": "last", "probe": "mask",
}  # fmt: skip
"""The settings of the original toolkit's version 2.0."""


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass
class ModelEmotionArguments(TrainingArguments):
    """What to train and how: transformers' arguments, the original toolkit's additions, and ours.

    backbone: any masked encoder, a folder or a name on the Hub. The default is the project's small model,
    which is in an installed package; the original's was roberta-base. prompt_len: vectors of the soft prompt.
    sentiment: the emotion. max_source_length: of a text in tokens; longer texts are cut. pad_to_max_length:
    has no effect, since padding changes no result. examples (ours): maximum number of training and of dev
    examples; None stands for all. dropout (ours): use the backbone's dropout in training. correct_bias
    (ours): correct the bias of AdamW's first steps. keep (ours): `best` keeps the prompt after its best epoch
    on dev, `last` the one after the last epoch. probe (ours): the token that activations are read with, `s`
    for `<s>`, as in version 1.0, or `mask` for `<mask>`, as in version 2.0.

    Of transformers' arguments, those in HONOURED have an effect. Their defaults are the study's, whose AdamW
    corrects no bias and clips no gradient (max_grad_norm=0). `version2` returns those of version 2.0. Any
    other argument raises UserError, unless its value describes what happens anyway. So do the arguments of
    transformers 4 that the installed version lacks: no_cuda, evaluation_strategy, logging_dir and
    overwrite_output_dir.
    """

    backbone: str = DEFAULT_BACKBONE
    prompt_len: int = 100
    sentiment: str = "surprise"
    max_source_length: int = MAX_SOURCE_LENGTH
    pad_to_max_length: bool = True
    examples: int | None = None
    dropout: bool = Recipe.dropout
    learning_rate: float = Recipe.lr
    num_train_epochs: float = Recipe.epochs
    per_device_train_batch_size: int = Recipe.batch
    per_device_eval_batch_size: int = Recipe.eval_rows
    weight_decay: float = Recipe.weight_decay
    lr_scheduler_type: str = Recipe.schedule
    adam_epsilon: float = Recipe.epsilon
    max_grad_norm: float = Recipe.max_grad_norm
    correct_bias: bool = Recipe.correct_bias
    keep: str = Recipe.keep
    probe: str = PROBES[0]
    no_cuda: InitVar[bool | None] = None
    evaluation_strategy: InitVar[str | None] = None
    logging_dir: InitVar[str | None] = None
    overwrite_output_dir: InitVar[bool | None] = None

    @classmethod
    def version2(cls, **settings: Any) -> "ModelEmotionArguments":
        """Return the arguments of the original toolkit's version 2.0, VERSION_2, with settings on top."""
        return cls(**VERSION_2 | settings)

    def __post_init__(
        self,
        no_cuda: bool | None,
        evaluation_strategy: str | None,
        logging_dir: str | None,
        overwrite_output_dir: bool | None,
    ) -> None:
        for name, value, instead in (
            ("no_cuda", no_cuda, "give use_cpu instead"),
            ("evaluation_strategy", evaluation_strategy, "leave it out, since every epoch is evaluated"),
            ("logging_dir", logging_dir, "leave it out"),
            ("overwrite_output_dir", overwrite_output_dir, "leave it out, since files are replaced"),
        ):
            if value is not None:
                raise UserError(f"{name}={value!r}: has no effect here; {instead}")
        self._check_numbers()
        if getattr(self.lr_scheduler_type, "value", self.lr_scheduler_type) not in SCHEDULES:
            raise UserError(
                f"lr_scheduler_type={str(self.lr_scheduler_type)!r}: must be one of {', '.join(SCHEDULES)}"
            )
        for name, known in (("keep", KEEPS), ("probe", PROBES)):
            if getattr(self, name) not in known:
                raise UserError(f"{name}={getattr(self, name)!r}: must be one of {', '.join(known)}")
        self._refuse_arguments_without_effect()
        super().__post_init__()

    def _check_numbers(self) -> None:
        """Raise UserError for a number of the wrong kind or outside its range."""
        for name, least in (LEAST_WHOLE | LEAST_OTHER).items():
            value: Any = getattr(self, name)
            if value is None and name == "examples":
                continue
            if not _is_real(value) or not -inf < value < inf:
                raise UserError(f"{name}={value!r}: must be a number")
            if name in LEAST_WHOLE and value != int(value):
                raise UserError(f"{name}={value}: must be a whole number")
            if value < least:
                raise UserError(f"{name}={value}: must be at least {least}")
            if name in LEAST_WHOLE and name != "num_train_epochs":  # which transformers declares as a float
                setattr(self, name, int(value))
        if self.seed > LARGEST_SEED:
            raise UserError(f"seed={self.seed}: must be at most {LARGEST_SEED}")

    def _refuse_arguments_without_effect(self) -> None:
        # TrainingArguments sets some of its fields itself; a copy of these arguments has them set.
        theirs = TrainingArguments(output_dir=self.output_dir, use_cpu=self.use_cpu)
        for field in fields(TrainingArguments):
            name, value = field.name, getattr(self, field.name)
            default = getattr(type(self), name, None)
            settled = getattr(theirs, name) if name not in ModelEmotionArguments.__annotations__ else default
            unchanged = value in (default, settled, *EQUIVALENT.get(name, ())) or not (value or default)
            if not (unchanged or name in HONOURED or name in HARMLESS or name.startswith("log")):
                raise UserError(f"{name}={value!r}: has no effect here; leave it out")
