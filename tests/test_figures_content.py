"""Figures show their tables: drops, accuracies, neurons, weights."""

import numpy as np
import pandas as pd
import pytest
from made_up_figures import FEW, OPTIONS, SOME, draw, entry_of, grid, texts_drawn

from model_emotion.base import study
from model_emotion.figures import accuracy, searchlight


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


def test_the_neuron_shown_is_the_attributes_best(small):
    table = small["searchlight"]
    best = table[table["attribute"] == "valence"].sort_values("rank").iloc[0]
    title = draw(entry_of("D4_neuron_rdm"), small).axes[0].get_title()
    assert title.startswith(f"neuron {best['neuron']} (layer {best['layer']},")
