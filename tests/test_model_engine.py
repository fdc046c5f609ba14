"""The engine: each row of a batch equals a separate forward pass, and the study's forward pass."""

import numpy as np
import pytest
import tiny_models
import torch
from tiny_models import PROMPT_LEN, ROWS, TEXTS, engine, roberta_forward, rows
from torch.func import functional_call
from torch.nn.functional import cross_entropy, gelu

from model_emotion.base.errors import UserError
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


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_native_positions_are_zero_based_elsewhere(kind):
    prompts, masks, ids, attention = rows(engine(kind))
    by = {
        positions: engine(kind, positions=positions).logits(prompts, masks, ids, attention)
        for positions in ("zero", "native")
    }
    assert torch.equal(by["zero"], by["native"])


@pytest.mark.parametrize("kind", ["roberta", "mpnet"])
def test_native_positions_are_what_transformers_counts(kind):
    tiny = engine(kind, positions="native")
    prompts, _, ids, attention = rows(tiny)
    inputs = tiny_models.embedded(tiny.backbone.model, prompts[1], TEXTS[1])
    expected = tiny.backbone.model(inputs_embeds=inputs).logits[0, 0, [5, 6]]
    torch.testing.assert_close(tiny.logits(prompts, None, ids, attention)[1], expected, atol=1e-5, rtol=0)


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


def hooks(tiny):
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)
        for module in tiny.backbone.model.modules()
    )


def test_hooks_are_gone_after_use_and_after_an_error(monkeypatch):
    tiny = engine("roberta")
    prompts, masks, ids, attention = rows(tiny)
    clean = hooks(tiny)
    expected = tiny.logits(prompts, None, ids, attention)
    tiny.logits(prompts, masks, ids, attention)
    tiny.activations(prompts, ids, attention)
    assert hooks(tiny) == clean

    def fail(*_):
        assert hooks(tiny) > clean
        raise RuntimeError("stop")

    with monkeypatch.context() as patch:
        patch.setattr(tiny.backbone.ffns[1].output, "forward", fail)
        for use in (
            lambda: tiny.logits(prompts, masks, ids, attention),
            lambda: tiny.activations(prompts, ids, attention),
        ):
            with pytest.raises(RuntimeError, match="stop"):
                use()
            assert hooks(tiny) == clean
    assert torch.equal(tiny.logits(prompts, None, ids, attention), expected)


def test_masks_and_prompts_of_another_model_are_refused():
    tiny = engine("roberta")
    prompts, masks, ids, attention = rows(tiny)
    with pytest.raises(UserError, match=r"masks of \[3, 23\] neurons, but tiny roberta has \[3, 24\]"):
        tiny.logits(prompts, masks[:, :, 1:], ids, attention)
    with pytest.raises(UserError, match=r"masks of \[2, 24\]"):
        tiny.logits(prompts, masks[:, 1:], ids, attention)
    with pytest.raises(ValueError, match="for 5 rows"):
        tiny.logits(prompts, masks[:3], ids, attention)
    with pytest.raises(
        UserError, match=r"prompts of shape \[5, 4, 15\], but tiny roberta takes \[rows, prompt_len, 16\]"
    ):
        tiny.logits(prompts[:, :, 1:], masks, ids, attention)
    assert hooks(tiny) == 0


@pytest.mark.parametrize("positions, room", [("zero", 35), ("native", 33)])
def test_a_text_that_is_too_long_is_refused(positions, room):
    tiny = engine("roberta", positions=positions)
    prompts = rows(tiny)[0]
    assert tiny.room(PROMPT_LEN) == room
    assert tiny.logits(prompts, None, torch.zeros(1, room, dtype=torch.long)).isfinite().all()
    with pytest.raises(
        UserError, match=f"a prompt of 4 vectors leaves {room} tokens for a text, but one has {room + 1}"
    ):
        tiny.logits(prompts, None, torch.zeros(1, room + 1, dtype=torch.long))


def test_a_prompt_that_is_not_finite_spoils_its_own_row_only():
    tiny = engine("roberta")
    prompts, masks, ids, attention = rows(tiny)
    expected = tiny.logits(prompts, masks, ids, attention)
    prompts[2, 1, 3] = float("nan")
    logits = tiny.logits(prompts, masks, ids, attention)
    assert logits[2].isnan().all()
    kept = [0, 1, 3, 4]
    assert torch.equal(logits[kept], expected[kept])


def test_dropout_is_on_when_the_caller_trains():
    trained = tiny_models.model("bert").train()
    tiny = Engine(backbone.wrap(trained, tiny_models.tokenizer(), "tiny bert"))
    prompts, masks, ids, attention = rows(tiny)
    assert torch.equal(
        tiny.logits(prompts, masks, ids, attention), tiny.logits(prompts, masks, ids, attention)
    )
    tiny.backbone.model.train()
    assert not torch.equal(
        tiny.logits(prompts, masks, ids, attention), tiny.logits(prompts, masks, ids, attention)
    )


@pytest.mark.parametrize("kind", [kind for kind in tiny_models.ARCHITECTURES if kind != "deberta"])
def test_bf16_comes_near_and_gives_float32(kind):
    exact, rough = engine(kind), engine(kind, precision="bf16")
    prompts, masks, ids, attention = rows(exact)
    expected, logits = (
        exact.logits(prompts, masks, ids, attention),
        rough.logits(prompts, masks, ids, attention),
    )
    assert not torch.equal(logits, expected)
    torch.testing.assert_close(logits, expected, atol=0.2, rtol=0)
    assert rough.activations(prompts, ids, attention).dtype == torch.float32
    trained = prompts.clone().requires_grad_()
    assert not rough.activations(trained, ids, attention).requires_grad
    rough.logits(trained, masks, ids, attention).sum().backward()
    assert trained.grad.dtype == torch.float32 and trained.grad.isfinite().all()


@pytest.mark.parametrize(
    "option, message",
    [
        ({"positions": "one"}, "positions: 'one' is not one of zero, native"),
        ({"precision": "fp16"}, "precision: 'fp16' is not one of float32, bf16, tf32"),
        ({"verbalizer": ("negative", "unheard-of")}, "verbalizer: 'unheard-of' is not one token"),
    ],
)
def test_an_engine_refuses_bad_options(option, message):
    with pytest.raises(UserError, match=message):
        engine("bert", **option)


def test_tf32_is_float32_on_a_cpu():
    exact, fast = engine("bert"), engine("bert", precision="tf32")
    assert torch.equal(fast.logits(*rows(fast)), exact.logits(*rows(exact)))


def test_tf32_is_on_inside_only_and_on_cuda_only():
    def on(device, precision):
        tiny = engine("bert", precision=precision)
        tiny.device = torch.device(device)
        return tiny

    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    with pytest.raises(RuntimeError, match="stop"), on("cuda", "tf32").computing():
        assert products.fp32_precision == "tf32"
        raise RuntimeError("stop")
    assert products.fp32_precision == before != "tf32"
    for device, precision in (("cuda", "float32"), ("cpu", "tf32")):
        with on(device, precision).computing():
            assert products.fp32_precision == before


def test_the_scale_multiplies_logits_and_nothing_else():
    plain, scaled = engine("roberta"), engine("roberta", scale=8.0)
    prompts, masks, ids, attention = rows(plain)
    assert torch.equal(
        scaled.logits(prompts, masks, ids, attention), 8 * plain.logits(prompts, masks, ids, attention)
    )
    assert torch.equal(
        scaled.activations(prompts, ids, attention), plain.activations(prompts, ids, attention)
    )


def test_deberta_is_refused_in_bf16():
    with pytest.raises(UserError, match="precision: transformers can't run tiny deberta"):
        engine("deberta", precision="bf16")


def test_an_unknown_point_is_refused():
    tiny = engine("bert")
    with pytest.raises(UserError, match="activation.point: 'relu' is not one of post_gelu, pre_gelu, sign"):
        tiny.activations(rows(tiny)[0], tiny.probe(), point="relu")
