"""Compare the speed of prompt tuning with plain loops and peft: benchmarks/results/training.json.

`python benchmarks/training.py [--quick]`. The models are random, with a vocabulary of 1,000 words, and the
texts as long as GoEmotions'. Ours trains seeds or emotions side by side, as the stage `prompts` does, and
evaluates one dev example per seed. The others train one prompt. Fair loop: a plain loop, with texts padded to
the longest of a batch, and the head at position 0 only. The study's loop: texts are padded to 256 positions,
and the head reads all. peft: PromptTuning of a sequence classifier with transformers' Trainer, which also
tunes the classifier.
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
from side_by_side import Method, add_shares, compare, missing, options, run_alone, share_note, write
from torch.nn.functional import cross_entropy

from model_emotion.live.cost import product_rate
from model_emotion.model.tasks import Examples
from model_emotion.model.training import Recipe
from model_emotion.model.tuning import SIDE_BY_SIDE, tune_together
from model_emotion.params import load_params


@dataclass(frozen=True)
class Setting:
    """How prompts are trained, and on how many texts per seed.

    seeds: numbers of seeds side by side. The others are compared with the first.
    """

    name: str
    size: str
    texts: int
    recipe: Recipe
    seeds: tuple = (4, 1, 12)

    @property
    def title(self):
        return f"Prompt tuning at {self.size}'s size, {self.name}"

    @property
    def note(self):
        dropout = "on" if self.recipe.dropout else "off"
        return f"{self.recipe.prompt_len} vectors, batches of {self.recipe.batch}, dropout {dropout}."


STUDYS, NO_DROPOUT, OURS = "as the study", "as the study but for dropout", "as in params.yaml"
RECIPES = {
    STUDYS: Recipe(epochs=1),
    NO_DROPOUT: Recipe(epochs=1, dropout=False),
    OURS: Recipe(
        epochs=1, **load_params().training.model_dump(include={"prompt_len", "batch", "lr", "dropout"})
    ),
}
SETTINGS = [
    Setting(STUDYS, "MiniLM", 64, RECIPES[STUDYS]),
    Setting(STUDYS, "roberta-base", 32, RECIPES[STUDYS]),
    Setting(NO_DROPOUT, "MiniLM", 64, RECIPES[NO_DROPOUT], (4, 1)),
    Setting(NO_DROPOUT, "roberta-base", 32, RECIPES[NO_DROPOUT], (4, 1)),
    Setting(OURS, "MiniLM", 256, RECIPES[OURS]),
    Setting(OURS, "roberta-base", 64, RECIPES[OURS]),
]
QUICK = [Setting(name, "MiniLM", 16, RECIPES[name], (4, 1)) for name in (STUDYS, OURS)]


def random_examples(count, seed):
    return Examples(random_texts(count, seed), np.random.default_rng(seed).integers(0, 2, count))


def ours(setting, seeds, emotions=1):
    engine = engine_of(random_model(setting.size))

    def examples(count, first):
        return [random_examples(count, first + seed) for seed in range(seeds)]

    tasks = {f"emotion {n}": (examples(setting.texts, n), examples(1, 100 + n)) for n in range(emotions)}
    assert not any(
        tuned.failed for tuned in tune_together(engine, tasks, range(seeds), setting.recipe).values()
    )


def plain_loop(setting, examples, longest, read):
    """Train on all examples once, with a plain loop."""
    model = random_model(setting.size)
    prompt = (0.02 * torch.randn(setting.recipe.prompt_len, model.config.hidden_size)).requires_grad_()
    optimiser = torch.optim.AdamW([prompt], lr=setting.recipe.lr)
    model.train(setting.recipe.dropout)
    for start in range(0, len(examples), setting.recipe.batch):
        some = slice(start, start + setting.recipe.batch)
        texts, labels = examples.texts[some], torch.from_numpy(examples.labels[some])
        logits = read(model, inputs_of(model, prompt, texts, longest(texts)))[:, WORDS]
        optimiser.zero_grad()
        cross_entropy(logits, labels).backward()
        optimiser.step()
    model.eval()


def pefts(setting, examples):
    """Train on all examples once, with peft and Trainer, including building the model."""
    from peft import PromptTuningConfig, get_peft_model

    torch.manual_seed(0)
    classifier = transformers.RobertaForSequenceClassification(random_config(setting.size))
    model = get_peft_model(
        classifier, PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=setting.recipe.prompt_len)
    )
    rows = [
        {"input_ids": text, "labels": int(label)}
        for text, label in zip(examples.texts, examples.labels, strict=True)
    ]

    def collate(some):
        longest = max(len(row["input_ids"]) for row in some)
        ids = torch.tensor([row["input_ids"] + [PAD] * (longest - len(row["input_ids"])) for row in some])
        return {
            "input_ids": ids,
            "attention_mask": (ids != PAD).long(),
            "labels": torch.tensor([row["labels"] for row in some]),
        }

    with tempfile.TemporaryDirectory() as folder:
        asked = transformers.TrainingArguments(
            folder,
            num_train_epochs=1,
            per_device_train_batch_size=setting.recipe.batch,
            learning_rate=setting.recipe.lr,
            use_cpu=True,
            disable_tqdm=True,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
        )
        transformers.Trainer(model, asked, data_collator=collate, train_dataset=rows).train()


def methods_of(setting):
    examples = random_examples(setting.texts, 0)

    def method(name, run, prompts=1, **about):
        return Method(name, run, f"{setting.size}, {setting.name}", prompts * setting.texts, **about)

    found = [
        method(f"ours, seeds side by side: {seeds}", partial(ours, setting, seeds), seeds)
        for seeds in setting.seeds
    ]
    if (emotions := SIDE_BY_SIDE // setting.recipe.batch) > 1:
        found.append(
            method(f"ours, emotions side by side: {emotions}", partial(ours, setting, 1, emotions), emotions)
        )
    found.append(method("fair loop", partial(plain_loop, setting, examples, longest_of, at_position_0)))
    if setting.name == STUDYS:
        study = partial(plain_loop, setting, examples, lambda some: LONGEST, at_all_positions)
        found.append(method("the study's loop", study))
        found.append(
            method("peft PromptTuning, Trainer", partial(pefts, setting, examples), missing=missing("peft"))
        )
    return found


def main():
    asked = options(__doc__)
    settings = QUICK if asked.quick else SETTINGS
    if asked.alone:
        return run_alone([method for setting in settings for method in methods_of(setting)], asked.alone)
    peak, tables = product_rate(), []
    about = f"An example is a text that a prompt sees once. {share_note(peak)} Memory includes the model."
    for setting in settings:
        methods = methods_of(setting)
        tables.append(
            compare(setting.title, f"{setting.note} {about}", methods, 1 if asked.quick else 3, asked)
        )
        lengths = [len(text) for text in random_texts(setting.texts, 0)]
        plain, required = operations_of_training(
            random_model(setting.size), lengths, setting.recipe.prompt_len
        )
        add_shares(tables[-1], peak, plain, {method.name: required for method in methods})
    write("training", asked, tables, **{"products (GFLOP/s)": peak / 1e9})


if __name__ == "__main__":
    main()
