"""The catalogue of figures: what each shows, and from which tables.

Each figure is one function in `human`, `searchlight`, `accuracy`, `masking` or `retests`, from tables to a
matplotlib Figure.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from model_emotion.figures import accuracy, human, masking, retests, searchlight, tables


@dataclass(frozen=True)
class Entry:
    """A figure: its name, the results of CLAIMS.md that it shows, and how it is drawn.

    inputs: names in tables.TABLES, in the order of the function's arguments; options: keys of params.figures.
    """

    name: str
    shows: tuple[str, ...]
    caption: str
    function: Callable[..., Figure | None]
    inputs: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def of_a_run(self) -> bool:
        """Whether the figure shows a run, not only human data."""
        return any("{run}" in tables.TABLES[name][0] for name in self.inputs)

    def describe(self, options: Mapping[str, Any]) -> str:
        """Return the caption with the values of its options."""
        return self.caption.format(**options)


FIGURES = (
    Entry(
        "A1_attribute_scores", ("A1",),
        "Mean human score of each emotion on each attribute, rescaled to 0..1.",
        human.attribute_scores, ("attributes",),
    ),
    Entry(
        "A2_loadings", ("A2",),
        "Loadings of the 38 appraisal items on the six components (varimax, converged).",
        human.loadings, ("loadings",),
    ),
    Entry(
        "A2_parallel_analysis", ("A2",),
        "Eigenvalues of the appraisal items against those of random data: how many components.",
        human.parallel_analysis, ("parallel_analysis",),
    ),
    Entry(
        "A4_reliability", ("A4",),
        "Reliability of the attributes' mean ratings: intraclass correlations with 95 % intervals.",
        human.reliability, ("reliability",),
    ),
    Entry(
        "A5_attribute_rdms", ("A3", "A5"),
        "Dissimilarity of the emotions on each attribute, as percentiles; columns in the order of the rows.",
        human.attribute_rdms, ("attribute_rdms",),
    ),
    Entry(
        "B1_human_and_model_rdm", ("B1", "F", "H4"),
        "Dissimilarity of the emotions by human judgement and by all neurons of the model.",
        human.human_and_model, ("mean_rdm", "activations", "model_rsa"),
    ),
    Entry(
        "B2_weights", ("B2",),
        "Weight of each attribute in the human space: Kendall's tau with the mean human RDM; hollow "
        "where q is not below .05.",
        human.weights, ("human_weights",),
    ),
    Entry(
        "C2_accuracy_and_agreement", ("C2",),
        "Accuracy of each emotion without masks against the agreement of GoEmotions' raters.",
        accuracy.accuracy_and_agreement, ("accuracy", "agreement"),
    ),
    Entry(
        "D2_significant_neurons", ("D2", "H1"),
        "Significant neurons of each attribute by layer; in brackets all of them.",
        searchlight.significant_neurons, ("significant_by_layer",),
    ),
    Entry(
        "D3_best_neurons", ("D1", "D3", "H1"),
        "Which neurons are among the best {top_k} of each attribute. Above: neurons by the first attribute "
        "that selects them, and their rank there; dark where most neighbours are among an attribute's best. "
        "Below: by layer.",
        searchlight.best_neurons, ("searchlight",), ("top_k",),
    ),
    Entry(
        "D3_overlap", ("D3", "H1"),
        "Neurons that two attributes share among their best {top_k}, and how many attributes a "
        "neuron belongs to.",
        searchlight.overlap, ("overlap", "selectivity"), ("top_k",),
    ),
    Entry(
        "D4_neuron_rdm", ("D4",),
        "Dissimilarity of the emotions in the activation of the neuron that follows {attribute} "
        "best, as percentiles.",
        searchlight.neuron_rdm, ("activations", "searchlight"), ("attribute",),
    ),
    Entry(
        "D5_tau_of_significant_neurons", ("D5",),
        "Kendall's tau of every significant neuron, by attribute, layer and unit; every other layer "
        "is paler.",
        searchlight.tau_of_significant, ("searchlight",),
    ),
    Entry(
        "E1_accuracy", ("C1", "E1", "H2"),
        "Accuracy of each emotion without a mask and with {top_k} neurons masked; bars are half a "
        "standard error each way. Grey: the majority rate of the emotion's tasks, which the study does not "
        "report: its tasks are drawn again from GoEmotions with its seeds. Runs other than the study's have "
        "fewer texts with a mask than without.",
        accuracy.accuracy, ("accuracy_by_condition", "majority"), ("top_k",),
    ),
    Entry(
        "E2_accuracy_by_size", ("C1", "E2", "H2"),
        "Accuracy of each emotion by the number of masked neurons; each panel has its own scale. Bars and "
        "bands are half a standard error each way. Dotted, or a number if it is far below: the majority "
        "rate of the emotion's tasks, as in E1.",
        accuracy.accuracy_by_size, ("accuracy_by_condition", "majority"),
    ),
    Entry(
        "E3_drop_by_emotion", ("E3", "H2"),
        "What attribute masks of {top_k} neurons cost each emotion against random masks, 95 % "
        "intervals; * significant.",
        masking.drop_by_emotion, ("drop_by_emotion",), ("top_k",),
    ),
    Entry(
        "E4_drop_by_emotion_and_size", ("E4", "H2"),
        "What attribute masks of every size cost each emotion against random masks, 95 % intervals; "
        "* significant.",
        masking.drop_by_emotion_and_size, ("drop_by_emotion",),
    ),
    Entry(
        "E5_drop_by_attribute", ("E5", "H2", "H3"),
        "What each attribute's mask of {top_k} neurons costs against its random mask, 95 % intervals; "
        "* significant by the study's test. Bars: the attribute's human weight (B2), which the costs should "
        "follow (H3).",
        masking.drop_by_attribute, ("drop_by_attribute", "weights"), ("top_k",),
    ),
    Entry(
        "E6_drop_by_attribute_and_size", ("E6", "H2", "H3"),
        "What each attribute's mask of every size costs against random masks, 95 % intervals; * significant.",
        masking.drop_by_attribute_and_size, ("drop_by_attribute",),
    ),
    Entry(
        "E7_drop_by_cell", ("E7",),
        "What each attribute's mask of {top_k} neurons costs each emotion; attributes by human "
        "weight; * significant.",
        masking.drop_by_cell, ("drop_by_cell", "weights"), ("top_k",),
    ),
    Entry(
        "E8_dip", ("E8",),
        "Hartigan's dip of each attribute's effects over the emotions; * p < .05, not unimodal, "
        "without correction for their number.",
        masking.dip, ("unimodality", "weights"),
    ),
    Entry(
        "E9_human_correlation", ("E9", "H3"),
        "Correlation over the attributes of drop with human weight: each emotion, and the mean with "
        "its 95 % interval.",
        masking.human_correlation, ("human_correlation", "human_correlation_summary"), ("emotion",),
    ),
    Entry(
        "E10_regression_lines", ("E10", "H3"),
        "Drop against human weight at {top_k} neurons: the line of every emotion, and {emotion} with "
        "its attributes.",
        masking.regression_lines, ("drop_by_cell", "human_correlation", "weights"), ("top_k", "emotion"),
    ),
    Entry(
        "E11_accuracy_by_mask", ("E11",),
        "Accuracy of every emotion under every random and attribute mask.",
        accuracy.accuracy_by_mask, ("accuracy_by_mask", "weights"),
    ),
    Entry(
        "F_model_rsa", ("F", "H4"),
        "The model's dissimilarities, whole and by layer, against the human ones and each attribute's; "
        "* beyond the largest tau by chance, corrected for all of the figure.",
        searchlight.model_rsa, ("model_rsa", "retests"),
    ),
    Entry(
        "F_spaces", ("F",),
        "Significant neurons by layer where neurons are ranked by the three spaces; in brackets all of them.",
        searchlight.significant_neurons_of_spaces, ("searchlight_spaces",),
    ),
    Entry(
        "H1_neurons_beyond_chance", ("H1",),
        "Neurons of each attribute that are significant by the study's q (hollow), and those whose tau "
        "exceeds the largest of all neurons by chance (filled; with the emotions permuted, any neuron "
        "exceeds this limit in 2.5 % of the permutations).",
        retests.neurons_beyond_chance, ("significant_by_layer", "retests"),
    ),
    Entry(
        "H2_masks_among_random", ("H2",),
        "How far the accuracy with each attribute's mask lies below the mean of random masks. Bars: the "
        "distance to the 95 % prediction interval of one more random mask, uneven where the accuracies with "
        "random masks are skewed. A mask is worse than random ones if its bar lies above 0.",
        retests.masks_among_random, ("retests",),
    ),
    Entry(
        "H2_layers_and_accuracy", ("H2", "H3"),
        "In which layers the {top_k} masked neurons of each attribute lie, and mean accuracy with its mask "
        "and with random masks, over the emotions that are tested. Hollow: masks by its permuted ratings.",
        retests.layers_and_accuracy, ("mask_layers", "accuracy_by_mask", "drop_by_cell"), ("top_k",),
    ),
    Entry(
        "H2_leave_one_out", ("H2", "H3", "H4"),
        "Mean drop, its correlation with human weight, and tau of the model's and the human RDM without "
        "each attribute and each emotion. Line: with all.",
        retests.leave_one_out, ("retests",),
    ),
    Entry(
        "H2_specification_curve", ("H2",),
        "H2 by every combination of choices: t of the mean drop with masks as the cases. Below: the choices "
        "of each analysis. Blue: two-sided p < .05.",
        retests.specification_curve_of_drops, ("specifications",),
    ),
    Entry(
        "H3_specification_curve", ("H3",),
        "H3 by every combination of choices: correlation of drop with human weight. Below: the choices of "
        "each analysis. Blue: two-sided p < .05.",
        retests.specification_curve_of_correlations, ("specifications",),
    ),
    Entry(
        "H4_human_space", ("B2", "H3", "H4"),
        "Mean tau of the model's and each attribute's RDM with single subjects'. Bars: 95 % intervals, "
        "subjects and emotions drawn anew. Band: the limits of the noise ceiling, which the best possible "
        "model would reach.",
        retests.human_space, ("retests",),
    ),
)  # fmt: skip
"""Every figure, in the order of CLAIMS.md, and those of the re-tests."""


def entries(run: str) -> list[Entry]:
    """Return the figures of a run. Those of human data only belong to `published`."""
    return [entry for entry in FIGURES if run == "published" or entry.of_a_run]


def index(run: str, options: Mapping[str, Any], drawn: Collection[str]) -> str:
    """Return the Markdown page of the figures of a run whose names were drawn, with captions and tables."""
    lines = [
        f"# Figures of the run `{run}`",
        "",
        "Made by `stages/figures.py`; this page too. Letters and numbers: `CLAIMS.md`.",
    ]
    for entry in (entry for entry in entries(run) if entry.name in drawn):
        files = ", ".join(f"`{tables.path(name, run)}`" for name in entry.inputs)
        lines += ["", f"## {entry.name}", "", f"![{entry.name}]({entry.name}.png)", ""]
        shows = f"Shows {', '.join(entry.shows)}. From {files}. [svg]({entry.name}.svg)"
        lines += [entry.describe(options), "", shows]
    return "\n".join(lines) + "\n"
