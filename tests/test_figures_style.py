"""Text and colours of figures: names do not overlap, and the colour-blind can tell colours apart."""

import numpy as np
import pytest
from made_up_figures import cut_off, overlapping, texts_drawn
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from model_emotion.figures import labels, style


def test_the_checks_of_text_find_faults(monkeypatch):
    figure = style.canvas(50, 30)
    figure.set_layout_engine("none")
    figure.text(0.9, 0.5, "runs over the edge")
    figure.text(0.1, 0.2, "one on")
    figure.text(0.12, 0.22, "another")
    written = texts_drawn(figure, monkeypatch)
    assert cut_off(figure, written) == ["runs over the edge"]
    assert overlapping(written) == [("another", "one on")]


def test_names_of_crowded_points_do_not_overlap(monkeypatch):
    figure = style.canvas(85, 60)
    ax = figure.subplots()
    x, y = np.array([0, 0.01, 0.02, 0.9, 1]), np.array([0.5, 0.5, 0.51, 0.5, 0.5])
    ax.set(xlim=(-0.1, 1.1), ylim=(0, 1), xticks=[], yticks=[])
    labels.label_points(ax, x, y, ["one", "two", "three", "four", "five"], 6)
    written = texts_drawn(figure, monkeypatch)
    assert len(written) == 5 and not overlapping(written) and not cut_off(figure, written)


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
