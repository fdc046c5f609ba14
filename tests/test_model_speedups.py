"""Many masks of the same rows, with shared work: the same logits as the model's own forward pass."""

import numpy as np
import pytest
import tiny_models
import torch
from tiny_models import PROMPT_LEN, ROWS, TEXTS, engine, roberta_forward, rows

from model_emotion.base.errors import UserError
from model_emotion.model import backbone, blocks
from model_emotion.model.blocks import Block, Layout
from model_emotion.model.engine import Engine
from model_emotion.model.evaluation import BATCHES_PER_MASK, margins

pytestmark = pytest.mark.usefixtures("one_thread")
SHARING = ["bert", "distilbert", "electra", "roberta"]
TEXTS_BY_LENGTH = sorted([*TEXTS, [0, 9, 2], [0, 10, 11, 12, 2]], key=len)


def masks_of_every_kind(tiny):
    """[8, layers, width] masks: binary, from no neuron to all; floats with zeros, above 1, below 0."""
    generator = torch.Generator().manual_seed(7)
    layers, width = tiny.backbone.layers, tiny.backbone.width
    uniform = [torch.rand(layers, width, generator=generator) for _ in range(5)]
    binary = [(mask > share).float() for mask, share in zip(uniform[:3], (0.1, 0.5, 0.9), strict=True)]
    floats = [uniform[3], torch.where(uniform[3] < 0.4, 0, uniform[4]), 4 * uniform[4] - 2]
    return torch.stack([*binary, *floats, torch.ones(layers, width), torch.zeros(layers, width)])


def watch(tiny):
    """The output shapes of each layer's activation function: a list per layer, which grows with use."""
    shapes = [[] for _ in tiny.backbone.ffns]
    for ffn, own in zip(tiny.backbone.ffns, shapes, strict=True):
        ffn.activation.register_forward_hook(
            lambda module, inputs, output, own=own: own.append(tuple(output.shape))
        )
    return shapes


def test_which_architectures_share_work():
    assert [kind for kind in tiny_models.ARCHITECTURES if engine(kind).can_share] == SHARING


@pytest.mark.parametrize("positions, first", [("zero", 0), ("native", 2)])
def test_roberta_is_the_studys_forward_pass(positions, first):
    tiny = engine("roberta", positions=positions)
    prompts, masks, *_ = rows(tiny)
    weights, config = tiny.backbone.model.state_dict(), tiny.backbone.model.config
    expected = [
        roberta_forward(weights, config, prompts[i], masks[i], TEXTS[i], first)[0] for i in range(ROWS)
    ]
    started = tiny.shared_part(prompts, TEXTS)
    found = torch.stack(
        [tiny.masked_logits(started, tiny.masked_weights(mask))[i] for i, mask in enumerate(masks)]
    )
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", SHARING)
@pytest.mark.parametrize(
    "options", [{}, {"num_hidden_layers": 1}, {"num_hidden_layers": 2, "hidden_act": "relu"}]
)
def test_each_mask_on_each_row_is_the_models_own_forward_pass(kind, options):
    if kind == "distilbert":
        options = {
            {"num_hidden_layers": "n_layers", "hidden_act": "activation"}[key]: value
            for key, value in options.items()
        }
    tiny = Engine(
        backbone.wrap(tiny_models.model(kind, **options), tiny_models.tokenizer(), f"tiny {kind}"), scale=3.0
    )
    prompts, _, ids, attention = rows(tiny)
    masks, started = masks_of_every_kind(tiny), tiny.shared_part(prompts, TEXTS)
    found = torch.stack([tiny.masked_logits(started, tiny.masked_weights(mask)) for mask in masks])
    expected = torch.stack([tiny.logits(prompts, mask[None], ids, attention) for mask in masks])
    torch.testing.assert_close(found, expected, atol=3e-5, rtol=0)  # logits times 3
    assert (expected[0] - expected).flatten(1).abs().amax(dim=1)[1:].min() > 1e-3  # masks do matter
    torch.testing.assert_close(
        tiny.masked_logits(started, tiny.masked_weights()),
        tiny.logits(prompts, None, ids, attention),
        atol=3e-5,
        rtol=0,
    )


@pytest.mark.parametrize("kind", tiny_models.ARCHITECTURES)
@pytest.mark.parametrize("shape", ["one prompt", "one mask", "no masks", "pairs"])
def test_margins_are_those_of_one_example_at_a_time(kind, shape):
    tiny = engine(kind)
    masks = masks_of_every_kind(tiny)
    prompts = torch.randn(
        len(masks), PROMPT_LEN, tiny.backbone.embedding_width, generator=torch.Generator().manual_seed(3)
    )
    prompts = prompts[:1] if shape == "one prompt" else prompts
    masks = {"one mask": masks[[4]], "no masks": None}.get(shape, masks)
    found = margins(tiny, prompts, masks, TEXTS_BY_LENGTH[::-1], rows=1)
    for pair in range(8):
        prompt, mask = prompts[[pair % len(prompts)]], None if masks is None else masks[[pair % len(masks)]]
        logits = torch.cat(
            [tiny.logits(prompt, mask, torch.tensor([text])) for text in TEXTS_BY_LENGTH[::-1]]
        )
        torch.testing.assert_close(
            torch.from_numpy(found[pair]), logits[:, 1] - logits[:, 0], atol=2e-5, rtol=0
        )
    for size in (2, 5, 100):
        np.testing.assert_allclose(
            margins(tiny, prompts, masks, TEXTS_BY_LENGTH[::-1], rows=size), found, atol=2e-5, rtol=0
        )


@pytest.mark.parametrize("kind", SHARING)
def test_only_needed_neurons_and_positions_are_computed(kind):
    tiny = Engine(backbone.wrap(tiny_models.model(kind, **_wide(kind)), tiny_models.tokenizer(), kind))
    prompts, seen = rows(tiny)[0][:1], watch(tiny)
    masks = torch.ones(6, 3, 64, dtype=torch.uint8)
    masks[:, :, 5:25] = 0  # leaves 44, a multiple of 16 above which is 48
    batch = 3
    margins(tiny, prompts, masks, TEXTS_BY_LENGTH, rows=batch)
    positions = [
        sum(1 + PROMPT_LEN + len(text) for text in TEXTS_BY_LENGTH[start : start + batch])
        for start in (0, 3, 6)
    ]
    assert batch * BATCHES_PER_MASK > len(TEXTS_BY_LENGTH)
    assert seen[0] == [(count, 64) for count in positions]  # once for all masks, without padding
    assert seen[1] == [(count, 48) for count in positions] * len(masks)
    assert seen[2] == [(count, 48) for count in (3, 3, 1)] * len(masks)  # position 0 alone


@pytest.mark.parametrize("kind", SHARING)
def test_without_a_mask_the_weights_are_the_models_own(kind):
    tiny = Engine(backbone.wrap(tiny_models.model(kind), tiny_models.tokenizer(), kind))
    weights = tiny.masked_weights()
    assert weights.others
    for block, own in zip(tiny.blocks[1:], weights.others, strict=True):
        assert own.up is block.up.weight and own.up_bias is block.up.bias and own.down is block.down.weight


def _wide(kind):
    return {"hidden_dim" if kind == "distilbert" else "intermediate_size": 64}


@pytest.mark.parametrize("kind", SHARING)
def test_bf16_comes_near_and_gives_float32(kind):
    exact, rough = engine(kind), engine(kind, precision="bf16")
    prompts, masks, ids, attention = rows(exact)
    with torch.no_grad():
        found = rough.masked_logits(rough.shared_part(prompts, TEXTS), rough.masked_weights(masks[0]))
    expected = exact.logits(prompts, masks[:1], ids, attention)
    assert found.dtype == torch.float32 and not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=0.2, rtol=0)
    others = rough.masked_weights(masks[0]).others
    assert all(own.up.dtype == own.up_bias.dtype == own.down.dtype == torch.bfloat16 for own in others)


def test_a_prompt_that_is_not_finite_spoils_its_own_row_only():
    tiny = engine("roberta")
    prompts, masks, *_ = rows(tiny)
    expected = tiny.masked_logits(tiny.shared_part(prompts, TEXTS), tiny.masked_weights(masks[0]))
    prompts[2, 1, 3] = float("nan")
    logits = tiny.masked_logits(tiny.shared_part(prompts, TEXTS), tiny.masked_weights(masks[0]))
    assert logits[2].isnan().all()
    kept = [0, 1, 3, 4]
    assert torch.equal(logits[kept], expected[kept])


def test_masks_and_prompts_of_another_model_are_refused():
    tiny = engine("roberta")
    prompts = rows(tiny)[0]
    with pytest.raises(UserError, match=r"masks of \[3, 23\] neurons, but tiny roberta has \[3, 24\]"):
        tiny.masked_weights(torch.ones(3, 23))
    with pytest.raises(UserError, match="leaves 35 tokens for a text, but one has 36"):
        tiny.shared_part(prompts[:1], [[0] * 36])
    with pytest.raises(UserError, match="prompts of shape"):
        tiny.shared_part(prompts[:, :, 1:], TEXTS)


def test_a_block_by_hand():
    """One head, one row of one position: attention is the value, whatever the query."""
    torch.manual_seed(0)
    dense = [torch.nn.Linear(4, 4) for _ in range(4)]
    block = Block(
        1,
        *dense,
        torch.nn.Identity(),
        torch.nn.Linear(4, 6),
        torch.nn.ReLU(),
        torch.nn.Linear(6, 4),
        torch.nn.Identity(),
    )
    state = torch.randn(1, 4)
    expected = state + dense[3](dense[2](state))
    layout = Layout(((1, 1),), state.device)
    torch.testing.assert_close(block.attend(state, layout), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(block.attend_at_0(state, layout), expected, atol=1e-6, rtol=0)


def attention_row_by_row(query, key, value, starts, key_starts, longest, longest_key):
    """torch's varlen_attn in plain torch; it runs on GPUs only."""
    assert (longest, longest_key) == (starts.diff().max(), key_starts.diff().max())
    found = []
    for row in range(len(starts) - 1):
        own = slice(*starts[row : row + 2].tolist())
        seen = slice(*key_starts[row : row + 2].tolist())
        by_head = (part.transpose(0, 1) for part in (query[own], key[seen], value[seen]))
        found.append(torch.nn.functional.scaled_dot_product_attention(*by_head).transpose(0, 1))
    return torch.cat(found)


@pytest.mark.parametrize("kind", SHARING)
def test_one_kernel_for_rows_of_all_lengths_gives_the_same(kind, monkeypatch):
    """The way that a GPU takes in bfloat16, here in float32 with a substitute for its kernel."""
    tiny = engine(kind)
    prompts, masks, *_ = rows(tiny)

    def logits():
        return tiny.masked_logits(tiny.shared_part(prompts, TEXTS), tiny.masked_weights(masks[0]))

    expected = logits()
    monkeypatch.setattr(blocks, "varlen_attn", attention_row_by_row)
    monkeypatch.setattr(Block, "_one_kernel", True)
    torch.testing.assert_close(logits(), expected, atol=1e-5, rtol=0)
