"""The toolkit's arguments: which are honoured and which are refused, and their defaults."""

import dataclasses

import pytest
import transformers
from transformers import TrainingArguments

from model_emotion.base.errors import UserError
from model_emotion.model import training
from model_emotion.toolkit import arguments
from model_emotion.toolkit.arguments import ModelEmotionArguments


def test_defaults_are_the_studys():
    args, study = ModelEmotionArguments(output_dir="out"), training.Recipe()
    assert args.backbone == "sentence-transformers/all-MiniLM-L6-v2"
    assert (
        (args.prompt_len, args.learning_rate, args.num_train_epochs)
        == (study.prompt_len, study.lr, study.epochs)
        == (100, 2e-3, 2)
    )
    assert (args.per_device_train_batch_size, args.lr_scheduler_type, args.weight_decay) == (
        study.batch,
        study.schedule,
        0.01,
    )
    assert isinstance(args, TrainingArguments) and args.max_source_length == 128 and args.seed == 42


TAKEN = {*arguments.HONOURED, *arguments.HARMLESS}


@pytest.mark.parametrize(
    "name",
    [
        f.name
        for f in dataclasses.fields(TrainingArguments)
        if f.name not in TAKEN and not f.name.startswith("log")
    ],
)
def test_every_other_argument_of_transformers_is_refused_by_name(name):
    with pytest.raises(UserError, match=rf"^{name}='another': has no effect here"):
        ModelEmotionArguments(output_dir="out", **{name: "another"})


@pytest.mark.parametrize(
    "name, value, reason",
    [
        ("gradient_accumulation_steps", 4, "no effect"),
        ("fp16", True, "no effect"),
        ("max_steps", 10, "no effect"),
        ("warmup_steps", 5, "no effect"),
        ("max_grad_norm", -1.0, "at least 0"),
        ("adam_epsilon", -1e-8, "at least 0"),
        ("keep", "first", "one of best, last"),
        ("probe", "cls", "one of s, mask"),
        ("no_cuda", True, "no effect here; give use_cpu"),
        ("evaluation_strategy", "epoch", "no effect"),
        ("logging_dir", "logs", "no effect"),
        ("overwrite_output_dir", True, "no effect"),
        ("report_to", "wandb", "no effect"),
        ("save_strategy", "epoch", "no effect"),
        ("lr_scheduler_type", "cosine", "constant, linear"),
        ("num_train_epochs", 1.5, "whole number"),
        ("num_train_epochs", 0, "at least 1"),
        ("prompt_len", 0, "at least 1"),
        ("examples", 0, "at least 1"),
        ("seed", -1, "at least 0"),
        ("learning_rate", float("nan"), "must be a number"),
    ],
)
def test_values_that_cannot_be_honoured_are_refused_by_name(name, value, reason):
    with pytest.raises(UserError, match=rf"^{name}=.*{reason}"):
        ModelEmotionArguments(output_dir="out", **{name: value})


def test_harmless_arguments_are_accepted_and_unknown_ones_are_not():
    ModelEmotionArguments(
        output_dir="out",
        logging_steps=5,
        log_level="error",
        do_train=True,
        report_to="none",
        save_strategy="no",
    )
    with pytest.raises(TypeError, match="learning_rte"):
        ModelEmotionArguments(output_dir="out", learning_rte=0.1)


def test_arguments_can_be_copied_and_parsed_from_a_command_line():
    args = ModelEmotionArguments(output_dir="out", sentiment="Anger", use_cpu=True)
    copy = dataclasses.replace(args, seed=7)
    assert (copy.sentiment, copy.seed, copy.learning_rate) == ("Anger", 7, args.learning_rate)
    given = ["--output_dir", "out", "--examples", "9"]
    (parsed,) = transformers.HfArgumentParser(ModelEmotionArguments).parse_args_into_dataclasses(given)
    assert parsed.examples == 9 and parsed.sentiment == "surprise"
