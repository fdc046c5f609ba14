"""What the benchmarks of the model side share: a random model, texts as long as GoEmotions', plain reading, taking turns, memory."""

import argparse
import json
import logging
import platform
import resource
import statistics
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import torch
import transformers

from model_emotion.model.backbone import wrap
from model_emotion.model.engine import Engine

PROMPT_LEN, LONGEST = 100, 256
MASKED = 0.11  # of the neurons: the study's top 4,000 of 36,864
MASK, CLS, SEP, PAD, WORDS = 4, 0, 2, 1, [5, 6]


def options(description, own=()):
    """The command line: sizes and rounds. own: (name, default, help) of more numbers."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default, text in (*own, ("texts", 32, "of a contestant"), ("rounds", 3, None), ("threads", torch.get_num_threads(), None)):
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)  # the process whose memory is measured
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    return found


def random_model():
    """A random masked language model of roberta-base's size."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 1000, "max_position_embeddings": 514, "type_vocab_size": 1}
    return transformers.RobertaForMaskedLM(transformers.RobertaConfig(**sizes)).eval()


def engine_of(model):
    ids = {"negative": [5], "positive": [6]}
    tokenizer = SimpleNamespace(mask_token_id=MASK, cls_token_id=CLS, pad_token_id=PAD, unk_token_id=3, encode=lambda word, **_: ids[word])
    return Engine(wrap(model, tokenizer, "random model of roberta-base's size"))


def random_texts(count, seed=0):
    """Lists of token ids, `<s>` and `</s>` included, 5 to 50 long, 19 at the mean, as GoEmotions' are."""
    generator = np.random.default_rng(seed)
    lengths = generator.normal(18.7, 8.5, count).round().clip(5, 50).astype(int)
    return [[CLS, *generator.integers(7, 1000, length - 2).tolist(), SEP] for length in lengths]


def inputs_of(model, prompt, texts, longest):
    """What transformers' RoBERTa takes: `<mask>`, the prompt, a text padded to that length; positions from 0."""
    ids = torch.tensor([text + [PAD] * (longest - len(text)) for text in texts])
    words = model.get_input_embeddings()
    start = torch.cat([words.weight[[MASK]], prompt]).expand(len(texts), -1, -1)
    seen = torch.cat([torch.ones(len(texts), start.shape[1], dtype=torch.long), (ids != PAD).long()], dim=1)
    positions = torch.arange(seen.shape[1]).expand(len(texts), -1)
    return {"inputs_embeds": torch.cat([start, words(ids)], dim=1), "attention_mask": seen, "position_ids": positions}


def at_position_0(model, inputs):
    return model.lm_head(model.roberta(**inputs).last_hidden_state[:, 0])


def at_all_positions(model, inputs):
    return model(**inputs).logits[:, 0]


def summary(rates):
    """Lines of a table from {name: examples a second of each round}, the first name's rate over each of the others."""
    medians = {name: statistics.median(own) for name, own in rates.items()}
    ours = next(iter(medians.values()))
    lines = [f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"]
    for name, own in rates.items():
        line = f"{name:8s} {medians[name]:7.2f} examples/s ({min(own):.2f} to {max(own):.2f})"
        lines.append(line + ("" if medians[name] == ours else f", ours is {ours / medians[name]:.2f} times as fast"))
    return "\n".join(lines)


def in_turns(contestants, rounds):
    """{name: examples a second of each round} of {name: function that gives the number of its examples}."""
    rates = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            start = time.perf_counter()
            examples = run()
            rates[name].append(examples / (time.perf_counter() - start))
    return rates


def peak_gb():
    """Peak memory in GB of a process that runs this script with the same options, ours alone."""
    printed = subprocess.run([sys.executable, *sys.argv, "--ours"], capture_output=True, text=True, check=True)
    return json.loads(printed.stdout)


def own_peak_gb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
