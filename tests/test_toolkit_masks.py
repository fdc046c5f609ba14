"""The toolkit's activations, rankings of neurons, masks and picture, against a plain forward pass."""

import re
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
from safetensors.numpy import load_file
from toys import LAYERS, TABLE, WIDTH, inputs, make_trainer

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, write_parquet
from model_emotion.base.results import Activations, write_activations
from model_emotion.toolkit.masks import rank_neurons

pytestmark = pytest.mark.usefixtures("one_thread")


def test_activations_are_those_on_both_sides_of_the_activation_function(ready):
    model, seen = ready.model.backbone.model, {"before": [], "after": []}
    for layer in model.roberta.encoder.layer:
        layer.intermediate.dense.register_forward_hook(
            lambda module, ins, out: seen["before"].append(out[0, 0])
        )
        layer.intermediate.register_forward_hook(lambda module, ins, out: seen["after"].append(out[0, 0]))
    with torch.no_grad():
        model(**inputs(model, ready.model.prompt, [0]))
    plain = {name: torch.stack(values).numpy() for name, values in seen.items()}
    before, after = ready.activated_neuron(around_gelu=True)
    np.testing.assert_allclose(before, plain["before"], atol=1e-5)
    np.testing.assert_allclose(after, plain["after"], atol=1e-5)
    assert after.min() > -0.17 > before.min()
    # as in the original: the activations, and which of them are above 0
    activations, fires = ready.activated_neuron()
    np.testing.assert_array_equal(activations, after)
    np.testing.assert_array_equal(fires, np.where(after > 0, 1, 0))
    np.testing.assert_array_equal(ready.activated_neuron(layers=[1])[0], after[[1]])
    with_mask = ready.activated_neuron(probe="mask")[0]
    assert np.abs(with_mask - after).max() > 1e-3
    saved = load_file(ready.out / "activated_neuron.safetensors")
    assert set(saved) == {"pre_gelu", "post_gelu"}
    np.testing.assert_array_equal(saved["post_gelu"], with_mask)
    ready.args.probe = "mask"
    np.testing.assert_array_equal(ready.activated_neuron()[0], with_mask)
    for layers in ([-1], [2], [1, 1], []):
        with pytest.raises(UserError, match=r"layers=\[.*\]: must be different numbers from 0 to 1"):
            ready.activated_neuron(layers=layers)
    with pytest.raises(UserError, match="probe='cls': must be one of s, mask"):
        ready.activated_neuron(probe="cls")


@pytest.mark.filterwarnings("ignore:no searchlight")
def test_without_a_searchlight_the_most_active_neurons_are_masked(ready):
    with pytest.warns(
        UserWarning,
        match=r"no searchlight of .* \(looked for results/live/searchlight.parquet, results/published",
    ):
        results, masks = ready.mask_activated_neuron(draws=3)
    k = 9  # 20 % of 48 neurons, rounded down as in the original
    assert list(masks) == [f"activation/{k}", f"random/{k}/1", f"random/{k}/2", f"random/{k}/3"]
    assert all(
        mask.shape == (LAYERS, WIDTH) and (mask == 0).sum() == k == (mask != 1).sum()
        for mask in masks.values()
    )
    after = ready.activated_neuron()[0]
    assert after[masks[f"activation/{k}"] == 0].min() >= after[masks[f"activation/{k}"] == 1].max()
    assert set(results["ranking"]) == {"activation"}
    assert results["mask"].tolist() == ["unmasked", *masks] and results["kind"].tolist() == [
        "unmasked",
        "attribute",
        *["random"] * 3,
    ]
    assert results["accuracy"][0] == ready.eval_prompt()["accuracy"]
    mean = results["accuracy"][2:].mean()
    assert results["random"][1] == pytest.approx(mean) and results["drop"][1] == pytest.approx(
        mean - results["accuracy"][1]
    )
    assert results[["random", "drop"]].drop(index=1).isna().all(axis=None)
    pd.testing.assert_frame_equal(
        read_csv(ready.out / "masked_accuracy.csv", dtype={"k": "Int64"}), results, check_dtype=False
    )
    saved = load_file(ready.out / "masks.safetensors")
    assert set(saved) == set(masks) and all((saved[name] == mask).all() for name, mask in masks.items())


@pytest.mark.filterwarnings("ignore:no searchlight")
@pytest.mark.parametrize("kind", ["BINARY_MASK", "FLOAT_MASK"])
def test_masked_accuracy_is_that_of_a_plain_forward_pass(ready, kind):
    results, masks = ready.mask_activated_neuron(kind=kind, ratio=0.5, draws=1)
    model, tokenizer = ready.model.backbone.model, tiny_models.tokenizer()
    dev = TABLE[TABLE["split"] == "dev"].reset_index()
    positive = np.flatnonzero(dev["joy"])
    rows = [*positive, *np.random.RandomState(3).choice(len(dev), len(positive))]  # noqa: NPY002
    for name, mask in masks.items():
        handles = [
            layer.intermediate.register_forward_hook(lambda module, ins, out, own=own: out * own)
            for layer, own in zip(model.roberta.encoder.layer, torch.from_numpy(mask), strict=True)
        ]
        right = []
        with torch.no_grad():
            for row in rows:
                no, yes = model(
                    **inputs(model, ready.model.prompt, tokenizer(dev["text"][row])["input_ids"])
                ).logits[0, 0, [5, 6]]
                right.append((yes > no).item() == (dev["joy"][row] == 1))
        for handle in handles:
            handle.remove()
        assert results.loc[results["mask"] == name, "accuracy"].item() == 100 * np.mean(right)
    inside = masks["activation/24"][masks["activation/24"] != 1]
    assert len(inside) == 24 and (
        (inside == 0).all() if kind == "BINARY_MASK" else (inside >= 0).all() and inside.std() > 0.15
    )


@pytest.mark.filterwarnings("ignore:no searchlight")
def test_neurons_can_be_chosen_in_some_layers(ready):
    _, masks = ready.mask_activated_neuron(layers=[1], top_k=7, draws=4)
    assert {name.split("/")[1] for name in masks} == {"7"}
    for mask in masks.values():
        assert (mask[0] == 1).all() and (mask[1] == 0).sum() == 7
    after = ready.activated_neuron(layers=[1])[0][0]
    assert set(np.flatnonzero(masks["activation/7"][1] == 0)) == set(np.argsort(-after)[:7])


def test_random_masks_can_avoid_the_neurons_of_the_attributes_mask(ready, tiny_roberta, tmp_path):
    write_searchlight(tmp_path / "results/live", tiny_roberta, ["valence", "arousal"])
    results, masks = ready.mask_activated_neuron(top_k=20, draws=3, baseline="disjoint")
    assert list(masks) == [
        *("valence/20", "arousal/20"),
        *(f"random/{attribute}/20/{draw}" for attribute in ("valence", "arousal") for draw in (1, 2, 3)),
    ]
    by_name = results.set_index("mask")
    for attribute in ("valence", "arousal"):
        own = [f"random/{attribute}/20/{draw}" for draw in (1, 2, 3)]
        assert len({masks[name].tobytes() for name in own}) == 3
        for name in own:
            assert (masks[name] == 0).sum() == 20
            assert not ((masks[name] == 0) & (masks[f"{attribute}/20"] == 0)).any()
        mean = by_name.loc[own, "accuracy"].mean()
        assert by_name.loc[f"{attribute}/20", "random"] == pytest.approx(mean)
    with pytest.raises(UserError, match="baseline='disjoint': a mask of 30 neurons leaves only 18 others"):
        ready.mask_activated_neuron(top_k=30, baseline="disjoint")


def write_searchlight(folder, of, attributes, file="searchlight.parquet", shape=(LAYERS, WIDTH)):
    """Write a searchlight of a backbone with random ranks. Return the ranks [neurons, attributes]."""
    neurons = shape[0] * shape[1]
    ranks = np.array([np.random.default_rng(i).permutation(neurons) + 1.0 for i in range(len(attributes))]).T
    long = {"neuron": np.repeat(np.arange(neurons) + 1, len(attributes)), "rank": ranks.ravel()}
    long["attribute"] = pd.Categorical(np.tile(attributes, neurons), categories=attributes)
    write_parquet(pd.DataFrame(long), folder / file)
    write_activations(
        Activations(np.zeros((1, 1, neurons)), (1,), ("joy",), *shape, of), folder / "activations.safetensors"
    )
    return ranks


def test_neurons_ranked_by_a_searchlight_of_this_backbone(ready, tiny_roberta, tmp_path):
    ranks = write_searchlight(tmp_path / "results/live", tiny_roberta, ["valence", "arousal"])
    results, masks = ready.mask_activated_neuron(top_k=5, draws=2)
    assert results["ranking"].unique().tolist() == ["14Properties"]
    assert results["mask"].tolist() == ["unmasked", "valence/5", "arousal/5", "random/5/1", "random/5/2"]
    for place, attribute in enumerate(("valence", "arousal")):
        np.testing.assert_array_equal(masks[f"{attribute}/5"].ravel() == 0, ranks[:, place] <= 5)
    with pytest.raises(
        UserError, match="no searchlight of .* for the ranking 3Spaces .*searchlight_spaces.parquet"
    ):
        ready.mask_activated_neuron(ranking="3Spaces")
    write_searchlight(tmp_path / "results/live", tiny_roberta, ["affective"], "searchlight_spaces.parquet")
    assert "affective/5" in ready.mask_activated_neuron(ranking="3Spaces", top_k=5, draws=1)[1]
    assert "activation/5" in ready.mask_activated_neuron(ranking="activation", top_k=5, draws=1)[1]


def test_a_searchlight_of_another_backbone_is_not_used(ready, tmp_path):
    write_searchlight(tmp_path / "results/live", "another", ["valence"])
    with pytest.raises(UserError, match="no searchlight of .* for the ranking 14Properties"):
        ready.mask_activated_neuron(ranking="14Properties")
    with pytest.warns(UserWarning, match="the most active neurons are masked instead"):
        assert "activation/9" in ready.mask_activated_neuron(draws=1)[1]


def test_another_searchlight_is_named_by_its_folder_or_file(tiny_roberta, tmp_path):
    of_its_own = write_searchlight(tmp_path / "mine", tiny_roberta, ["valence"])
    write_searchlight(tmp_path / "other", "another", ["valence"])
    for path in (tmp_path / "mine", str(tmp_path / "mine/searchlight.parquet")):
        made = make_trainer(tiny_roberta, tmp_path, searchlight=path)
        made.train_prompt()
        np.testing.assert_array_equal(
            made.mask_activated_neuron(top_k=3, draws=1)[1]["valence/3"].ravel() == 0, of_its_own[:, 0] <= 3
        )
    made.searchlight = tmp_path / "other"
    with pytest.raises(UserError, match=r"no searchlight of .*other/searchlight.parquet"):
        made.mask_activated_neuron()


def test_a_searchlight_with_another_number_of_neurons_is_refused(ready, tiny_roberta, tmp_path):
    write_searchlight(tmp_path / "results/live", tiny_roberta, ["valence"])
    old = write_searchlight(tmp_path / "old", "another", ["valence"], shape=(LAYERS, WIDTH + 1))
    (tmp_path / "old/searchlight.parquet").replace(tmp_path / "results/live/searchlight.parquet")
    with pytest.raises(
        UserError,
        match=f"results/live/searchlight.parquet: ranks {len(old)} neurons, but .* has {LAYERS * WIDTH}",
    ):
        ready.mask_activated_neuron()


def test_roberta_base_is_known_by_both_its_names(tmp_path):
    write_searchlight(tmp_path, "FacebookAI/roberta-base", ["valence"], shape=(3, 4))
    for name, shape, same in (
        ("roberta-base", (3, 4), True),
        ("roberta-base", (4, 3), False),
        ("roberta-large", (3, 4), False),
    ):
        ours = SimpleNamespace(name=name, layers=shape[0], width=shape[1])
        if same:
            assert rank_neurons(ours, "14Properties", tmp_path, None)[0] == "14Properties"
        else:
            with pytest.raises(UserError, match=f"no searchlight of {name}"):
                rank_neurons(ours, "14Properties", tmp_path, None)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"kind": "GREY_MASK"}, "kind='GREY_MASK': must be one of BINARY_MASK, FLOAT_MASK"),
        ({"ranking": "2Spaces"}, "ranking='2Spaces': must be one of 14Properties, 3Spaces, activation"),
        ({"top_k": 49}, "top_k=49: a mask of 49 neurons, but there are 48"),
        ({"ratio": 0.001}, "ratio=0.001: a mask of 0 neurons"),
        ({"baseline": "matched"}, "baseline='matched': must be one of uniform, disjoint"),
        ({"layers": [1], "ratio": 1.1}, "ratio=1.1: a mask of 26 neurons, but there are 24"),
        ({"draws": 0}, "draws=0: must be at least 1"),
    ],
)
@pytest.mark.filterwarnings("ignore:no searchlight")
def test_impossible_masks_are_refused(ready, wrong, message):
    with pytest.raises(UserError, match=re.escape(message)):
        ready.mask_activated_neuron(**wrong)


def test_the_picture_shows_the_activations(ready):
    figure, path = ready.plot_neuron(), ready.out / "neurons.png"
    titles = [ax.get_title() for ax in figure.axes[:2]]
    assert titles == ["joy, seed 3: before GELU", "joy, seed 3: after GELU"]
    first = matplotlib.image.imread(path)
    assert min(first.shape[:2]) > 200 and first[..., :3].std() > 0.1
    ready.model.set_prompt(ready.model.prompt.flip(0))
    ready.plot_neuron()
    assert (matplotlib.image.imread(path) != first).any()
