"""Figures: equal data give equal bytes, no text is cut off or overlaps, and they show their tables."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from PIL import Image

from model_emotion.base import study
from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.base.results import Activations, write_activations
from model_emotion.figures import accuracy, catalogue, fonts, labels, searchlight, style, tables
from model_emotion.params import load_params
from model_emotion.rsa.rdm import pair_names
from stages import figures as stage

ROOT = Path(__file__).parents[1]
SOME = ("surprise", "gratitude", "joy", "disappointment", "embarrassment", "remorse")
FEW = ("valence", "happy-face", "control", "other-relativity")
DRAWN = {"B2_weights", "E3_drop_by_emotion"}
OPTIONS = {"top_k": 4000, "attribute": "valence", "emotion": "remorse", "dpi": 60}
by_name = pytest.mark.parametrize("entry", catalogue.FIGURES, ids=lambda entry: entry.name)


def grid(**axes):
    """All combinations of the axes' values as a frame."""
    return pd.MultiIndex.from_product(axes.values(), names=axes).to_frame(index=False)


def specifications(sizes, draw):
    """Made-up specifications.csv: some analyses of H2 and H3."""
    axes = {
        "size": sizes,
        "baseline": ["own", "pooled"],
        "seeds": ["all seeds"],
        "scale": ["points", "share"],
    }
    of_h2 = grid(hypothesis=["H2"], **axes)
    of_h3 = grid(hypothesis=["H3"], **axes, coefficient=["Pearson", "Kendall"], weight=["bootstrap mean"])
    table = pd.concat([of_h2, of_h3], ignore_index=True)
    return table.assign(estimate=draw.normal(0.3, 0.3, len(table)), p=draw.random(len(table)) / 5)


def made_up(emotions, attributes=study.ATTRIBUTES, sizes=(1500, 4000), layers=4, width=60):
    """Return made-up results of a run: {table name: frame}. Human tables have all attributes."""
    draw = np.random.default_rng(5)
    attributes, pairs, neurons = list(attributes), pair_names(emotions), layers * width
    every = list(study.ATTRIBUTES)

    def tested(frame):
        drop, half = draw.normal(0.03, 0.06, len(frame)), draw.uniform(0.005, 0.02, len(frame))
        return frame.assign(drop=drop, ci_low=drop - half, ci_high=drop + half, star=drop > half)

    def correlations(frame, name):
        value = draw.uniform(-0.4, 0.8, len(frame))
        return frame.assign(
            **{name: value}, ci_low=value - 0.05, ci_high=value + 0.05, q=draw.uniform(0, 0.1, len(frame))
        )

    def light(names):
        frame = grid(neuron=range(1, neurons + 1), attribute=names)
        frame = frame.assign(layer=(frame["neuron"] - 1) // width + 1, tau=draw.normal(0.1, 0.1, len(frame)))
        # with 12,000 neurons, a third would be among the best 4,000
        frame["rank"] = frame.groupby("attribute")["tau"].rank(ascending=False) * 12000 / neurons
        return frame.assign(
            significant=frame["tau"] > 0.15, attribute=pd.Categorical(frame["attribute"], names)
        )

    conditions = pd.concat([
        grid(emotion=emotions, condition=["none"], k=[0]),
        grid(emotion=emotions, condition=["random"], k=[500, *sizes]),
        grid(emotion=emotions, condition=["attribute"], k=sizes),
    ])  # fmt: skip
    by_mask = pd.concat([
        grid(emotion=emotions, attribute=attributes, kind=["attribute"], k=sizes),
        grid(emotion=emotions, attribute=attributes, kind=["random"], k=[500, *sizes]),
    ])  # fmt: skip
    found = light(attributes)
    lines, pairwise = (
        grid(k=sizes, emotion=emotions),
        grid(k=sizes, attribute_a=attributes, attribute_b=attributes),
    )
    eigenvalues = np.linspace(4, 0.3, 38)
    human_weights = correlations(pd.DataFrame({"attribute": every}), "tau_boot")
    return {
        "attributes": pd.DataFrame(draw.random((len(emotions), 14)), columns=every).assign(emotion=emotions),
        "loadings": pd.DataFrame(draw.uniform(-0.8, 0.8, (38, 6)), columns=study.SPACES["appraisal"]).assign(
            item=[f"item number {row}" for row in range(38)]
        ),
        "parallel_analysis": pd.DataFrame(
            {"component": range(1, 39), "eigenvalue": eigenvalues, "random_mean": 1.9, "random_quantile": 2.0}
        ),
        "reliability": correlations(
            pd.DataFrame({"attribute": every, "kind": ["ICC(2,k)"] * 8 + ["ICC(1,k)"] * 6}), "icc"
        ),
        "attribute_rdms": pairs.join(pd.DataFrame(draw.random((len(pairs), 14)), columns=every)),
        "mean_rdm": pairs.assign(distance=draw.random(len(pairs))),
        "human_weights": human_weights,
        "weights": human_weights,
        "agreement": pd.DataFrame({"emotion": emotions, "kappa": draw.uniform(0.1, 0.7, len(emotions))}),
        "activations": Activations(
            draw.random((2, len(emotions), neurons)), (1, 3), tuple(emotions), layers, width, "made up"
        ),
        "accuracy": grid(emotion=emotions, seed=(1, 3)).assign(
            accuracy=draw.uniform(0.6, 1, 2 * len(emotions))
        ),
        "majority": grid(emotion=emotions, seed=(1, 3)).assign(
            majority=np.random.default_rng(6).uniform(0.5, 0.7, 2 * len(emotions))
        ),
        "accuracy_by_condition": conditions.assign(accuracy=draw.uniform(0.5, 1, len(conditions)), se=0.02),
        "accuracy_by_mask": by_mask.assign(accuracy=draw.uniform(0.5, 1, len(by_mask))),
        "searchlight": found,
        "searchlight_spaces": light(list(study.SPACES)),
        "significant_by_layer": found.groupby(["attribute", "layer"], observed=True)["significant"]
        .sum()
        .reset_index(),
        "overlap": pairwise.assign(shared=draw.integers(1, 900, len(pairwise))),
        "selectivity": grid(k=sizes, attributes=range(1, 11)).assign(
            neurons=range(100, 100 + 10 * len(sizes))
        ),
        "model_rsa": grid(layer=range(layers + 1), reference=["human", *attributes]).assign(
            tau=draw.uniform(-0.2, 0.4, (len(attributes) + 1) * (layers + 1))
        ),
        "drop_by_emotion": tested(grid(emotion=emotions, k=sizes)),
        "drop_by_attribute": tested(grid(attribute=attributes, k=sizes)),
        "drop_by_cell": tested(grid(emotion=emotions, attribute=attributes, k=sizes)),
        "unimodality": grid(k=sizes, attribute=attributes).assign(
            dip=draw.uniform(0.03, 0.08, len(sizes) * len(attributes)), p=0.5
        ),
        "human_correlation": lines.assign(
            r=draw.uniform(-0.3, 0.7, len(lines)), slope=draw.normal(0.3, 0.1, len(lines)), intercept=0.01
        ),
        "human_correlation_summary": correlations(pd.DataFrame({"k": sizes}), "mean_r"),
        "retests": pd.concat(
            [
                grid(question=["significant_neurons"], key=attributes).assign(
                    estimate=draw.integers(0, 5, len(attributes)), verdict="holds"
                ),
                correlations(grid(question=["place_among_random"], key=attributes), "estimate").assign(
                    k=sizes[-1], n=20, verdict="holds"
                ),
                pd.DataFrame(
                    {"question": "noise_ceiling", "key": ["lower", "upper"], "estimate": [0.58, 0.6]}
                ),
                correlations(
                    grid(question=["agreement_with_subjects"], key=[*attributes, "model"]), "estimate"
                ).assign(n=60, verdict=""),
                grid(question=["layers_and_references"], key=["human", *attributes]).assign(reference=0.15),
                *(
                    grid(question=[f"{what}_without_{left_out}"], key=names).assign(
                        estimate=draw.normal(0.03, 0.005, len(names)), reference=0.03, n=20
                    )
                    for left_out, names, whats in (
                        ("attribute", attributes, ["drop", "human_correlation"]),
                        ("emotion", emotions, ["drop", "human_correlation", "model_and_human"]),
                    )
                    for what in whats
                ),
            ]
        ).reset_index(drop=True),
        "mask_layers": grid(attribute=attributes, k=sizes, layer=range(1, layers + 1)).assign(
            neurons=lambda table: draw.integers(1, 900, len(table))
        ),
        "specifications": specifications(sizes, draw),
    }


@pytest.fixture(scope="module")
def small():
    return made_up(SOME, FEW)


@pytest.fixture(scope="module")
def full():
    return made_up(study.EMOTIONS, sizes=study.ATTRIBUTE_TOP_K, layers=12, width=20)


def draw(entry, frames, **options):
    return catalogue.draw(entry, [frames[name] for name in entry.inputs], OPTIONS | options)


def entry_of(name):
    return next(entry for entry in catalogue.FIGURES if entry.name == name)


def texts_drawn(figure, monkeypatch):
    """Return (text, extent, size, angle) of every text that is really drawn."""
    seen, original = [], Text.draw

    def record(self, renderer):
        if self.get_visible() and self.get_text().strip():
            seen.append(
                (self.get_text(), self.get_window_extent(renderer), self.get_fontsize(), self.get_rotation())
            )
        original(self, renderer)

    with monkeypatch.context() as patch:
        patch.setattr(Text, "draw", record)
        FigureCanvasAgg(figure).draw()
    return seen


def cut_off(figure, written):
    width, height = figure.get_size_inches() * figure.dpi
    return [
        text
        for text, box, *_ in written
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def overlapping(written):
    """Return pairs of texts that overlap. Slanted texts are left out; boxes are made 15 % lower."""
    boxes = [(text, box.expanded(0.95, 0.85)) for text, box, _, angle in written if angle % 90 == 0]
    return [(a, b) for n, (a, box) in enumerate(boxes) for b, other in boxes[:n] if box.overlaps(other)]


# Every figure


def altered(name, frame):
    """The same table with other values."""
    if name == "activations":
        return Activations(
            frame.values[:, :, ::-1] ** 2,
            frame.seeds,
            frame.emotions,
            frame.layers,
            frame.width,
            frame.backbone,
        )
    kept = {"k", "layer", "neuron", "seed", "component", "attributes"}
    turned = [column for column in frame.select_dtypes(["number", "bool"]) if column not in kept]
    return frame.assign(**{column: frame[column].to_numpy()[::-1] for column in turned})


def test_the_accuracy_beside_the_layers_is_that_of_the_emotions_that_are_tested(small):
    cells, table = small["drop_by_cell"], small["accuracy_by_mask"]
    left_out = cells["emotion"].iloc[0]
    figure = draw(
        entry_of("H2_layers_and_accuracy"), small | {"drop_by_cell": cells[cells["emotion"] != left_out]}
    )
    shown = table[(table["emotion"] != left_out) & (table["k"] == OPTIONS["top_k"])]
    own = shown[shown["kind"] == "attribute"].groupby("attribute")["accuracy"].mean().sort_values()
    random, dots = figure.axes[1].collections[:2]
    assert dots.get_offsets()[:, 0].tolist() == pytest.approx(own.tolist())
    others = shown[shown["kind"] == "random"].groupby("attribute")["accuracy"].mean()[own.index]
    assert random.get_offsets()[:, 0].tolist() == pytest.approx(others.tolist())


@by_name
def test_equal_tables_give_equal_bytes_and_the_metadata_say_what_is_shown(entry, small, tmp_path):
    first = catalogue.save(draw(entry, small), entry, OPTIONS, tmp_path / "first")
    second = catalogue.save(draw(entry, small), entry, OPTIONS, tmp_path / "second")
    assert [path.name for path in first] == [f"{entry.name}.svg", f"{entry.name}.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    changed = {name: altered(name, small[name]) for name in entry.inputs}
    draw(entry, changed).savefig(tmp_path / "other.png", dpi=OPTIONS["dpi"])
    assert Image.open(tmp_path / "other.png").tobytes() != Image.open(first[1]).tobytes()
    svg, about = first[0].read_text(), Image.open(first[1]).text
    assert f"<dc:title>{entry.name}</dc:title>" in svg
    assert "<dc:date>" not in svg
    assert about["Title"] == entry.name
    for result in entry.shows:
        assert f"<rdf:li>{result}</rdf:li>" in svg
        assert result in about["Description"].split("Shows ")[1]


@by_name
def test_figures_are_readable_at_print_size(entry, full, monkeypatch):
    figure = draw(entry, full)
    written = texts_drawn(figure, monkeypatch)
    assert not cut_off(figure, written)
    assert not overlapping(written)
    assert min(size for _, _, size, _ in written) >= 6
    assert round(figure.get_figwidth() * 25.4) in (85, 174)
    assert figure.get_figheight() * 25.4 <= 230  # a page


def test_the_checks_of_text_find_faults(monkeypatch):
    figure = style.canvas(50, 30)
    figure.set_layout_engine("none")
    figure.text(0.9, 0.5, "runs over the edge")
    figure.text(0.1, 0.2, "one on")
    figure.text(0.12, 0.22, "another")
    written = texts_drawn(figure, monkeypatch)
    assert cut_off(figure, written) == ["runs over the edge"]
    assert overlapping(written) == [("another", "one on")]


def test_names_and_results_of_the_table():
    names = [entry.name for entry in catalogue.FIGURES]
    assert len(set(names)) == len(names)
    for entry in catalogue.FIGURES:
        assert entry.name.split("_")[0] in entry.shows
        assert set(entry.inputs) <= set(tables.TABLES)
        assert "{" not in entry.describe(OPTIONS)
    shown = {result for entry in catalogue.FIGURES for result in entry.shows}
    ids = (
        re.findall(r"^- id: ([A-F]\d*)", (ROOT / "claims.yaml").read_text(), re.M)
        if (ROOT / "claims.yaml").exists()
        else []
    )
    assert shown >= {"H1", "H2", "H3", "H4", "A1", "D3", "E1", "E11", "F"} | set(ids)


def test_the_run_live_has_no_figures_of_human_data_only():
    left = {entry.name for entry in catalogue.FIGURES} - {entry.name for entry in catalogue.entries("live")}
    assert left == {
        "A1_attribute_scores",
        "A2_loadings",
        "A2_parallel_analysis",
        "A4_reliability",
        "A5_attribute_rdms",
        "B2_weights",
    }


@pytest.mark.parametrize("attributes", [("warmth",), ("warmth", "valence", "pace")])
def test_figures_accept_other_emotions_and_attributes(attributes, monkeypatch):
    """They may be unknown to the study, and without human judgements; each is drawn under its own name."""
    emotions = ("zest", "calm", "awe", "joy")
    frames = made_up(emotions, attributes)
    frames["model_rsa"] = frames["model_rsa"].query("reference != 'human'")
    frames["weights"] = frames["weights"].iloc[:0]
    options = OPTIONS | {"attribute": "warmth", "emotion": "zest"}
    of_weights = {
        "E9_human_correlation",
        "E10_regression_lines",
        "B1_human_and_model_rdm",
        "C2_accuracy_and_agreement",
    }
    for entry in catalogue.entries("live"):
        if entry.name not in of_weights:
            written = {text for text, *_ in texts_drawn(draw(entry, frames, **options), monkeypatch)}
            named = " ".join(written)
            without_names = (
                "D3_best_neurons",
                "F_spaces",
                "H2_specification_curve",
                "H3_specification_curve",
            )
            assert "warmth" in named or "zest" in named or entry.name in without_names, entry.name
            assert entry.name != "E5_drop_by_attribute" or ("affective space" in written) == (
                "valence" in attributes
            )
    rows = draw(entry_of("E11_accuracy_by_mask"), frames).axes[0].get_yticklabels()
    assert [label.get_text() for label in rows] == ["joy", "zest", "calm", "awe"]


# What they show


def test_the_density_of_neighbours_is_the_share_that_is_chosen():
    chosen = np.array([[1, 1, 0, 1, 0, 0]], dtype=bool)
    np.testing.assert_array_equal(searchlight.shares(chosen, 3), [[1, 0.5, 0]])
    np.testing.assert_array_equal(searchlight.shares(chosen, 10), chosen)


def test_d3_shows_how_dense_sharing_is(full):
    """The colours of each attribute's row add up to its number of best neurons."""
    image = draw(entry_of("D3_best_neurons"), full).axes[0].images[0]
    density, ranks = np.asarray(image.get_array()), full["searchlight"]
    best = ranks[ranks["rank"] <= 4000]
    assert density.shape == (14, best["neuron"].nunique())  # few neurons: each has a column of its own
    counts = best["attribute"].value_counts().reindex(study.ATTRIBUTES)
    np.testing.assert_array_equal(density.sum(axis=1), 100 * counts)


def test_drops_are_sorted_marked_and_in_points(full, monkeypatch):
    table = full["drop_by_emotion"].query("k == 4000").sort_values("drop", ascending=False)
    figure = draw(entry_of("E3_drop_by_emotion"), full)
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(table["emotion"])
    places = ax.collections[-1].get_offsets()
    np.testing.assert_allclose(places[:, 0], table["drop"])
    hollow = (ax.collections[-1].get_facecolors()[:, :3] == 1).all(axis=1)
    assert (~hollow).tolist() == table["star"].tolist()
    written = [text for text, *_ in texts_drawn(figure, monkeypatch)]
    assert written.count("*") == table["star"].sum()
    assert f"4,000 masked neurons: {table['star'].sum()} of 27 significant" in written
    assert "percentage points" in ax.get_xlabel() and ax.xaxis.get_major_formatter()(0.05) == "5"


def test_emotions_are_ordered_by_the_mean_over_the_three_conditions():
    table = grid(emotion=["joy", "fear"], condition=["none", "random", "attribute"]).assign(k=[0, 9, 9] * 2)
    table["accuracy"] = [0.9, 0.7, 0.5, 0.8, 0.8, 0.6]
    assert accuracy.by_accuracy(table, [9]) == ["fear", "joy"]
    assert accuracy.by_accuracy(table.assign(accuracy=table["accuracy"][::-1].to_numpy()), [9]) == [
        "joy",
        "fear",
    ]


def test_the_majority_rate_of_each_emotion_is_drawn_not_a_coin_toss(small):
    rates = small["majority"].groupby("emotion")["majority"].mean()
    figure = draw(entry_of("E1_accuracy"), small)
    ax = figure.axes[0]
    names = [label.get_text() for label in ax.get_xticklabels()]
    (marks,) = [lines for lines in ax.collections if len(lines.get_paths()) == len(SOME) and
                lines.get_color().shape[0] == 1 and np.ptp(lines.get_segments()[0][:, 0]) > 0.5]  # fmt: skip
    heights = [segment[0, 1] for segment in marks.get_segments()]
    np.testing.assert_allclose(heights, rates[names])
    assert "always the majority class" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_e2_has_the_majority_rate_as_a_line_or_as_its_number(small):
    table = small["accuracy_by_condition"]
    apart = small | {"accuracy_by_condition": table.assign(accuracy=0.8 + table["accuracy"] / 10)}
    for frames, accuracies in ((small, table["accuracy"]), (apart, 0.8 + table["accuracy"] / 10)):
        assert accuracies.notna().all()
        for ax in draw(entry_of("E2_accuracy_by_size"), frames).axes:
            rate = small["majority"].query("emotion == @ax.get_title()")["majority"].mean()
            lines = [line for line in ax.lines if line.get_linestyle() == ":"]
            written = [text.get_text() for text in ax.texts]
            if ax.get_ylim()[0] <= rate:
                assert [line.get_ydata()[0] for line in lines] == [rate] and not written
            else:
                assert not lines and written == [f"majority {100 * rate:.0f}"]
    assert written  # of `apart`: far above the majority rate


def test_e5_sets_the_human_weights_beside_the_drops(small):
    drops, weights = draw(entry_of("E5_drop_by_attribute"), small).axes
    names = [label.get_text() for label in drops.get_yticklabels()]
    ends = [segment[1, 0] for segment in weights.collections[0].get_segments()]
    np.testing.assert_allclose(ends, small["weights"].set_index("attribute")["tau_boot"][names])
    unjudged = small | {"weights": small["weights"].iloc[:0]}
    assert len(draw(entry_of("E5_drop_by_attribute"), unjudged).axes) == 1


@pytest.mark.parametrize("name", ["D2_significant_neurons", "D5_tau_of_significant_neurons", "F_spaces"])
def test_figures_are_drawn_even_if_nothing_is_significant(name, small):
    nothing = {
        table: small[table].assign(significant=False)
        for table in ("searchlight", "searchlight_spaces", "significant_by_layer")
    }
    draw(entry_of(name), small | nothing)


def test_shared_random_masks_are_shown_with_every_attribute(small):
    table = small["accuracy_by_mask"]
    shared = table[(table["kind"] == "random") & (table["attribute"] == "valence")].assign(attribute=np.nan)
    frames = small | {"accuracy_by_mask": pd.concat([table[table["kind"] == "attribute"], shared])}
    figure = draw(entry_of("E11_accuracy_by_mask"), frames)
    images = [np.ma.filled(ax.images[0].get_array(), np.nan) for ax in figure.axes if ax.images]
    assert len(images) == len(FEW)
    for image in images:
        np.testing.assert_array_equal(image[:, :3], images[0][:, :3])
        assert np.isfinite(image[:, :3]).all() and np.isnan(image[:, 3]).all()


def test_names_of_crowded_points_do_not_overlap(monkeypatch):
    figure = style.canvas(85, 60)
    ax = figure.subplots()
    x, y = np.array([0, 0.01, 0.02, 0.9, 1]), np.array([0.5, 0.5, 0.51, 0.5, 0.5])
    ax.set(xlim=(-0.1, 1.1), ylim=(0, 1), xticks=[], yticks=[])
    labels.label_points(ax, x, y, ["one", "two", "three", "four", "five"], 6)
    written = texts_drawn(figure, monkeypatch)
    assert len(written) == 5 and not overlapping(written) and not cut_off(figure, written)


# Colours


def test_the_colour_blind_can_tell_conditions_and_spaces_apart():
    """Machado, Oliveira & Fernandes (2009), severity 1: protanopia, deuteranopia, tritanopia."""
    simulations = [
        np.eye(3),
        np.array(
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ]
        ),
        np.array(
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
        ),
        np.array(
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ]
        ),
    ]
    for palette in (style.CONDITIONS, style.SPACE_COLOURS):
        rgb = np.array([to_rgb(colour) for colour in palette.values()])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        for simulation in simulations:
            seen = np.clip(linear @ simulation.T, 0, 1) ** (1 / 2.2)
            distances = np.linalg.norm(seen[:, None] - seen, axis=2)[np.triu_indices(len(seen), 1)]
            assert distances.min() > 0.4


@pytest.mark.parametrize("name", [style.DISTANCE, style.SCORE, "cividis"])
def test_colour_scales_increase_in_lightness(name):
    light = colormaps[name](np.linspace(0, 1, 50))[:, :3] @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(light) > 0).all()


# What goes wrong


@pytest.mark.parametrize("name", [name for name in tables.TABLES if name != "activations"])
def test_a_missing_column_is_named(name, small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = Path(tables.path(name, "published"))
    file.parent.mkdir(parents=True)
    write = small[name].to_parquet if file.suffix == ".parquet" else small[name].to_csv
    write(file, index=False)
    assert set(tables.TABLES[name][1]) <= set(tables.read(name, "published").columns)
    for column in tables.TABLES[name][1]:
        rest = small[name].drop(columns=column)
        (rest.to_parquet if file.suffix == ".parquet" else rest.to_csv)(file, index=False)
        with pytest.raises(UserError, match=rf"^{file}: no column '{column}'"):
            tables.read(name, "published")


def test_a_mask_size_or_emotion_that_the_run_lacks_is_an_error(small):
    with pytest.raises(
        UserError, match=r"figures\.top_k: there are no masks of 77 neurons. Choose from 1500, 4000"
    ):
        draw(entry_of("E3_drop_by_emotion"), small, top_k=77)
    with pytest.raises(UserError, match=r"figures\.emotion: 'fear' is not one of the run's emotions"):
        draw(entry_of("E10_regression_lines"), small, emotion="fear")


@pytest.fixture
def project(small, tmp_path):
    """A project folder with made-up results, and a function that runs the stage there for two figures."""
    for name, table in small.items():
        file = tmp_path / tables.path(name, "published")
        file.parent.mkdir(parents=True, exist_ok=True)
        if name == "activations":
            write_activations(table, file)
        else:
            (table.to_parquet if file.suffix == ".parquet" else table.to_csv)(file, index=False)
    params = read_yaml(ROOT / "params.yaml")
    params["study"] |= {"emotions": list(SOME), "top_k": [1500, 4000]}
    params["figures"] |= OPTIONS
    (tmp_path / "params.yaml").write_text(json.dumps(params))

    call = "; ".join(
        [
            "import sys",
            "from model_emotion.figures import catalogue",
            "from model_emotion.project.stage import run",
            "from stages import figures",
            f"chosen = [entry for entry in catalogue.FIGURES if entry.name in {sorted(DRAWN)}]",
            "catalogue.entries = lambda run: chosen",
            "run(figures.main)",
            "print([name for name in ('torch', 'matplotlib.pyplot') if name in sys.modules])",
        ]
    )

    def run():
        command = [sys.executable, "-c", call, "--run", "published"]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )

    return tmp_path, run


def test_an_option_that_the_run_lacks_becomes_its_first_value(project, monkeypatch):
    monkeypatch.chdir(project[0])
    assert tables.of_run(OPTIONS, "published") == OPTIONS
    first = tables.read("drop_by_cell", "published").iloc[0]
    own = tables.of_run(OPTIONS | {"top_k": 77, "emotion": "fear", "attribute": "warmth"}, "published")
    assert (own["top_k"], own["emotion"], own["dpi"]) == (first["k"], first["emotion"], OPTIONS["dpi"])
    assert own["attribute"] == first["attribute"] == "valence"


def test_the_neuron_shown_is_the_attributes_best(small):
    table = small["searchlight"]
    best = table[table["attribute"] == "valence"].sort_values("rank").iloc[0]
    title = draw(entry_of("D4_neuron_rdm"), small).axes[0].get_title()
    assert title.startswith(f"neuron {best['neuron']} (layer {best['layer']},")


def test_the_stage_draws_and_removes_old_figures(project):
    folder, run = project
    drawn = folder / "paper_figures/published"
    drawn.mkdir(parents=True)
    for old in ("E99_gone.svg", "E99_gone.png", ".E1_accuracy.svg.77.part"):
        (drawn / old).write_text("old")
    ended = run()
    assert ended.returncode == 0, ended.stderr
    assert (ended.stdout, ended.stderr) == ("[]\n", "")  # neither torch nor pyplot is imported
    assert {path.name for path in drawn.iterdir()} == {
        f"{name}.{kind}" for name in DRAWN for kind in ("svg", "png")
    } | {"README.md"}
    page = (drawn / "README.md").read_text()
    assert set(re.findall(r"!\[(.*)\]\(\1\.png\)", page)) == DRAWN
    (folder / "results/published/drop_by_emotion.csv").write_text(
        "emotion,k,drop,ci_low,ci_high\njoy,4000,0,0,0\n"
    )
    broken = run()
    assert broken.returncode == 1
    said = "drop_by_emotion.csv: no column 'star', which a figure needs; run `dvc repro`"
    assert broken.stderr.splitlines() == [f"error: results/published/{said}"]


def test_a_figure_whose_table_has_no_rows_is_not_drawn(project, monkeypatch):
    monkeypatch.chdir(project[0])
    assert stage.make("E8_dip", "published", OPTIONS | {"lettering": fonts.Lettering()})
    Path("results/published/unimodality.csv").write_text("k,attribute,dip,p,n,share\n")
    assert stage.make("E8_dip", "published", OPTIONS | {"lettering": fonts.Lettering()}) == []


def test_the_committed_page_of_figures_is_current():
    params, names = load_params(ROOT / "params.yaml"), {entry.name for entry in catalogue.FIGURES}
    assert (ROOT / "paper_figures/published/README.md").read_text() == catalogue.index(
        "published", params.figures.model_dump(), names
    )


def test_the_committed_figures_are_small():
    for run in (ROOT / "paper_figures").iterdir():
        sizes = [path.stat().st_size for path in run.rglob("*.*")]
        assert sum(sizes) < 8e6 and max(sizes) < 7e5, run
