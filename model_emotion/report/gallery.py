"""The figures on the page: their captions, sizes and packed SVG."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from model_emotion.figures import catalogue, tables
from model_emotion.report.page import packed


def pictures(runs: Iterable[str], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each figure: name, results shown, and for each run that has it caption, size and packed SVG."""
    shown = {run: tables.of_run(options, run) for run in runs}
    figures = [
        {
            "name": entry.name,
            "shows": entry.shows,
            "runs": {
                run: picture(path, entry.describe(of_run))
                for run, of_run in shown.items()
                if (path := Path("paper_figures", run, f"{entry.name}.svg")).exists()
            },
        }
        for entry in catalogue.FIGURES
    ]
    return [figure for figure in figures if figure["runs"]]


def picture(path: Path, caption: str) -> dict[str, Any]:
    """Return a figure's caption, its width and height in points, and its packed SVG."""
    svg = path.read_text(encoding="utf-8")
    size = dict(re.findall(r' (width|height)="([\d.]+)pt"', svg.partition("<svg")[2].partition(">")[0]))
    sides = {side: round(float(size[side])) for side in ("width", "height")}
    return {"caption": caption, **sides, "svg": packed(svg.encode())}
