"""One self-contained page of all results: no network, no other file. What stands in it comes from the files of results/ alone.

`content` reads the results, `surroundings` what this machine is and did, `page.html`, `page.css` and `page.js` are how it looks.
"""

import base64
import gzip
import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model_emotion.report import hypotheses

HERE = Path(__file__).parent


def packed(content):
    """Bytes -> base64 of their gzip, the same each time: text for a page, which a browser unpacks by itself."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _plain(value):
    """JSON that can stand inside a script element."""
    return (
        json.dumps(value, allow_nan=False, ensure_ascii=False)
        .replace("</", "<\\/")
        .replace("<!--", "<\\u0021--")
    )


def render(content):
    """The page as text. content: what page.html names."""
    looks = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    looks.filters |= {"points": hypotheses.points, "number": hypotheses.number, "plain": _plain}
    css, js = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return looks.get_template("page.html").render(css=css, js=js, **content)
