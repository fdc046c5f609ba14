"""What the tests of report.html share: which results they need, and how they read and use the page."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM

from model_emotion.params import load_params
from model_emotion.report import content, machine
from model_emotion.report.page import render

ROOT = Path(__file__).parents[1]
RUNS = ("published", "live")
BUILT = all((ROOT / path).exists() for run in RUNS for path in content.sources(run))
needs_results = pytest.mark.skipif(not BUILT, reason="no results here yet: `make repro`")
needs_published = pytest.mark.skipif(
    not all((ROOT / path).exists() for path in content.sources("published")),
    reason="no results yet: run `make published` first",
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and the text outside scripts."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._skip = [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._skip = tag in ("script", "style")

    def handle_endtag(self, tag):
        self._skip = False

    def handle_data(self, data):
        self.text += "" if self._skip else data


DRAWN = (
    "[...document.querySelectorAll('img[data-svg]')].every((image) => image.complete && image.naturalWidth)"
    " && document.querySelectorAll('#best td').length && at('number').textContent"
    " && [...document.querySelectorAll('.sizes [role=status]')].every((line) => line.textContent)"
)


def made():
    """Return the page of RUNS, with an experiment made up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        every = content.verdicts(RUNS)
        details = content.details(RUNS, every, load_params().figures.model_dump(), 0.02)
        found = content.summary(RUNS, every) | details | machine.describe(RUNS) | {"digest": ""}
    made_up = {
        "name": "<stricter>", "question": "?", "against": "0123456", "set": {"analysis.drop_alpha": 0.01},
        "held": 2, "mean_accuracy": 0.7, "mean_majority": 0.5, "human_correlation": None,
        "drop": {"valence": 0.0125},
    }  # fmt: skip
    return render(found | {"experiments": [made_up]})


def opened(page, width=1280):
    """Open the page in a window of this width, and wait until all is drawn."""
    page.open(page.path, width)
    page.wait(DRAWN)


def claims(run):
    return json.loads((ROOT / f"results/{run}/claims.json").read_text())["claims"]


def label(page, name, run="published", chart="drops"):
    """What the bar of a name says in a chart of a run."""
    bars = f".sizes[data-run={run}] .{chart} .bar"
    return page.run(f"document.querySelector(\"{bars}[aria-label^='{name}']\").getAttribute('aria-label')")


def points(value):
    return f"{100 * value:.1f}".replace("-", "−")
