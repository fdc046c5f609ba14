"""The engine: each row of a batch equals a separate forward pass, and the study's forward pass."""

import numpy as np
import pytest
import tiny_models
import torch
from tiny_models import PROMPT_LEN, ROWS, TEXTS, engine, roberta_forward, rows
from torch.func import functional_call
from torch.nn.functional import cross_entropy, gelu

from model_emotion.model import backbone
from model_emotion.model.engine import Engine


def alone(tiny, prompts, masks, row):
    """[2] logits of a row by transformers' forward pass, no padding; the mask scales columns of weights."""
    model = tiny.backbone.model
    names = {parameter: name for name, parameter in model.named_parameters()}
    weights = [ffn.output.weight for ffn in tiny.backbone.ffns]
    changed = (
        {} if masks is None else {names[w]: w * mask for w, mask in zip(weights, masks[row], strict=True)}
    )
    inputs = tiny_models.embedded(model, prompts[row], TEXTS[row])
    keywords = {"inputs_embeds": inputs, "position_ids": torch.arange(inputs.shape[1])[None]}
    return functional_call(model, changed, kwargs=keywords).logits[0, 0, [5, 6]]


@pytest.mark.parametrize("positions, first", [("zero", 0), ("native", 2)])
def test_roberta_is_the_studys_forward_pass(positions, first):
    tiny = engine("roberta", positions=positions)
    prompts, masks, ids, attention = rows(tiny)
    weights, config = tiny.backbone.model.state_dict(), tiny.backbone.model.config
    expected = [roberta_forward(weights, config, prompts[i], masks[i], TEXTS[i], first) for i in range(ROWS)]
    logits = tiny.logits(prompts, masks, ids, attention)
    torch.testing.assert_close(logits, torch.stack([logit for logit, _ in expected]), atol=1e-5, rtol=0)
    assert logits.std(dim=0).min() > 0.1  # the rows do differ

    ones = torch.ones(masks.shape[1:])
    recorded = tiny.activations(prompts, ids, attention)
    neurons = [
        roberta_forward(weights, config, prompts[i], ones, TEXTS[i], first)[1][:, 0].flatten()
        for i in range(ROWS)
    ]
    torch.testing.assert_close(recorded, torch.stack(neurons), atol=1e-5, rtol=0)


WITH_TYPES = {"roberta": {}, "bert": {}, "electra": {}} | dict.fromkeys(
    ("deberta", "deberta-v2"), {"type_vocab_size": 2, "position_biased_input": True}
)


def by_parts(model, prompt, text):
    """Logits [2] and neurons [layers x width] at position 0; `<mask>`, prompt and text embedded separately.

    The study adds the token type to `<mask>` and the text, and positions from 0 to everything.
    """
    encoder, neurons = model.base_model, []
    embeddings, (words, types, positions) = (
        encoder.embeddings,
        (
            getattr(encoder.embeddings, f"{name}_embeddings").weight
            for name in ("word", "token_type", "position")
        ),
    )
    end = 1 + len(prompt)
    begin = words[[4]] + types[0] + positions[:1]
    middle = prompt + positions[1:end]
    words_of_text = words[text] + types[0] + positions[end : end + len(text)]
    state = embeddings.LayerNorm(torch.cat([begin, middle, words_of_text]))[None]
    if hasattr(encoder, "embeddings_project"):
        state = encoder.embeddings_project(state)
    handles = [
        layer.output.dense.register_forward_pre_hook(lambda module, inputs: neurons.append(inputs[0][0, 0]))
        for layer in encoder.encoder.layer
    ]
    attends = {"attention_mask": torch.ones(state.shape[:2])} if "deberta" in model.config.model_type else {}
    state = encoder.encoder(state, **attends)[0]
    for handle in handles:
        handle.remove()
    if hasattr(model, "generator_predictions"):
        logits = model.generator_lm_head(model.generator_predictions(state))
    else:
        logits = (model.lm_head if hasattr(model, "lm_head") else model.cls)(state)
    return logits[0, 0, [5, 6]], torch.cat(neurons)


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("kind", WITH_TYPES)
def test_a_prompt_has_no_token_type(kind, dtype, tolerance):
    """Weights are small enough for 1e-6 in float32; the token type is large enough to change the logits."""
    model = tiny_models.model(kind, **WITH_TYPES[kind]).to(dtype)
    for name, parameter in model.named_parameters():
        if "norm" not in name.lower() and "embeddings" not in name:
            parameter.data *= 0.3
    types = model.base_model.embeddings.token_type_embeddings.weight
    tiny = Engine(backbone.wrap(model, tiny_models.tokenizer(), f"tiny {kind}"))
    prompts, _, ids, attention = rows(tiny)
    prompts = prompts.to(dtype).requires_grad_()
    close = {"atol": tolerance, "rtol": 0}
    expected = [by_parts(model, prompt, text) for prompt, text in zip(prompts, TEXTS, strict=True)]
    logits, neurons = (torch.stack(parts) for parts in zip(*expected, strict=True))
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), prompts)

    def check(found):
        torch.testing.assert_close(found, logits, **close)
        torch.testing.assert_close(torch.autograd.grad(found[:, 1].sum(), prompts)[0], gradient, **close)

    check(tiny.logits(prompts, None, ids, attention))
    torch.testing.assert_close(tiny.activations(prompts, ids, attention), neurons.detach(), **close)
    if tiny.can_share:
        check(tiny.masked_logits(tiny.shared_part(prompts, TEXTS), tiny.masked_weights()))
    with_type = tiny.logits(prompts + types[0], None, ids, attention)
    assert (with_type - logits).abs().max() > 1e-3


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_each_row_equals_a_separate_forward_pass(kind):
    tiny = engine(kind)
    prompts, masks, ids, attention = rows(tiny)
    logits = {}
    for name, given in (("masked", masks), ("plain", None)):
        logits[name] = tiny.logits(prompts, given, ids, attention)
        expected = torch.stack([alone(tiny, prompts, given, row) for row in range(ROWS)])
        torch.testing.assert_close(logits[name], expected, atol=1e-5, rtol=0)
    assert (logits["masked"] - logits["plain"]).abs().amax(dim=1).min() > 1e-3  # masks do matter, to each row


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_a_sum_of_losses_has_each_prompts_own_gradient(kind):
    tiny = engine(kind)
    prompts, masks, ids, attention = rows(tiny)
    labels = torch.tensor([0, 1, 1, 0, 1])
    together = prompts.clone().requires_grad_()
    cross_entropy(tiny.logits(together, masks, ids, attention), labels, reduction="sum").backward()
    for row in range(ROWS):
        single = prompts.clone().requires_grad_()
        cross_entropy(alone(tiny, single, masks, row)[None], labels[[row]]).backward()
        torch.testing.assert_close(together.grad[row], single.grad[row], atol=1e-5, rtol=1e-4)
    assert together.grad.flatten(1).norm(dim=1).min() > 1e-4
    assert all(parameter.grad is None for parameter in tiny.backbone.model.parameters())


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_masking_is_zeroing_columns_of_the_output_projection(kind):
    tiny = engine(kind)
    prompts, _, ids, attention = rows(tiny)
    binary = torch.from_numpy(
        np.random.default_rng(3).integers(
            0, 2, (1, tiny.backbone.layers, tiny.backbone.width), dtype=np.uint8
        )
    )
    masked = tiny.logits(prompts, binary, ids, attention)  # one mask for all rows, as files hold it
    for layer, ffn in enumerate(tiny.backbone.ffns):
        ffn.output.weight.data[:, binary[0, layer] == 0] = 0
    torch.testing.assert_close(masked, tiny.logits(prompts, None, ids, attention), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_the_last_layers_neurons_are_computed_at_position_0_alone(kind):
    tiny, counts = engine(kind), []
    prompts, masks, ids, attention = rows(tiny)
    for ffn in tiny.backbone.ffns:
        ffn.activation.register_forward_hook(lambda module, inputs, output: counts.append(output.shape[1]))
    tiny.logits(prompts, masks, ids, attention)
    total = 1 + PROMPT_LEN + ids.shape[1]
    assert counts == [total, total, 1]


def test_a_mask_works_at_every_position_of_every_layer():
    tiny = engine("roberta")
    prompts, masks, ids, attention = rows(tiny)
    plain = tiny.logits(prompts, None, ids, attention)
    for layer in range(tiny.backbone.layers):
        one = torch.ones_like(masks)
        one[:, layer] = masks[:, layer]
        assert (tiny.logits(prompts, one, ids, attention) - plain).abs().max() > 1e-2
    other = masks.clone()
    other[0] = 1
    changed = tiny.logits(prompts, other, ids, attention) != tiny.logits(prompts, masks, ids, attention)
    assert changed.any(dim=1).tolist() == [True, False, False, False, False]


def test_one_text_serves_all_rows_and_padding_changes_nothing():
    tiny = engine("roberta")
    prompts, masks, *_ = rows(tiny)
    text = tiny.pad([TEXTS[1]])
    shared = tiny.logits(prompts, masks, *text)
    ids, attention = tiny.pad([TEXTS[1]] * ROWS)
    torch.testing.assert_close(shared, tiny.logits(prompts, masks, ids, attention), atol=1e-6, rtol=0)
    ids, attention = tiny.pad([TEXTS[1]] * ROWS + [[0] * 20])
    torch.testing.assert_close(
        shared, tiny.logits(prompts, masks, ids[:ROWS], attention[:ROWS]), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(shared, tiny.logits(prompts, masks, text[0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
def test_activations_are_the_neurons_of_position_0(kind):
    tiny = engine(kind)
    prompts, _, ids, attention = rows(tiny)
    post, pre, sign = (
        tiny.activations(prompts, ids, attention, point) for point in ("post_gelu", "pre_gelu", "sign")
    )
    assert post.shape == (ROWS, tiny.backbone.layers * tiny.backbone.width)
    assert torch.equal(sign, pre.sign())
    if kind == "modernbert":  # gated
        gate = _gates(tiny, prompts, ids, attention)
        torch.testing.assert_close(post, gelu(pre) * gate, atol=1e-5, rtol=0)
    else:
        torch.testing.assert_close(post, gelu(pre), atol=1e-6, rtol=0)
        assert -0.17001 < post.min() < -0.16 and post.max() > 1
        assert torch.equal(post > 0, pre > 0)
    single = torch.cat([tiny.activations(prompts[[row]], *tiny.pad([TEXTS[row]])) for row in range(ROWS)])
    torch.testing.assert_close(post, single, atol=1e-5, rtol=0)


def _gates(tiny, prompts, ids, attention):
    """[rows, layers x width] second halves of what ModernBERT's Wi gives at position 0."""
    found, layers = [], tiny.backbone.model.model.layers
    handles = [
        layer.mlp.Wi.register_forward_hook(lambda module, inputs, output: found.append(output[:, 0]))
        for layer in layers
    ]
    tiny.activations(prompts, ids, attention)
    for handle in handles:
        handle.remove()
    return torch.cat([gates.chunk(2, dim=-1)[1] for gates in found], dim=1)


def test_activations_are_numbered_layer_by_layer():
    tiny = engine("bert")
    prompts, _, ids, attention = rows(tiny)
    width = tiny.backbone.width
    before = tiny.activations(prompts, ids, attention)
    tiny.backbone.ffns[1].activation.forward = lambda x: gelu(x) + 100
    after = tiny.activations(prompts, ids, attention)
    assert torch.equal(before[:, :width], after[:, :width])
    torch.testing.assert_close(
        after[:, width : 2 * width], before[:, width : 2 * width] + 100, atol=1e-4, rtol=0
    )


def test_the_probe_is_one_token():
    tiny = engine("roberta")
    assert tiny.probe("s").tolist() == [[0]]
    assert tiny.probe("mask").tolist() == [[4]]
    prompts = rows(tiny)[0]
    assert not torch.equal(
        tiny.activations(prompts, tiny.probe("s")), tiny.activations(prompts, tiny.probe("mask"))
    )
