"""Render all results as one self-contained page that needs no network and no other file.

`content` reads the results, `machine` describes this machine. The page: `page.html`, `page.css`, `page.js`.
Observable Plot draws the charts. The page contains it, with d3, which it needs (`vendor/libraries.yaml`).
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jinja2 import Environment

from model_emotion.base.files import read_yaml
from model_emotion.report.glossary import explained, glossary
from model_emotion.report.prose import HERE, templates

STYLE, SCRIPTS = "page.css", ("page.charts.js", "page.drops.js", "page.numbers.js", "page.js")
"""The parts of the page. The last script starts the others."""
VENDOR = HERE / "vendor"


def packed(content: bytes) -> str:
    """Return bytes as base64 of their gzip, which a browser can unpack. Equal bytes give equal text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def small_first(numbers: np.ndarray) -> bytes:
    """Return int16 numbers as bytes that compress well: the low bytes of all, then the high bytes.

    The sign becomes the lowest bit (zigzag: 0, -1, 1, -2 … as 0, 1, 2, 3 …). page.js reverses it.
    """
    wide = numbers.astype(np.int32).ravel()
    octets = ((wide << 1) ^ (wide >> 31)).astype("<u2").tobytes()
    return octets[::2] + octets[1::2]


def script_json(value: Any) -> str:
    """Return a value, dataclasses too, as JSON that cannot end the script element around it."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, default=asdict)
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def script_of(libraries: Sequence[Mapping[str, str]]) -> str:
    """Return the libraries that draw the charts, each after its licence, as one packed script."""
    texts = [
        [(VENDOR / one[name]).read_text(encoding="utf-8") for name in ("licence_text", "file")]
        for one in libraries
    ]
    return packed("\n".join(f"/*\n{licence}*/\n{code}" for licence, code in texts).encode())


def templates_of_page() -> Environment:
    """Return the templates, which escape values, with the filters and tests that the page's own ones use."""
    pages = templates(autoescape=True)
    pages.filters |= {"script_json": script_json, "explained": explained}
    pages.tests["match_start"] = str.startswith
    return pages


def render(content: dict[str, Any]) -> str:
    """Return the page. content: the values by the names in page.html."""
    css, *scripts = ((HERE / name).read_text(encoding="utf-8") for name in (STYLE, *SCRIPTS))
    libraries = read_yaml(VENDOR / "libraries.yaml")
    pictures = {
        f"{run}/{figure['name']}": of["svg"]
        for figure in content["figures"]
        for run, of in figure["runs"].items()
    }
    phrases = read_yaml(HERE / "templates/phrases.yaml")
    return (
        templates_of_page()
        .get_template("page.html")
        .render(
            css=css,
            js="\n".join(scripts),
            libraries=libraries,
            library=script_of(libraries),
            pictures=pictures,
            phrases=phrases,
            glossary=glossary(),
            **content,
        )
    )
