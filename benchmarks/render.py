"""benchmarks/results/*.json -> docs/performance.md. `python benchmarks/render.py`; no figure there is typed by hand."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "performance.md"
FILES = {
    "searchlight": "The searchlight",
    "searchlight-avx2": "The searchlight without AVX512",
    "training": "Prompt tuning",
    "evaluation": "Masked evaluation",
    "whole": "The whole",
    "whole-avx2": "The whole without AVX512",
}
GPU = "nvidia-h100"
HEAD = """<!-- made by `make bench` (benchmarks/render.py) from benchmarks/results/*.json: edit neither this nor a figure in it -->
# Performance

How to read it: each figure is a median with, in brackets, the least and the most of the rounds, in which the contestants took turns on
one machine; × is a contestant's time for the same work over that of the first row of its group, in the same run, so that more than 1
is slower; *extrapolated* says that only the sample named was measured, and scaled up. A share *plain* is of the operations of a plain
pass without padding; *must do* of those that can't be left out: in prompt tuning the same for all, in masked evaluation those of
ours, while a loop over masks must do the plain pass. Machines, and runs, are not to be compared.
"""
PRECISIONS = {"float32": "float32", "tf32": "TensorFloat-32", "bf16": "bfloat16"}


def number(value):
    """Three digits that mean something, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def cells_of(row, columns):
    """One row's cells; columns: names of more figures after those that every table has."""
    name = [row["group"], row["name"]]
    if "not measured" in row:
        return [*name, f"not measured: {row['not measured']}", *[""] * (2 + len(columns))]
    value = number(row["median"]) + (" examples/s" if row["work"] else " s")
    if len(row["seconds"]) > 1:
        value += f" ({number(row['min'])} to {number(row['max'])})"
    if row["extrapolated"]:
        value += f", *extrapolated* from {row['measured']}"
    memory = row["memory (MiB)"]
    return [
        *name,
        value,
        number(row["ratio"]),
        "not measured" if memory is None else number(memory),
        *columns_of(row, columns),
    ]


def columns_of(row, columns):
    return [f"{100 * row[column]:.0f} %" if column in row else "" for column in columns]


def table(found):
    """A table of results as markdown. Columns that say the same in all rows, or nothing, are left out."""
    shares = [
        column for column in ("share, must do", "share, plain") if any(column in row for row in found["rows"])
    ]
    header = ["", "contestant", "median (least to most)", "×", "memory (MiB)", *shares]
    rows = [cells_of(row, shares) for row in found["rows"]]
    groups = {row["group"] for row in found["rows"]}
    alone = all(row["group"] == row["name"] for row in found["rows"])  # nothing is set beside another
    kept = [
        place
        for place in range(len(header))
        if not (place == 0 and (alone or len(groups) < 2)) and not (place == 3 and alone)
    ]
    if not rows:
        return f"### {found['title']}\n{found['note']}\n\nnot measured"
    lines = [[cells[place] for place in kept] for cells in (header, *rows)]
    return f"### {found['title']}\n{found['note']}\n\n" + markdown(lines[0], lines[1:])


def section(title, found):
    """A file of results, None: not there."""
    if found is None:
        return f"## {title}\nnot measured"
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    about = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory (GiB)']} GiB; {found['threads']} threads; {versions}."
    return "\n\n".join([f"## {title}\n{about}", *map(table, found["tables"])])


def gpu(found):
    """The run of benchmarks/gpu.py on a GPU, None: not there."""
    title = "## On a GPU"
    if found is None:
        return f"{title}\nnot measured"
    peaks = ", ".join(
        f"{PRECISIONS[name]} {number(value)}" for name, value in found["products (TFLOP/s)"].items()
    )

    def share(row, name):
        return f"{100 * row[name]:.0f} %" if name in row else "not measured"

    best = {}
    for row in found["evaluation"]:
        if (
            row["examples a second"] > best.get(row["precision"], row)["examples a second"]
            or row["precision"] not in best
        ):
            best[row["precision"]] = row
    evaluated = [
        [PRECISIONS[name], str(row["rows"]), number(row["examples a second"]), share(row, "share of peak, must do"),
         share(row, "share of peak, plain"), number(row["memory (GB)"])]
        for name, row in best.items()
    ]  # fmt: skip
    trained = [
        [
            PRECISIONS[row["precision"]],
            number(row["examples a second"]),
            share(row, "share of peak, plain"),
            number(row["memory (GB)"]),
        ]
        for row in found["training"]
    ]
    hours = [
        [PRECISIONS[row["precision"]], *(f"{row[key]:,}" for key in ("epochs", "random draws", "trained", "evaluated")),
         *(number(row[key]) for key in ("training (h)", "evaluation (h)", "whole (h)"))]
        for row in found["projection"]
    ]  # fmt: skip
    parts = [
        f"{title}\n{found['machine']}; `benchmarks/gpu.py`, random weights of roberta-base's size. "
        f"Products of the device itself: {peaks} TFLOP/s. "
        "Shares are of these: of the operations that must be done, and as if the plain forward pass were done.",
        "### Masked evaluation, 32 masks, the best number of texts at once\n"
        + markdown(
            ["", "texts at once", "examples/s", "share, must do", "share, plain", "memory (GB)"], evaluated
        ),
        "### Training, 12 seeds side by side\n"
        + markdown(["", "examples/s", "share, plain", "memory (GB)"], trained),
        "### The study's whole: its examples, counted, over these rates (arithmetic, not a run)\n"
        + markdown(
            [
                "",
                "epochs",
                "random draws",
                "trained",
                "evaluated",
                "training (h)",
                "evaluation (h)",
                "whole (h)",
            ],
            hours,
        ),
    ]
    return "\n\n".join(parts)


def page(results):
    """The page from {name of a file: what it holds}; what is missing says so."""
    shown = {name: title for name, title in FILES.items() if name in results or not name.endswith("-avx2")}
    return (
        "\n\n".join(
            [
                HEAD.rstrip(),
                *(section(title, results.get(name)) for name, title in shown.items()),
                gpu(results.get(GPU)),
            ]
        )
        + "\n"
    )


def read(folder=RESULTS):
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


if __name__ == "__main__":
    PAGE.write_text(page(read()))
