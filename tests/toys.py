"""A small random model, a table of toy texts, and a trainer of the toolkit on them."""

import numpy as np
import pandas as pd
import tiny_models
import torch

from model_emotion.toolkit.arguments import ModelEmotionArguments
from model_emotion.toolkit.model import RobertaForMaskedLMPrompt
from model_emotion.toolkit.trainer import ModelEmotionTrainer

LAYERS, WIDTH, PROMPT_LEN = 2, 24, 4

SETTINGS = {
    "prompt_len": PROMPT_LEN,
    "sentiment": "joy",
    "max_source_length": 12,
    "learning_rate": 0.02,
    "num_train_epochs": 2,
    "per_device_train_batch_size": 5,
    "per_device_eval_batch_size": 7,
    "weight_decay": 0.1,
    "lr_scheduler_type": "linear",
    "seed": 3,
    "dropout": False,
    "use_cpu": True,
    "disable_tqdm": True,
}


def save(kind, folder, **settings):
    tiny_models.model(kind, **settings).save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return str(folder)


def table():
    """Texts whose first word says whether they express joy."""
    generator, rows = np.random.default_rng(8), []
    for split, count in (("train", 60), ("dev", 50)):
        for joy in generator.integers(0, 2, count):
            rest = generator.choice(
                ["i", "am", "so", "today", "it", "was", "a", "long", "day"], generator.integers(1, 6)
            )
            rows.append((split, " ".join(["happy" if joy else "sad", *rest]), joy))
    return pd.DataFrame(rows, columns=["split", "text", "joy"])


TABLE = table()


def make_trainer(model_folder, folder, **settings):
    """A trainer on the toy table. Settings that are not the trainer's go to its arguments."""
    own = {
        name: settings.pop(name)
        for name in ("compute_metrics", "data", "searchlight", "tokenizer")
        if name in settings
    }
    args = ModelEmotionArguments(output_dir=str(folder / "out"), backbone=model_folder, **SETTINGS | settings)
    model = RobertaForMaskedLMPrompt.from_pretrained(model_folder, args.prompt_len)
    return ModelEmotionTrainer(args=args, model=model, **{"data": TABLE} | own)


def inputs(model, prompt, ids):
    """What a plain transformers model takes for `<mask>`, the prompt and a text."""
    embedded = tiny_models.embedded(model, prompt, ids)
    return {"inputs_embeds": embedded, "position_ids": torch.arange(embedded.shape[1])[None]}
