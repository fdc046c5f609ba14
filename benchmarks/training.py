"""Examples a second of prompt tuning beside plain loops and peft, into benchmarks/results/training.json.

`python benchmarks/training.py [--quick]`. Random models whose vocabulary is cut to 1,000 words, texts as long as those of GoEmotions. Ours
trains seeds side by side; the others train one. Fair: a plain loop, texts padded to the longest of a batch, the head reads position
0 alone. The study's: texts are padded to 256 positions, the head reads all. peft: PromptTuning of a sequence classifier, by the
Trainer of transformers, which tunes the classifier too. Ours also looks at dev, of one example a seed.
"""

import tempfile
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import transformers
from random_model import (
    LONGEST,
    PAD,
    WORDS,
    at_all_positions,
    at_position_0,
    engine_of,
    inputs_of,
    longest_of,
    operations_of_training,
    random_config,
    random_model,
    random_texts,
)
from side_by_side import Contestant, contest, missing, options, run_alone, write
from torch.nn.functional import cross_entropy

from model_emotion.model.tasks import Examples
from model_emotion.model.tuning import Recipe, tune
from model_emotion.projection import product_rate


@dataclass(frozen=True)
class Setting:
    """How prompts are trained, and on how many texts a seed. seeds: of ours, the first number is what the others are compared with."""

    name: str
    size: str
    texts: int
    prompt_len: int
    batch: int
    dropout: bool
    seeds: tuple = (4, 1, 12)

    @property
    def title(self):
        return f"Prompt tuning at {self.size}'s size, {self.name}"

    @property
    def note(self):
        return f"{self.prompt_len} vectors, batches of {self.batch}, dropout {'on' if self.dropout else 'off'}."


STUDYS, NO_DROPOUT, OURS = "as the study", "as the study but for dropout", "as in params.yaml"
SETTINGS = [
    Setting(STUDYS, "MiniLM", 64, 100, 16, True),
    Setting(STUDYS, "roberta-base", 32, 100, 16, True),
    Setting(NO_DROPOUT, "MiniLM", 64, 100, 16, False, (4, 1)),
    Setting(NO_DROPOUT, "roberta-base", 32, 100, 16, False, (4, 1)),
    Setting(OURS, "MiniLM", 256, 5, 4, False),
    Setting(OURS, "roberta-base", 64, 5, 4, False),
]
QUICK = [Setting(STUDYS, "MiniLM", 16, 100, 16, True, (4, 1)), Setting(OURS, "MiniLM", 16, 5, 4, False, (4, 1))]


def random_examples(count, seed):
    return Examples(random_texts(count, seed), np.random.default_rng(seed).integers(0, 2, count))


def ours(setting, seeds):
    engine = engine_of(random_model(setting.size))
    train, dev = ([random_examples(count, first + seed) for seed in range(seeds)] for count, first in ((setting.texts, 0), (1, 100)))
    tuned = tune(
        engine, "joy", range(seeds), train, dev,
        Recipe(prompt_len=setting.prompt_len, epochs=1, batch=setting.batch, dropout=setting.dropout),
    )  # fmt: skip
    assert not tuned.failed


def plain_loop(setting, examples, longest, read):
    """One pass through all examples by a plain training loop."""
    model = random_model(setting.size)
    prompt = (0.02 * torch.randn(setting.prompt_len, model.config.hidden_size)).requires_grad_()
    optimiser = torch.optim.AdamW([prompt], lr=2e-3)
    model.train(setting.dropout)
    for start in range(0, len(examples), setting.batch):
        some = slice(start, start + setting.batch)
        texts, labels = examples.texts[some], torch.from_numpy(examples.labels[some])
        logits = read(model, inputs_of(model, prompt, texts, longest(texts)))[:, WORDS]
        optimiser.zero_grad()
        cross_entropy(logits, labels).backward()
        optimiser.step()
    model.eval()


def pefts(setting, examples):
    """The same pass by peft and Trainer; the model is built within."""
    from peft import PromptTuningConfig, get_peft_model

    torch.manual_seed(0)
    classifier = transformers.RobertaForSequenceClassification(random_config(setting.size))
    model = get_peft_model(classifier, PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=setting.prompt_len))
    rows = [{"input_ids": text, "labels": int(label)} for text, label in zip(examples.texts, examples.labels, strict=True)]

    def collate(some):
        longest = max(len(row["input_ids"]) for row in some)
        ids = torch.tensor([row["input_ids"] + [PAD] * (longest - len(row["input_ids"])) for row in some])
        return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": torch.tensor([row["labels"] for row in some])}

    with tempfile.TemporaryDirectory() as folder:
        asked = transformers.TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=setting.batch, learning_rate=2e-3, use_cpu=True, disable_tqdm=True,
            report_to="none", save_strategy="no", logging_strategy="no",
        )  # fmt: skip
        transformers.Trainer(model, asked, data_collator=collate, train_dataset=rows).train()


def contestants_of(setting):
    examples = random_examples(setting.texts, 0)

    def contestant(name, run, seeds=1, **about):
        return Contestant(name, run, f"{setting.size}, {setting.name}", seeds * setting.texts, **about)

    found = [contestant(f"ours, seeds side by side: {seeds}", partial(ours, setting, seeds), seeds) for seeds in setting.seeds]
    found.append(contestant("fair loop", partial(plain_loop, setting, examples, longest_of, at_position_0)))
    if setting.name == STUDYS:
        study = partial(plain_loop, setting, examples, lambda some: LONGEST, at_all_positions)
        found.append(contestant("the study's loop", study))
        found.append(contestant("peft PromptTuning, Trainer", partial(pefts, setting, examples), missing=missing("peft")))
    return found


def main():
    asked = options(__doc__)
    settings = QUICK if asked.quick else SETTINGS
    if asked.alone:
        return run_alone([contestant for setting in settings for contestant in contestants_of(setting)], asked.alone)
    peak, tables = product_rate(), []
    shares = f"A share is of this machine's own float32 matrix products, measured in this run: {peak / 1e9:.0f} GFLOP/s."
    about = f"An example is a text that a prompt learns from once. {shares} Memory has the model in it."
    for setting in settings:
        table = contest(setting.title, f"{setting.note} {about}", contestants_of(setting), 1 if asked.quick else 3, asked)
        lengths = [len(text) for text in random_texts(setting.texts, 0)]
        plain, must = operations_of_training(random_model(setting.size), lengths, setting.prompt_len)
        for own in table["rows"]:
            if "median" in own:
                own["share, must do"], own["share, plain"] = own["median"] * must / peak, own["median"] * plain / peak
        tables.append(table)
    write("training", asked, tables, **{"products (GFLOP/s)": peak / 1e9})


if __name__ == "__main__":
    main()
