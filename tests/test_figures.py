"""Every figure: equal data give equal bytes, no text is cut off or overlaps, other names are accepted."""

import re
from pathlib import Path

import pytest
from made_up_figures import OPTIONS, cut_off, draw, entry_of, made_up, overlapping, texts_drawn
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from model_emotion.base.results import Activations
from model_emotion.figures import catalogue, drawing, tables

ROOT = Path(__file__).parents[1]
by_name = pytest.mark.parametrize("entry", catalogue.FIGURES, ids=lambda entry: entry.name)


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


@by_name
def test_equal_tables_give_equal_bytes_and_the_metadata_say_what_is_shown(entry, small, tmp_path):
    first = drawing.save(draw(entry, small), entry, OPTIONS, tmp_path / "first")
    second = drawing.save(draw(entry, small), entry, OPTIONS, tmp_path / "second")
    assert [path.name for path in first] == [f"{entry.name}.svg", f"{entry.name}.png"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    changed = {name: altered(name, small[name]) for name in entry.inputs}
    other = draw(entry, changed)
    other.dpi = OPTIONS["dpi"]  # `savefig` would draw it twice
    FigureCanvasAgg(other).print_png(tmp_path / "other.png")
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
