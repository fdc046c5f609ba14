"""notebooks/measure_one_emotion.ipynb, run in a fresh process: its numbers and its errors."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_models
import torch
import transformers

import notebooks
from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import write_csv, write_parquet
from model_emotion.base.results import Activations, write_activations
from model_emotion.model import checkpoint
from model_emotion.params import load_params
from model_emotion.project.notebook import ATTRIBUTE_RDMS
from model_emotion.rsa import rdm
from model_emotion.rsa.searchlight import searchlight, table
from model_emotion.toolkit import notebook
from notebooks import MEASURING

BACKBONE, LAYERS, WIDTH = "sentence-transformers/all-MiniLM-L6-v2", 6, 1536
CHOICES = {
    "emotion": "joy",
    "attribute": "control",
    "share": 0.25,
    "draws": 4,
    "seeds": [1, 3],
    "examples": 60,
    "texts": 31,
}
K = 2304  # a quarter of the neurons

KEPT = {name: name for name in ("unmasked", "masked", "activations", "drops", "p")} | {
    "rows": "task.rows",
    "labels": "task.labels",
    "masks": "np.stack(list(masks.values()))",
    "names": "[str(name) for name in masks]",
    "prompts": "tuned.prompts.numpy()",
}


@pytest.fixture(scope="module")
def project(goemotions, tmp_path_factory):
    """A folder with the real texts, 4,000 of them to train on, and a synthetic run of the real backbone."""
    folder, draw = tmp_path_factory.mktemp("project"), np.random.default_rng(5)
    for name in ("notebooks", "data", "results/human", "results/live"):
        (folder / name).mkdir(parents=True)
    (folder / "params.yaml").write_text((notebooks.ROOT / "params.yaml").read_text())
    (folder / "data/texts").mkdir(parents=True)
    every = pd.read_parquet(goemotions)
    few = every[(every["split"] != "train") | (every.index < 4000)]  # reading all of them takes too long
    write_parquet(few, folder / "data/texts/live.parquet")
    people = pd.DataFrame(draw.random((351, 14)), columns=study.ATTRIBUTES)
    write_csv(rdm.pair_names(study.EMOTIONS).join(people), folder / ATTRIBUTE_RDMS)
    values = draw.normal(size=(1, 27, LAYERS * WIDTH)).astype(np.float32)
    write_activations(
        Activations(values, (1,), study.EMOTIONS, LAYERS, WIDTH, BACKBONE), folder / notebook.ACTIVATIONS
    )
    write_parquet(
        table(searchlight(values, people.to_numpy()), people.columns, WIDTH, 0.01),
        folder / notebook.SEARCHLIGHT,
    )
    return folder


@pytest.fixture(scope="module")
def ran(project):
    """Run the whole notebook. Return what it printed, and its arrays."""
    return notebooks.run(notebooks.with_choices(MEASURING, **CHOICES), project, KEPT)


@pytest.fixture(scope="module")
def texts(goemotions):
    """GoEmotions' test split."""
    every = pd.read_parquet(goemotions)
    return every[every["split"] == "test"].reset_index(drop=True)


def test_half_of_the_texts_express_the_emotion(ran, texts):
    printed, left = ran
    joy = texts["joy"].to_numpy()
    np.testing.assert_array_equal(left["labels"], joy[left["rows"]])
    assert len(set(left["rows"])) == 31 and left["labels"].sum() in (15, 16)
    assert f"Of 5,427 texts kept for the end, {joy.sum()} express joy: {joy.mean():.1%}." in printed
    assert f"right in {16 / 31:.1%} of these" in printed


def test_answers_are_those_of_a_plain_model(ran, texts):
    """transformers' own model, text by text; a mask is columns of its weights set to 0."""
    _, left = ran
    folder = checkpoint.locate(BACKBONE).folder
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32)
    words, layers = model.get_input_embeddings().weight, model.encoder.layer
    verbalizer = words[tokenizer.convert_tokens_to_ids(["negative", "positive"])]

    def state(prompt, ids):
        inputs = tiny_models.embedded(model, prompt, ids, tokenizer.mask_token_id)
        return model(inputs_embeds=inputs).last_hidden_state[0, 0]

    with torch.no_grad():
        ids = [torch.tensor(tokenizer(text)["input_ids"]) for text in texts["text"].iloc[left["rows"]]]
        prompts = torch.from_numpy(left["prompts"])
        seen = []
        hooks = [
            layer.output.dense.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][0, 0]))
            for layer in layers
        ]
        state(prompts[1], [tokenizer.cls_token_id])
        np.testing.assert_allclose(left["activations"][1], torch.cat(seen), atol=1e-5)
        for hook in hooks:
            hook.remove()
        whole = [layer.output.dense.weight.clone() for layer in layers]
        masks, answers = (
            [np.ones((LAYERS, WIDTH)), *left["masks"]],
            np.concatenate([left["unmasked"][:, None], left["masked"]], axis=1),
        )
        for number in range(4):  # none, the attribute's, two random ones
            for layer, weight, own in zip(layers, whole, masks[number], strict=True):
                layer.output.dense.weight.copy_(weight * torch.from_numpy(own))
            for prompt, right in zip(prompts, answers[:, number], strict=True):
                yes = [bool(torch.diff(verbalizer @ state(prompt, own)) > 0) for own in ids]
                np.testing.assert_array_equal(
                    right, np.array(yes) == (left["labels"] == 1), err_msg=f"mask {number}"
                )


def test_masks_silence_the_best_neurons_and_as_many_at_random(ran, project):
    printed, left = ran
    ranking = pd.read_parquet(project / notebook.SEARCHLIGHT)
    tau = ranking.loc[ranking["attribute"] == "control", "tau"].to_numpy()
    masks = left["masks"].reshape(5, -1)
    np.testing.assert_array_equal(np.flatnonzero(masks[0] == 0), np.sort(np.argsort(-tau, kind="stable")[:K]))
    assert ((masks == 0).sum(axis=1) == K).all() and len({mask.tobytes() for mask in masks}) == 5
    assert [name.split("/")[0] for name in left["names"]] == ["control", *["random"] * 4]
    assert "Each mask silences 2,304 neurons." in printed


def test_drops_and_intervals_are_those_of_the_answers(ran):
    printed, left = ran
    right = left["masked"].astype(float)  # [seeds, masks, texts]
    own, random, before = right[:, 0], right[:, 1:].mean(axis=1), left["unmasked"].astype(float)
    draws = np.random.default_rng(0).integers(0, 31, (20_000, 31))
    for (drop, low, high), of_texts in zip(
        left["drops"], (before - random, before - own, random - own), strict=True
    ):
        of_texts = 100 * of_texts.mean(axis=0)
        assert drop == pytest.approx(of_texts.mean()) and low <= drop <= high
        assert (low, high) == pytest.approx(
            np.quantile(of_texts[draws].mean(axis=1), [0.025, 0.975]), abs=0.9
        )
    accuracies = right.mean(axis=(0, 2))
    as_bad = (accuracies[1:] <= accuracies[0]).sum()
    assert left["p"] == (1 + as_bad) / 5 and f"{as_bad} of 4 random masks leave as few" in printed
    drop, low, high = left["drops"][2]
    assert f"joy: the control mask costs {drop:+.2f} percentage points more" in printed
    assert f"(95% interval {low:+.2f} to {high:+.2f}:" in printed
    clear = "more" if low > 0 else "less" if high < 0 else "no clear difference"
    assert f": {clear} on these texts)" in printed and list(left["figures"]) == [1]


def test_accuracies_have_wilsons_interval(ran):
    printed, left = ran
    for seed, right in zip(CHOICES["seeds"], left["unmasked"], strict=True):
        n, share, z = len(right), right.mean(), 1.959964
        middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        low, high = ((middle + sign * half) / (1 + z**2 / n) for sign in (-1, 1))
        assert (
            f"seed {seed}: {right.sum()} of {n} right, {share:.1%} (95% interval {low:.1%} to {high:.1%})"
            in printed
        )


@pytest.mark.parametrize(
    ("choice", "value", "message"),
    [
        (
            "emotion",
            "gratitud",
            "emotion: 'gratitud' is not one of the 27 emotions; did you mean 'gratitude'?",
        ),
        (
            "attribute",
            "valance",
            "attribute: 'valance' is not one of the 14 attributes; did you mean 'valence'?",
        ),
        ("share", 11, "share: "),
        ("share", 1e-6, "top_k[0]: 1e-06 is less than one of the 9216 neurons"),
        ("draws", 0, "draws: "),
        ("seeds", 1, "seeds: "),
        ("seeds", [1, 1], "seeds: 1 is listed twice"),
        ("examples", 0, "examples: "),
        ("texts", 1, "texts: "),
    ],
)
def test_an_invalid_choice_is_reported_in_one_line(project, monkeypatch, choice, value, message):
    monkeypatch.chdir(project / "notebooks")
    names = {}
    with pytest.raises(UserError) as caught:
        for code in notebooks.with_choices(MEASURING, **CHOICES | {choice: value})[:2]:
            exec(code, names)
    assert (
        str(caught.value).startswith("your choices")
        and message in str(caught.value)
        and "\n" not in str(caught.value)
    )
    assert caught.value._render_traceback_() == [f"error: {caught.value}"]  # what Jupyter shows


def test_without_a_finished_run_one_line_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((notebooks.ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError,
        match=r"^[^\n]*results/live/searchlight.parquet: not found. [^\n]* type `make repro` in a terminal",
    ):
        notebook.begin_measuring(**CHOICES)


def test_a_run_of_another_backbone_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    other = Activations(np.zeros((1, 4, 12), dtype=np.float32), (1,), study.EMOTIONS[:4], 3, 4, "tiny")
    write_activations(other, project / "results/live/other.safetensors")
    monkeypatch.setattr(notebook, "ACTIVATIONS", Path("results/live/other.safetensors"))
    with pytest.raises(
        UserError,
        match="^results/live/other.safetensors: measured with tiny, but params.yaml names sentence-",
    ):
        notebook.begin_measuring(**CHOICES)


def test_a_run_of_other_emotions_or_data_is_refused(project, monkeypatch):
    monkeypatch.chdir(project)
    few = Activations(
        np.zeros((1, 4, LAYERS * WIDTH), dtype=np.float32), (1,), study.EMOTIONS[:4], LAYERS, WIDTH, BACKBONE
    )
    write_activations(few, project / "results/live/few.safetensors")
    with monkeypatch.context() as patch, pytest.raises(UserError, match="needs the study's 27 emotions"):
        patch.setattr(notebook, "ACTIVATIONS", Path("results/live/few.safetensors"))
        notebook.begin_measuring(**CHOICES)
    params = load_params()
    with (
        monkeypatch.context() as patch,
        pytest.raises(UserError, match="needs the study's 27 emotions, attributes and texts"),
    ):
        own = params.model_copy(update={"own": params.own.model_copy(update={"attributes": "ratings.csv"})})
        patch.setattr(notebook, "load_params", lambda: own)
        notebook.begin_measuring(**CHOICES)


def test_its_prompt_is_the_recorded_one():
    """The first cell trains as long as params.yaml does, and the saved outputs are of that training."""
    examples = load_params(notebooks.ROOT / "params.yaml").training.examples
    assert re.search(r"^examples = (\d+)$", notebooks.cells(MEASURING, "code")[0], flags=re.M).group(
        1
    ) == str(examples)
    shown = [
        "".join(output["data"]["text/plain"])
        for output in notebooks.outputs(MEASURING)
        if "text/plain" in output.get("data", {})
    ]
    (curve,) = (text for text in shown if "examples" in text)
    assert curve.splitlines()[-1].split()[4] == str(examples)
    (likeness,) = (text for text in shown if "correlation with your prompt" in text)
    assert likeness.splitlines()[1].split() == ["gratitude", "1.000"]
