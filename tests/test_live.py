"""The run `live` from texts to drops, on synthetic data and a tiny model: results, and every other way."""

import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
from scipy import stats
from worlds import EMOTIONS, MEASURE, run

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_csv, read_tensors
from model_emotion.base.results import read_activations
from model_emotion.live.session import load_corpus, load_engine
from model_emotion.masking import mask_plan
from model_emotion.masking.masks import MaskName
from model_emotion.model.checkpoint import resolved
from model_emotion.params import load_params
from model_emotion.rsa import rdm
from stages import drops
from stages import mask_plan as mask_plan_stage

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_chain_measures_what_a_plain_loop_measures(measured, monkeypatch):
    run(monkeypatch, drops)
    params, planned = load_params(), mask_plan.read("live")
    assert [(size.k, size.draws) for size in planned.sizes] == [(18, 4), (5, 1)]
    engine = load_engine(params.backbone, "zero")
    model = engine.backbone.model
    tuned = {
        emotion: torch.from_numpy(read_tensors(f"results/live/prompts/{emotion}.safetensors")[0]["prompts"])
        for emotion in EMOTIONS
    }

    def plain(prompt, text):
        inputs = tiny_models.embedded(model, prompt, text)
        return model(inputs_embeds=inputs, position_ids=torch.arange(inputs.shape[1])[None])

    recorded, seen = read_activations("results/live/activations.safetensors"), []
    assert (
        recorded.values.shape == (2, 5, 72)
        and recorded.values.dtype == np.float32
        and recorded.backbone == "tiny"
    )
    layers = model.roberta.encoder.layer
    hooks = [
        layer.output.dense.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0, 0]))
        for layer in layers
    ]
    with torch.no_grad():
        plain(tuned["anger"][1], [0])
    np.testing.assert_allclose(recorded.values[1, 2], torch.cat(seen), atol=1e-5)
    for hook in hooks:
        hook.remove()

    accuracy, masked = read_csv("results/live/accuracy.csv"), read_csv("results/live/masked_accuracy.csv")
    assert len(accuracy) == 10 and len(masked) == 10 * (14 * 2 + 5 + 2)
    corpus = load_corpus(engine, 3, 256)
    alone, under = (corpus.task("anger", "dev", 3, examples=n) for n in (20, 12))
    row = accuracy[(accuracy["emotion"] == "anger") & (accuracy["seed"] == 3)].iloc[0]
    assert row["n"] == 20 and row["majority"] == alone.majority
    kept = read_tensors("results/live/masks.safetensors")[0]
    for name, task in (
        ("", alone),
        ("valence/18", under),
        ("random/18/2", under),
        ("permuted/valence/18/2", under),
    ):
        weights = [layer.output.dense.weight.clone() for layer in layers]
        if name:
            for layer, off in zip(layers, kept[name] == 0, strict=True):
                layer.output.dense.weight[:, torch.from_numpy(off)] = 0
            about = MaskName.parse(name)
            of = (
                (masked["attribute"].fillna("") == about.attribute)
                & (masked["k"] == 18)
                & (masked["kind"] == about.kind)
            )
            of &= (
                (masked["emotion"] == "anger")
                & (masked["seed"] == 3)
                & (masked["draw"].isna() | (masked["draw"] == about.draw))
            )
            row = masked[of].iloc[0]
        examples = corpus.examples(task, "dev")
        with torch.no_grad():
            logits = torch.stack(
                [plain(tuned["anger"][1], text).logits[0, 0, [5, 6]] for text in examples.texts]
            )
        right = (logits[:, 1] > logits[:, 0]).numpy() == (examples.labels == 1)
        assert row["accuracy"] == right.mean() and row["n"] == len(right), name
        for layer, weight in zip(layers, weights, strict=True):
            layer.output.dense.weight.data = weight
    by_attribute = read_csv("results/live/drop_by_attribute.csv")
    assert list(by_attribute["attribute"][::2]) == list(study.ATTRIBUTES) and list(by_attribute["k"][:2]) == [
        18,
        5,
    ]
    assert set(by_attribute["share"]) == {18 / 72, 5 / 72}


def test_cross_fitted_masks_are_chosen_by_some_seeds_and_met_by_the_others(measured, monkeypatch):
    every, table = (
        read_csv("results/live/masked_accuracy.csv"),
        pd.read_parquet("results/live/searchlight.parquet"),
    )
    measured("masks.ranking_seeds", [3])
    run(monkeypatch, *MEASURE, drops)
    taus = pd.read_parquet("results/live/searchlight.parquet")
    values = read_activations("results/live/activations.safetensors").values[1].astype(float)  # of seed 3
    human = rdm.select(read_csv("results/human/attribute_rdms.csv"), EMOTIONS)["valence"]
    pairs = np.triu_indices(5, 1)
    distances = np.abs(values[pairs[0]] - values[pairs[1]]).T
    expected = [stats.kendalltau(of, human).statistic for of in distances]
    np.testing.assert_allclose(taus[taus["attribute"] == "valence"]["tau"], expected, atol=1e-9)
    assert not np.allclose(taus["tau"], table["tau"])
    asked = read_csv("results/live/masked_accuracy.csv")
    assert set(asked["seed"]) == {1} and set(read_csv("results/live/accuracy.csv")["seed"]) == {1, 3}
    random = [
        frame[(frame["kind"] == "random") & (frame["seed"] == 1)].reset_index(drop=True)
        for frame in (asked, every)
    ]
    pd.testing.assert_frame_equal(*random)  # random masks are nobody's choice


@pytest.mark.parametrize(
    "changes",
    [
        ("masks.ranking", "spaces", "masks.kind", "float"),
        ("masks.ranking", "activation", "protocol.split", "test", "seeds", [1]),
        (
            "masks.baseline",
            "layer_matched",
            "protocol.negatives",
            "balanced_true_negatives",
            "activation.point",
            "sign",
        ),
        (
            "protocol.positions",
            "native",
            "protocol.probe",
            "mask",
            "protocol.prompt_init",
            "mask",
            "activation.point",
            "pre_gelu",
        ),
    ],
)
def test_every_other_way_runs_through(measured, monkeypatch, changes):
    measured(*changes)
    run(monkeypatch, *MEASURE, drops)
    masked = read_csv("results/live/masked_accuracy.csv")
    named = set(masked.loc[masked["kind"] == "attribute", "attribute"])
    assert named == {"spaces": set(study.SPACES), "activation": {"activation"}}.get(
        changes[1], set(study.ATTRIBUTES)
    )
    own_draws = masked.loc[masked["kind"] == "random", "attribute"].notna()
    assert own_draws.all() if "layer_matched" in changes else not own_draws.any()


def test_layers_and_width_come_from_the_models_configuration(world, monkeypatch):
    given = load_params()
    world("backbone.layers", None, "backbone.width", None)
    assert resolved(load_params()).backbone == given.backbone
    run(monkeypatch, mask_plan_stage)
    assert mask_plan.read("live").layers == 3 and mask_plan.read("live").width == 24
    world("top_k", [73])
    with pytest.raises(UserError, match=r"^params.yaml: top_k\[0\]: 73 is more than the 72 neurons of tiny"):
        run(monkeypatch, mask_plan_stage)
