"""Compare the speed of masked evaluation with plain loops and pyvene: benchmarks/results/evaluation.json.

`python benchmarks/evaluation.py [--quick]`. One prompt of 100 vectors is evaluated under masks that leave 89
% of the neurons, on texts as long as GoEmotions'. The models are random, with a vocabulary of 1,000 words. An
example is a text under a mask. The loops take one mask at a time, with hooks on the output projections. Fair
loop: the model stays in memory, texts are padded to the longest of a batch, and the head is at position 0
only. The study's loop: the model is read from disk for each mask, texts are padded to 256 positions, and the
head reads all.
"""

import tempfile
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
import transformers
from random_model import (
    LONGEST,
    MASKED,
    PROMPT_LEN,
    SIZES,
    WORDS,
    at_all_positions,
    at_position_0,
    engine_of,
    inputs_of,
    longest_of,
    operations,
    random_model,
    random_texts,
)
from side_by_side import Method, add_shares, compare, missing, options, run_alone, share_note, write

from model_emotion.live.cost import product_rate
from model_emotion.model.evaluation import margins

BATCH, PAIRS = 32, (8, 1, 64)  # the others are compared with the first


def hooked(model, mask):
    """Mask a model with hooks. Return a context manager that removes them."""
    hooks = ExitStack()
    for layer, kept in zip(model.roberta.encoder.layer, mask.float(), strict=True):
        hooks.enter_context(
            layer.output.dense.register_forward_pre_hook(
                lambda module, inputs, kept=kept: (inputs[0] * kept,)
            )
        )
    return hooks


def batches(model, prompt, texts, longest):
    """Yield the inputs of each batch of texts."""
    for start in range(0, len(texts), BATCH):
        some = texts[start : start + BATCH]
        yield inputs_of(model, prompt, some, longest(some))


@torch.no_grad()
def plain_loop(prompt, masks, texts, model_for, longest, read):
    """Return margins [masks, texts] from a plain loop over masks and batches."""
    found = []
    for mask in masks:
        model = model_for()
        with hooked(model, mask):
            logits = torch.cat(
                [read(model, inputs)[:, WORDS] for inputs in batches(model, prompt, texts, longest)]
            )
        found.append(logits[:, 1] - logits[:, 0])
    return torch.stack(found)


@torch.no_grad()
def pyvenes(model, prompt, masks, texts):
    """Return margins [masks, texts] from pyvene, which intervenes on the inputs of the output projections."""
    import pyvene

    found = []
    for mask in masks.float():
        layers = [
            {
                "component": f"roberta.encoder.layer[{layer}].output.dense.input",
                "intervention": lambda base, source, kept=kept: base * kept,
            }
            for layer, kept in enumerate(mask)
        ]
        masked = pyvene.IntervenableModel(layers, model=model)
        logits = torch.cat(
            [
                masked(base=inputs)[1].logits[:, 0, WORDS]
                for inputs in batches(model, prompt, texts, longest_of)
            ]
        )
        found.append(logits[:, 1] - logits[:, 0])
    return torch.stack(found)


def methods_of(size, quick, folder, check=True):
    """Return the methods at a model's size, the operations required by name, and those of a plain pass.

    check: make sure that the others' margins equal ours.
    """
    model, texts = random_model(size), random_texts(4 if quick else 16)
    engine, hidden = engine_of(model), model.config.hidden_size
    prompt = torch.randn(PROMPT_LEN, hidden, generator=torch.Generator().manual_seed(1)) * 0.02
    draw = np.random.default_rng(2).random((max(PAIRS), engine.backbone.layers, engine.backbone.width))
    masks = torch.from_numpy(draw >= MASKED)
    model.save_pretrained(f"{folder}/{size}")
    few = masks[: 1 if quick else 2]

    def ours(pairs):
        return torch.from_numpy(margins(engine, prompt[None], masks[:pairs], texts, BATCH))

    fair = partial(
        plain_loop, prompt, texts=texts, model_for=lambda: model, longest=longest_of, read=at_position_0
    )
    study = partial(
        plain_loop,
        prompt,
        texts=texts,
        model_for=lambda: transformers.RobertaForMaskedLM.from_pretrained(f"{folder}/{size}").eval(),
        longest=lambda some: LONGEST,
        read=at_all_positions,
    )
    others = {
        "fair loop, hooks for each mask": (lambda: fair(few), ""),
        "the study's loop": (lambda: study(few[:1]), ""),
        "pyvene": (lambda: pyvenes(model, prompt, few, texts), missing("pyvene")),
    }
    pairs = PAIRS[:2] if quick else PAIRS
    found = [
        Method(f"ours, {count} pairs a batch", partial(ours, count), size, count * len(texts))
        for count in pairs
    ]
    for name, (run, reason) in others.items():
        if (
            check
            and not reason
            and not torch.allclose(theirs := run(), ours(len(few))[: len(theirs)], atol=1e-4)
        ):
            raise SystemExit(f"error: {name}: its margins differ from ours")
        found.append(
            Method(
                name,
                run,
                size,
                len(texts) * (1 if name.startswith("the study") else len(few)),
                missing=reason,
            )
        )
    plain, required = operations(model, [len(text) for text in texts], 1 - MASKED)
    shared = plain / model.config.num_hidden_layers  # the first layer is computed once for all masks
    return found, {f"ours, {count} pairs a batch": required + shared / count for count in pairs}, plain


def main():
    asked = options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        if asked.alone:
            size = asked.alone.partition(":")[0]
            return run_alone(methods_of(size, asked.quick, folder, check=False)[0], asked.alone)
        peak, tables = product_rate(), []
        for size in ["MiniLM"] if asked.quick else SIZES:
            methods, required, plain = methods_of(size, asked.quick, folder)
            tables.append(
                compare(
                    f"Masked evaluation at {size}'s size",
                    share_note(peak),
                    methods,
                    1 if asked.quick else 3,
                    asked,
                )
            )
            add_shares(tables[-1], peak, plain, required)
    write("evaluation", asked, tables, **{"products (GFLOP/s)": peak / 1e9})


if __name__ == "__main__":
    main()
