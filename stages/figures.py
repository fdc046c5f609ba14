"""Stage figures: a run's results -> paper_figures/RUN/*.{svg,png} and README.md, a page that shows them"""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd

from model_emotion.base.files import write_text
from model_emotion.base.progress import progress
from model_emotion.figures import catalogue, fonts, tables
from model_emotion.params import load_params
from model_emotion.project import stage

OUT = Path("paper_figures")
WORKERS = 2


def make(name: str, run: str, options: Mapping[str, Any]) -> list[Path]:
    """Draw one figure and return its files; none if a table that it shows has no rows."""
    entry = next(entry for entry in catalogue.FIGURES if entry.name == name)
    frames = [options["lettering"].written(tables.read(table, run)) for table in entry.inputs]
    shown = [frame for table, frame in zip(entry.inputs, frames, strict=True) if table != tables.ORDER]
    if any(isinstance(frame, pd.DataFrame) and frame.empty for frame in shown):
        return []
    figure = catalogue.draw(entry, frames, options)
    return catalogue.save(figure, entry, options, OUT / run) if figure else []


def main() -> None:
    run = stage.run_option(__doc__)
    options = tables.of_run(load_params().figures.model_dump(), run)
    lettering = fonts.lettering(tables.names_of(run))
    drawn = {name: lettering.write(value) for name, value in options.items()} | {"lettering": lettering}
    names = [entry.name for entry in catalogue.entries(run)]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        each = pool.map(make, names, [run] * len(names), [drawn] * len(names))
        made = {path for paths in progress(each, "figures", len(names), "figure") for path in paths}
    others = set((OUT / run).iterdir()) - made  # old figures, and parts that a killed run left
    for path in others:
        if path.is_file() and path.suffix in (".svg", ".png", ".part"):
            path.unlink()
    write_text(catalogue.index(run, options, {path.stem for path in made}), OUT / run / "README.md")


if __name__ == "__main__":
    stage.run(main)
