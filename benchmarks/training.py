"""Examples a second of prompt tuning beside plain loops and peft, into benchmarks/results/training.json.

`python benchmarks/training.py [--quick]`. Prompts of 100 vectors, batches of 16, dropout on, random models whose vocabulary is cut to 1,000
words, texts as long as those of GoEmotions. Ours trains seeds side by side; the others train one. Fair: a plain loop, texts padded to
the longest of a batch, the head reads position 0 alone. The study's: texts are padded to 256 positions, the head reads all. peft:
PromptTuning of a sequence classifier, by the Trainer of transformers, which tunes the classifier too. Ours also looks at dev, of one
example a seed.
"""

import tempfile
from functools import partial

import numpy as np
import torch
import transformers
from random_model import (
    LONGEST,
    PAD,
    PROMPT_LEN,
    SIZES,
    WORDS,
    at_all_positions,
    at_position_0,
    engine_of,
    inputs_of,
    longest_of,
    random_config,
    random_model,
    random_texts,
)
from side_by_side import Contestant, contest, missing, options, run_alone, write
from torch.nn.functional import cross_entropy

from model_emotion.model.tasks import Examples
from model_emotion.model.tuning import Recipe, tune

SEEDS, BATCH = (4, 1, 12), 16  # the first is what the others are compared with


def random_examples(count, seed):
    return Examples(random_texts(count, seed), np.random.default_rng(seed).integers(0, 2, count))


def ours(size, seeds, texts):
    engine = engine_of(random_model(size))
    train, dev = ([random_examples(count, first + seed) for seed in range(seeds)] for count, first in ((texts, 0), (1, 100)))
    tuned = tune(engine, "joy", range(seeds), train, dev, Recipe(prompt_len=PROMPT_LEN, epochs=1, batch=BATCH))
    assert not tuned.failed


def plain_loop(size, examples, longest, read):
    """One pass through all examples by a plain training loop."""
    model = random_model(size)
    prompt = (0.02 * torch.randn(PROMPT_LEN, model.config.hidden_size)).requires_grad_()
    optimiser = torch.optim.AdamW([prompt], lr=2e-3)
    model.train()
    for start in range(0, len(examples), BATCH):
        texts, labels = examples.texts[start : start + BATCH], torch.from_numpy(examples.labels[start : start + BATCH])
        logits = read(model, inputs_of(model, prompt, texts, longest(texts)))[:, WORDS]
        optimiser.zero_grad()
        cross_entropy(logits, labels).backward()
        optimiser.step()
    model.eval()


def pefts(size, examples):
    """The same pass by peft and Trainer; the model is built within."""
    from peft import PromptTuningConfig, get_peft_model

    torch.manual_seed(0)
    classifier = transformers.RobertaForSequenceClassification(random_config(size))
    model = get_peft_model(classifier, PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=PROMPT_LEN))
    rows = [{"input_ids": text, "labels": int(label)} for text, label in zip(examples.texts, examples.labels, strict=True)]

    def collate(some):
        longest = max(len(row["input_ids"]) for row in some)
        ids = torch.tensor([row["input_ids"] + [PAD] * (longest - len(row["input_ids"])) for row in some])
        return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": torch.tensor([row["labels"] for row in some])}

    with tempfile.TemporaryDirectory() as folder:
        asked = transformers.TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=BATCH, learning_rate=2e-3, use_cpu=True, disable_tqdm=True,
            report_to="none", save_strategy="no", logging_strategy="no",
        )  # fmt: skip
        transformers.Trainer(model, asked, data_collator=collate, train_dataset=rows).train()


def contestants_of(size, quick):
    texts = 16 if quick else 32
    examples = random_examples(texts, 0)
    found = [
        Contestant(f"ours, seeds side by side: {seeds}", partial(ours, size, seeds, texts), size, seeds * texts)
        for seeds in (SEEDS[:2] if quick else SEEDS)
    ]
    fair, study = (at_position_0, longest_of), (at_all_positions, lambda some: LONGEST)
    for name, (read, longest) in {"fair loop": fair, "the study's loop": study}.items():
        found.append(Contestant(name, partial(plain_loop, size, examples, longest, read), size, texts))
    reason = missing("peft")
    return [*found, Contestant("peft PromptTuning, Trainer", partial(pefts, size, examples), size, texts, missing=reason)]


def main():
    asked = options(__doc__)
    if asked.alone:
        return run_alone(contestants_of(asked.alone.partition(":")[0], asked.quick), asked.alone)
    note = "An example is a text that a prompt learns from once. Memory has the model in it."
    tables = [
        contest(f"Prompt tuning at {size}'s size", note, contestants_of(size, asked.quick), 1 if asked.quick else 3, asked)
        for size in (["MiniLM"] if asked.quick else SIZES)
    ]
    write("training", asked, tables)


if __name__ == "__main__":
    main()
