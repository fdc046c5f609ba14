"""Synthetic data: the pipeline finds what is planted, nothing in null data, and fails under each sabotage.

The model also computes what its description says.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm

from model_emotion.base import results
from model_emotion.base.study import ATTRIBUTES
from model_emotion.masking.masks import MaskName
from model_emotion.model.tasks import Examples
from model_emotion.smoke import chain
from model_emotion.smoke import world as synthetic

pytestmark = pytest.mark.usefixtures("one_thread")
SEED = 5  # not the default


@pytest.fixture(scope="module")
def worlds():
    return {name: synthetic.make_world(SEED, planted=name == "planted") for name in ("planted", "null")}


@pytest.fixture(scope="module")
def tuned(worlds, one_thread):
    """(engine, prompts, dev) of the planted world."""
    engine = synthetic.engine(worlds["planted"])
    return engine, *chain.prompts_and_tasks(engine, worlds["planted"].table)


@pytest.fixture(scope="module")
def runs(worlds, tuned):
    engine, prompts, dev = tuned
    return {
        "planted": chain.measure(engine, worlds["planted"].ratings, prompts, dev),
        "null": chain.measure_world(worlds["null"]),
    }


@pytest.fixture
def again(worlds, tuned, runs, monkeypatch):
    """A function that measures the planted world on every fourth example, and returns the failed checks.

    The critical tau is kept, to save time.
    """
    monkeypatch.setattr(chain, "critical_tau", lambda *_: runs["planted"].critical)
    engine, prompts, dev = tuned
    fewer = {
        emotion: [Examples(own.texts[::4], own.labels[::4]) for own in of_seeds]
        for emotion, of_seeds in dev.items()
    }

    def measure(engine=engine):
        return failed(
            chain.judge_planted,
            worlds["planted"],
            chain.measure(engine, worlds["planted"].ratings, prompts, fewer),
        )

    return measure


def failed(judge, world, of_world):
    return {check for _, checks in judge(world, of_world) for check, passed in checks.items() if not passed}


def of(check):
    """The check's name for each planted attribute."""
    return {check.format(attribute) for attribute in synthetic.PLANTED}


def levels(text):
    """A text's mean level of each planted attribute, from its words: `valence0` is -1, `valence8` is 1."""
    return [
        np.mean([int(word[-1]) / 4 - 1 for word in text.split() if word[:-1] == attribute])
        for attribute in synthetic.PLANTED
    ]


def prompt(*asked):
    """A prompt [1, prompt_len, hidden] that asks for those levels."""
    numbers = torch.zeros(synthetic.HIDDEN)
    for place, level in zip(synthetic.OF_PROMPT, asked, strict=True):
        numbers[2 * place], numbers[2 * place + 1] = level, -level
    return numbers.repeat(1, synthetic.PROMPT_LEN, 1)


def test_both_worlds_have_the_same_ratings_and_texts_and_other_labels(worlds):
    one, other = worlds["planted"], worlds["null"]
    pd.testing.assert_frame_equal(one.ratings, other.ratings)
    assert one.table[["split", "text"]].equals(other.table[["split", "text"]])
    emotions = list(synthetic.EMOTIONS)
    assert (
        np.corrcoef(one.table[emotions].to_numpy().ravel(), other.table[emotions].to_numpy().ravel())[0, 1]
        < 0.5
    )
    again = synthetic.make_world(SEED)
    assert again.table.equals(one.table) and np.array_equal(again.neurons, one.neurons)
    assert not synthetic.make_world(SEED + 1).ratings.equals(one.ratings)
    assert not any(len(other.population(attribute)) for attribute in synthetic.PLANTED)
    populations = [set(one.population(attribute)) for attribute in synthetic.PLANTED]
    assert [len(population) for population in populations] == [32] * 4 and len(set.union(*populations)) == 128
    assert set(synthetic.ATTRIBUTES) <= set(ATTRIBUTES)


def test_an_emotion_is_expressed_by_the_texts_highest_on_its_attribute(worlds):
    ratings, table = worlds["planted"].ratings, worlds["planted"].table.head(synthetic.SPLITS["train"])
    level = pd.DataFrame([levels(text) for text in table["text"]], columns=list(synthetic.PLANTED))
    high = ratings > synthetic.HIGH
    assert (high.sum() == 6).all() and (high[list(synthetic.PLANTED)].sum(axis=1) == 1).all()
    for emotion in synthetic.EMOTIONS:
        own = high.loc[emotion, list(synthetic.PLANTED)].idxmax()
        correlation = level.corrwith(table[emotion])
        assert (
            correlation.idxmax() == own
            and correlation[own] > 0.3
            and correlation.drop(own).abs().max() < 0.15
        )
        assert table[emotion].mean() == pytest.approx(1 - ratings.loc[emotion, own], abs=0.05)


def test_the_model_computes_how_far_a_text_falls_short(worlds, tuned):
    """Compare with the formula, with 33 equally spaced gains. Other neurons add a little."""
    engine, texts = tuned[0], worlds["planted"].table["text"][:40]
    asked = (0.5, -0.3, -2.0, 0.1)
    gains = np.linspace(4, 8, 33)
    short = np.array(asked) - np.array([levels(text) for text in texts])
    gelu = (short[..., None] * norm.cdf(gains * short[..., None])).mean(axis=-1)  # GELU(g x) / g = x Phi(g x)
    expected = synthetic.AT_FIRST - synthetic.EVIDENCE * gelu.sum(axis=1)
    ids, attention = engine.pad(engine.backbone.tokenizer(texts.tolist())["input_ids"])
    logits = engine.logits(prompt(*asked).expand(len(texts), -1, -1), None, ids, attention)
    np.testing.assert_allclose((logits[:, 1] - logits[:, 0]).numpy(), expected, atol=0.15)
    assert expected.std() > 1


def test_fillers_and_the_order_of_words_do_not_matter(tuned):
    engine = tuned[0]
    texts = ["valence1 valence2 control8 control7 fairness0 fairness0 happy-face4 happy-face4"]
    texts += [" ".join(reversed(texts[0].split())), f"the {texts[0]} so it"]
    ids, attention = engine.pad(engine.backbone.tokenizer(texts)["input_ids"])
    assert engine.backbone.tokenizer.unk_token_id not in ids
    logits = engine.logits(prompt(0.5, 0.2, 0.1, 0.3).expand(3, -1, -1), None, ids, attention)
    torch.testing.assert_close(logits[1:], logits[:1].expand(2, -1), atol=1e-3, rtol=0)


def test_with_the_probe_planted_neurons_hold_what_the_prompt_asks_for(worlds, tuned):
    engine, world = tuned[0], worlds["planted"]
    asked = torch.cat(
        [prompt(*levels) for levels in (np.zeros(4), *np.eye(4), *np.eye(4) / 2, *-3 * np.eye(4))]
    )
    none, *some = engine.activations(asked, engine.probe()).numpy()
    for place, attribute in enumerate(synthetic.PLANTED):
        mine = world.population(attribute)
        others = np.setdiff1d(world.neurons, mine)
        full, half, low = some[place], some[place + 4], some[place + 8]
        assert (full[mine] > 3.9).all() and (full[mine] < 8.1).all()
        np.testing.assert_allclose(half[mine], full[mine] / 2, atol=0.1)
        assert np.abs(low[mine]).max() < 0.01 and np.abs(full[others]).max() < 0.3
    assert np.abs(none).max() < 0.01


def test_prompts_are_tuned_through_the_engine(tuned):
    _, prompts, _ = tuned
    found = torch.stack(list(prompts.values()))
    assert found.shape == (24, 2, 2, synthetic.HIDDEN) and (found[:, 0] != found[:, 1]).any(dim=-1).all()


def test_planted_neurons_are_found_and_none_in_null_data(worlds, runs):
    assert failed(chain.judge_planted, worlds["planted"], runs["planted"]) == set()
    assert failed(chain.judge_null, worlds["null"], runs["null"]) == set()


def test_random_masks_are_of_the_same_size(runs):
    assert {int((mask == 0).sum()) for mask in runs["planted"].masks.values()} == {synthetic.POPULATION}
    assert len(runs["planted"].masks) == len(synthetic.ATTRIBUTES) + chain.DRAWS


def test_without_sabotage_fewer_examples_suffice(again):
    assert again() == set()


def test_sabotage_planted_weights_zeroed(worlds, again):
    world = worlds["planted"]
    engine = synthetic.engine(world)
    for neuron in world.neurons:
        layer = engine.backbone.model.roberta.encoder.layer[neuron // synthetic.WIDTH]
        layer.intermediate.dense.weight[neuron % synthetic.WIDTH] = 0
        layer.output.dense.weight[:, neuron % synthetic.WIDTH] = 0
    assert again(engine) >= {"prompts are learned"} | of("neurons of {} are found") | of(
        "the mask of {} hurts"
    )


def test_sabotage_masks_inverted(monkeypatch, again):
    right = chain.attribute_masks
    monkeypatch.setattr(
        chain, "attribute_masks", lambda *a, **k: {name: 1 - mask for name, mask in right(*a, **k).items()}
    )
    assert again() >= of("neurons of {} are found") | of("the mask of {} spares the others")


def test_sabotage_masks_shuffled(monkeypatch, again):
    right, generator = chain.attribute_masks, np.random.default_rng(1)

    def shuffled(*a, **k):
        return {
            name: generator.permutation(mask.ravel()).reshape(mask.shape)
            for name, mask in right(*a, **k).items()
        }

    monkeypatch.setattr(chain, "attribute_masks", shuffled)
    assert again() >= of("neurons of {} are found") | of("the mask of {} hurts")


def test_sabotage_masks_of_other_attributes(monkeypatch, again):
    right = chain.attribute_masks

    def exchanged(*a, **k):
        made = right(*a, **k)
        return dict(
            zip(made, [*list(made.values())[1:], made[MaskName("attribute", "valence", 32)]], strict=True)
        )

    monkeypatch.setattr(chain, "attribute_masks", exchanged)
    assert again() >= of("neurons of {} are found") | of("the mask of {} hurts")


def test_sabotage_masks_that_do_nothing(monkeypatch, again):
    right = chain.evaluate

    def ignoring(engine, prompts, masks, *rest):
        return right(engine, prompts, None if masks is None else np.ones_like(masks), *rest)

    monkeypatch.setattr(chain, "evaluate", ignoring)
    assert again() == of("the mask of {} hurts")


def test_sabotage_emotions_permuted(monkeypatch, again):
    """A population can still be the best of its attribute, but not above chance."""
    right, order = chain.searchlight, np.random.default_rng(2).permutation(len(synthetic.EMOTIONS))
    monkeypatch.setattr(chain, "searchlight", lambda activations, rdms: right(activations[:, order], rdms))
    found = again()
    assert found >= of("neurons of {} are above chance") and len(found & of("neurons of {} are found")) >= 3


def test_the_two_worlds_exchanged(worlds, runs):
    """Null data fail as planted data, and planted data as null data."""
    assert failed(chain.judge_planted, worlds["planted"], runs["null"]) >= of("neurons of {} are found") | of(
        "the mask of {} hurts"
    )
    expected = of("null: no neuron follows {}") | of("null: the mask of {} spares")
    assert failed(chain.judge_null, worlds["null"], runs["planted"]) >= expected


def test_nan_fails(worlds, runs):
    nan = replace(
        runs["planted"],
        drops=runs["planted"].drops.assign(drop=np.nan),
        accuracy=runs["planted"].accuracy.assign(accuracy=np.nan),
    )
    checks = of("the mask of {} hurts") | {"prompts are learned"}
    assert failed(chain.judge_planted, worlds["planted"], nan) >= checks
    assert failed(chain.judge_null, worlds["null"], nan) >= of("null: the mask of {} spares") | {
        "null: prompts are learned"
    }


@pytest.mark.parametrize("swapped", [False, True])
def test_the_command(worlds, runs, monkeypatch, capsys, tmp_path, swapped):
    order = iter(["null", "planted"] if swapped else ["planted", "null"])
    monkeypatch.setattr(chain, "measure_world", lambda world: runs[next(order)])
    monkeypatch.setattr("sys.argv", ["smoke", "--seed", str(SEED), "--out", str(tmp_path)])
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    with pytest.raises(SystemExit) as stopped:
        chain.main()
    assert bool(stopped.value.code) == swapped
    last = capsys.readouterr().out.splitlines()[-1]
    if swapped:
        assert last.startswith("smoke: FAIL: neurons of valence are found; ")
        return
    assert last.startswith("smoke: PASS in ")
    for name in ("planted", "null"):
        there = results.read_activations(tmp_path / name / "activations.safetensors")
        assert np.array_equal(there.values, runs[name].activations.values)
        written = {path.name for path in (tmp_path / name).iterdir()}
        assert written == {
            "activations.safetensors", "masks.safetensors", "searchlight.parquet", "accuracy.csv",
            "masked_accuracy.csv", "drop_by_attribute.csv", "drop_by_emotion.csv",
        }  # fmt: skip
    masked = pd.read_csv(tmp_path / "planted/masked_accuracy.csv", dtype={"draw": "Int64"})
    assert list(masked) == results.MASKED_ACCURACY and len(masked) == 24 * 2 * 18
    starred = pd.read_csv(tmp_path / "planted/drop_by_attribute.csv").set_index("attribute")["star"]
    assert starred[list(synthetic.PLANTED)].all()
