"""Examples a second of masked evaluation: ours, a fair plain loop, and the study's loop, on a random model of roberta-base's size.

`python benchmarks/evaluation.py`; takes minutes. One prompt of 100 vectors meets masks that leave 89 % of the neurons, on texts as long
as those of GoEmotions. All take turns in one process; medians over the rounds. The loops take one mask at a time, by a hook on every
output projection. `fair`: the model stays, texts are padded to the longest of a batch, the head reads position 0 alone. `study`: the
model is read from disk again for each mask (`from_pretrained`), texts are padded to 256 + 101 positions, the head reads all
positions. The vocabulary is cut to 1,000 words, which spares memory, and the study's loop most of its head. Peak memory is that of
a process that does ours alone, with the interpreter, its packages and the model.
"""

import argparse
import json
import logging
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import torch
import transformers

from model_emotion.model.backbone import wrap
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import margins

PROMPT_LEN, LONGEST, BATCH = 100, 256, 32
MASKED = 0.11  # of the neurons: the study's top 4,000 of 36,864
MASK, CLS, SEP, PAD, WORDS = 4, 0, 2, 1, [5, 6]


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


def plain_loop(prompt, masks, texts, model_for, longest_of, read):
    """[masks, texts] margins of a plain loop over masks and batches."""
    found = torch.empty(len(masks), len(texts))
    for own, mask in zip(found, masks, strict=True):
        model = model_for()
        with ExitStack() as hooks, torch.no_grad():
            for layer, kept in zip(model.roberta.encoder.layer, mask.float(), strict=True):
                hook = layer.output.dense.register_forward_pre_hook(lambda module, inputs, kept=kept: (inputs[0] * kept,))
                hooks.enter_context(hook)
            for start in range(0, len(texts), BATCH):
                some = texts[start : start + BATCH]
                logits = read(model, inputs_of(model, prompt, some, longest_of(some)))[:, WORDS]
                own[start : start + BATCH] = logits[:, 1] - logits[:, 0]
    return found


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


def peak_gb(script, *arguments):
    """Peak memory in GB of a process that runs `script --ours`."""
    printed = subprocess.run([sys.executable, script, "--ours", *arguments], capture_output=True, text=True, check=True)
    return json.loads(printed.stdout)


def own_peak_gb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=8, help="of ours; the loops, which gain nothing from more, take fewer")
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--ours", action="store_true", help=argparse.SUPPRESS)  # the process whose memory is measured
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()

    model, texts = random_model(), random_texts(options.texts)
    engine, prompt = engine_of(model), torch.randn(PROMPT_LEN, 768, generator=torch.Generator().manual_seed(1)) * 0.02
    masks = np.random.default_rng(2).random((options.masks, engine.backbone.layers * engine.backbone.width))
    masks = torch.from_numpy(masks.argsort(axis=1).argsort(axis=1) >= MASKED * masks.shape[1]).view(len(masks), engine.backbone.layers, -1)
    found = {}

    def ours():
        found["ours"] = torch.from_numpy(margins(engine, prompt[None], masks, texts, BATCH))
        return len(masks) * len(texts)

    def fair():
        found["fair"] = plain_loop(prompt, masks[:2], texts, lambda: model, lambda some: max(map(len, some)), at_position_0)
        return len(masks[:2]) * len(texts)

    if options.ours:
        ours()
        print(own_peak_gb())
        return
    memory = peak_gb(__file__, "--masks", str(options.masks), "--texts", str(options.texts), "--threads", str(options.threads))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        built = []

        def again():
            start = time.perf_counter()
            new = transformers.RobertaForMaskedLM.from_pretrained(folder).eval()
            built.append(time.perf_counter() - start)
            return new

        def study():
            found["study"] = plain_loop(prompt, masks[:1], texts, again, lambda some: LONGEST, at_all_positions)
            return len(texts)

        rates = in_turns({"ours": ours, "fair": fair, "study": study}, options.rounds)
    print(f"{options.masks} masks x {options.texts} texts, {options.rounds} rounds")
    print(summary(rates))
    print(f"a mask's model takes the study's loop {statistics.median(built):.2f} s to build, which is part of its time")
    apart = max((found["ours"][: len(other)] - other).abs().max().item() for other in (found["fair"], found["study"]))
    print(f"largest difference between margins {apart:.0e}; peak memory of ours {memory:.2f} GB")


if __name__ == "__main__":
    main()
