"""Figures of made-up results of a run, and what they draw."""

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from model_emotion.base import study
from model_emotion.base.results import Activations
from model_emotion.figures import catalogue, drawing
from model_emotion.rsa.rdm import pair_names

SOME = ("surprise", "gratitude", "joy", "disappointment", "embarrassment", "remorse")
FEW = ("valence", "happy-face", "control", "other-relativity")
OPTIONS = {"top_k": 4000, "attribute": "valence", "emotion": "remorse", "dpi": 60}


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


def draw(entry, frames, **options):
    return drawing.draw(entry, [frames[name] for name in entry.inputs], OPTIONS | options)


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
