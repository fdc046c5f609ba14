"""The engine's options and limits: precision, positions, scale, dropout, hooks, and what it refuses."""

import pytest
import tiny_models
import torch
from tiny_models import PROMPT_LEN, TEXTS, engine, rows

from model_emotion.base.errors import UserError
from model_emotion.model import backbone
from model_emotion.model.engine import Engine


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
