"""Write docs/performance.md from benchmarks/results/*.json: `python benchmarks/render.py`."""

import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "performance.md"
FILES = {
    "searchlight": "The searchlight",
    "searchlight-avx2": "The searchlight without AVX512",
    "training": "Prompt tuning",
    "evaluation": "Masked evaluation",
    "whole": "Commands and stages",
    "whole-avx2": "Commands and stages without AVX512",
}
GPU = "nvidia-h100"
COLUMNS = 110
HEAD = """<!-- made by `make bench` (benchmarks/render.py) from benchmarks/results/*.json: do not edit -->
# Performance

Each figure is the median of several rounds, with the minimum and maximum in brackets. Methods were
interleaved on one machine. × is a method's time for the same work divided by that of the first row of its
group in the same run: more than 1 is slower. *extrapolated*: only the named sample was measured, and scaled
up. *plain*: share of the operations of a plain forward pass without padding. *required*: share of the
operations that cannot be skipped; in prompt tuning the same for all methods, in masked evaluation those of
ours, while a loop over masks must do the whole plain pass. Do not compare machines or runs.
"""
PRECISIONS = {"float32": "float32", "tf32": "TensorFloat-32", "bf16": "bfloat16"}


def number(value: float) -> str:
    """Return a number with three significant digits and a thousands separator."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def markdown(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def cells_of(row: Mapping, shares: list[str]) -> list[str]:
    """Return the cells of a row. shares: names of the shares that the table has."""
    name = [row["group"], row["name"]]
    if "not measured" in row:
        return [*name, f"not measured: {row['not measured']}", *[""] * (2 + len(shares))]
    value = number(row["median"]) + (" examples/s" if row["work"] else " s")
    if len(row["seconds"]) > 1:
        value += f" ({number(row['min'])} to {number(row['max'])})"
    if row["extrapolated"]:
        value += f", *extrapolated* from {row['measured']}"
    memory = row["memory (MiB)"]
    shown = "not measured" if memory is None else number(memory)
    return [*name, value, number(row["ratio"]), shown, *(percent(row, share) for share in shares)]


def percent(row: Mapping, share: str, otherwise: str = "") -> str:
    """Return a share of a row as a percentage."""
    return f"{100 * row[share]:.0f} %" if share in row else otherwise


def table(found: Mapping) -> str:
    """Return a table of results as Markdown, without columns that are empty or equal in all rows."""
    rows = found["rows"]
    head = f"### {found['title']}\n{found['note']}\n\n"
    if not rows:
        return head + "not measured"
    shares = [share for share in ("share, required", "share, plain") if any(share in row for row in rows)]
    header = ["", "method", "median (min to max)", "×", "memory (MiB)", *shares]
    alone = all(row["group"] == row["name"] for row in rows)  # no two methods are compared
    hidden = ({0} if alone or len({row["group"] for row in rows}) < 2 else set()) | ({3} if alone else set())
    lines = [
        [cell for place, cell in enumerate(cells) if place not in hidden]
        for cells in (header, *(cells_of(row, shares) for row in rows))
    ]
    return head + markdown(lines[0], lines[1:])


def section(title: str, found: Mapping | None) -> str:
    """Return the section of a file of results, or of one that is missing."""
    if found is None:
        return f"## {title}\nnot measured"
    machine = found["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    about = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory (GiB)']} GiB; "
        f"{found['threads']} threads; {versions}."
    )
    return "\n\n".join([f"## {title}\n{about}", *map(table, found["tables"])])


def gpu(found: Mapping | None) -> str:
    """Return the section of benchmarks/gpu.py, or of one that is missing."""
    title = "## On a GPU"
    if found is None:
        return f"{title}\nnot measured"
    peaks = ", ".join(
        f"{PRECISIONS[name]} {number(value)}" for name, value in found["products (TFLOP/s)"].items()
    )
    return "\n\n".join([
        f"{title}\n{found['machine']}; `benchmarks/gpu.py`, random weights of roberta-base's size. The "
        f"device's own matrix products: {peaks} TFLOP/s. Shares are of these.",
        "### Masked evaluation, 32 masks, the best number of texts at once\n"
        + _evaluated(found["evaluation"]),
        "### Training, 12 seeds side by side\n" + _trained(found["training"]),
        "### The whole study: its examples, counted, divided by these rates (computed, not run)\n"
        + _projected(found["projection"]),
    ])  # fmt: skip


def _evaluated(rows: Iterable[Mapping]) -> str:
    best: dict[str, Mapping] = {}
    for row in rows:
        if (
            row["examples a second"]
            > best.get(row["precision"], {"examples a second": 0})["examples a second"]
        ):
            best[row["precision"]] = row
    shares = [f"share of peak, {of}" for of in ("required", "plain")]
    lines = [
        [
            PRECISIONS[name],
            str(row["rows"]),
            number(row["examples a second"]),
            *(percent(row, share, "not measured") for share in shares),
            number(row["memory (GB)"]),
        ]
        for name, row in best.items()
    ]
    return markdown(
        ["", "texts at once", "examples/s", "share, required", "share, plain", "memory (GB)"], lines
    )


def _trained(rows: Iterable[Mapping]) -> str:
    lines = [
        [
            PRECISIONS[row["precision"]],
            number(row["examples a second"]),
            percent(row, "share of peak, plain", "not measured"),
            number(row["memory (GB)"]),
        ]
        for row in rows
    ]
    return markdown(["", "examples/s", "share, plain", "memory (GB)"], lines)


def _projected(rows: Iterable[Mapping]) -> str:
    counts = ["epochs", "random draws", "trained", "evaluated"]
    hours = ["training (h)", "evaluation (h)", "whole (h)"]
    lines = [
        [
            PRECISIONS[row["precision"]],
            *(f"{row[key]:,}" for key in counts),
            *(number(row[key]) for key in hours),
        ]
        for row in rows
    ]
    return markdown(["", *counts, *hours], lines)


def page(results: Mapping[str, Mapping]) -> str:
    """Return the page. results: {name of a file: its content}; missing files are shown as not measured."""
    shown = {name: title for name, title in FILES.items() if name in results or not name.endswith("-avx2")}
    sections = [section(title, results.get(name)) for name, title in shown.items()]
    text = "\n\n".join([HEAD.rstrip(), *sections, gpu(results.get(GPU))])
    return "\n".join(map(wrapped, text.split("\n"))) + "\n"


def wrapped(line: str) -> str:
    """Return a line of prose as lines of at most COLUMNS characters; a row of a table stays one line."""
    if line.startswith(("|", "#", "<!--")):
        return line
    return textwrap.fill(line, COLUMNS, break_long_words=False, break_on_hyphens=False)


def read(folder: Path = RESULTS) -> dict[str, dict]:
    """Return {name of a file: its content} of all files of results."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


if __name__ == "__main__":
    PAGE.write_text(page(read()))
