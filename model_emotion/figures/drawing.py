"""Draw the figures of the catalogue and write their files."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from model_emotion.base.files import replacing, write_text
from model_emotion.base.processor import starting
from model_emotion.base.progress import progress
from model_emotion.figures import catalogue, fonts, tables
from model_emotion.figures.catalogue import Entry
from model_emotion.figures.fonts import Lettering
from model_emotion.figures.style import lettered, settle

WORKERS = 2


def draw_all(run: str, options: Mapping[str, Any], out: Path) -> None:
    """Draw all figures of a run in the folder `out`, with a page that shows them. options: params.figures.

    Figures that the run no longer has are deleted.
    """
    options, lettering = tables.of_run(options, run), fonts.lettering(tables.names_of(run))
    drawn = {name: lettering.write(value) for name, value in options.items()} | {"lettering": lettering}
    names = [entry.name for entry in catalogue.entries(run)]
    with ProcessPoolExecutor(WORKERS, mp_context=starting(__name__)) as pool:
        each = pool.map(make, names, [run] * len(names), [drawn] * len(names), [out] * len(names))
        made = {path for paths in progress(each, "figures", len(names), "figure") for path in paths}
    for path in set(out.iterdir()) - made:  # old figures, and parts that a killed run left
        if path.is_file() and path.suffix in (".svg", ".png", ".part"):
            path.unlink()
    write_text(catalogue.index(run, options, {path.stem for path in made}), out / "README.md")


def make(name: str, run: str, options: Mapping[str, Any], out: Path) -> list[Path]:
    """Draw one figure and return its files; none if a table that it shows has no rows."""
    entry = next(entry for entry in catalogue.FIGURES if entry.name == name)
    frames = [options["lettering"].written(tables.read(table, run)) for table in entry.inputs]
    shown = [frame for table, frame in zip(entry.inputs, frames, strict=True) if table != tables.ORDER]
    if any(isinstance(frame, pd.DataFrame) and frame.empty for frame in shown):
        return []
    figure = draw(entry, frames, options)
    return save(figure, entry, options, out) if figure else []


def draw(entry: Entry, frames: Sequence, options: Mapping[str, Any]) -> Figure | None:
    """Return the figure of an entry, or None if its tables have nothing to show.

    frames: its tables in order; options: params.figures, of which the entry takes what it needs, and how
    names are written, as `lettering`.
    """
    with rc_context(lettered(options.get("lettering", Lettering()))):
        figure = entry.function(*frames, **{name: options[name] for name in entry.options})
        if figure:
            settle(figure)
    return figure


def save(figure: Figure, entry: Entry, options: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write NAME.svg and NAME.png, with the caption as metadata, and return their paths.

    Equal figures give equal bytes.
    """
    about = {
        "Title": entry.name,
        "Description": f"{entry.describe(options)} Shows {', '.join(entry.shows)} of the catalogue.",
    }
    paths = [folder / f"{entry.name}.{kind}" for kind in ("svg", "png")]
    with rc_context(lettered(options.get("lettering", Lettering()))):
        for path in paths:
            undated = {"Date": None, "Keywords": list(entry.shows)} if path.suffix == ".svg" else {}
            with replacing(path) as part:
                # savefig would draw the figure twice, the first time to lay it out; `draw` has done that.
                figure.dpi = options["dpi"]
                if path.suffix == ".svg":
                    FigureCanvasSVG(figure).print_svg(part, metadata=about | undated)
                else:
                    FigureCanvasAgg(figure).print_png(part, metadata=about)
    return paths
