"""Fill the templates of the report, and write numbers as psychology journals do."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent


def number(value: float) -> str:
    """Return a correlation with two digits and no zero before the point: .47, -.25, 1.00."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.2f}"


def points(value: float) -> str:
    """Return a fraction in percentage points: .0288 as 2.9."""
    return f"{100 * value:.1f}".replace("-0.0", "0.0")


def percent(value: float) -> str:
    """Return a fraction in whole per cent: .19 as 19."""
    return f"{100 * value:.0f}"


def whole(value: float) -> str:
    """Return a whole number with commas: 4,000."""
    return f"{value:,.0f}"


WAYS = {"number": number, "points": points, "percent": percent, "whole": whole}
"""The ways in which `interval`, `limits` and `span` can write a number."""


def p_value(p: float) -> str:
    """Return `.053` or `< .001`."""
    return "< .001" if p < 0.001 else f"{p:.3f}".replace("0.", ".", 1)


def probability(p: float, name: str = "p") -> str:
    """Return `p = .053` or `p < .001`. name: p or q."""
    return f"{name} {p_value(p)}" if p < 0.001 else f"{name} = {p_value(p)}"


def limits(row: Mapping[str, Any], way: str = "number") -> str:
    """Return the interval of a re-test's row: [-.01, .83]."""
    return f"[{WAYS[way](row['ci_low'])}, {WAYS[way](row['ci_high'])}]"


def interval(row: Mapping[str, Any], way: str = "number") -> str:
    """Return the estimate of a re-test's row with its interval: .53 [-.01, .83]."""
    return f"{WAYS[way](row['estimate'])} {limits(row, way)}"


def span(values: Iterable[float], way: str = "whole") -> str:
    """Return the range of values, `1 to 452`, or one value if all are written alike."""
    values = list(values)
    low, high = WAYS[way](min(values)), WAYS[way](max(values))
    return low if low == high else f"{low} to {high}"


@lru_cache
def templates(**options: Any) -> Environment:
    """Return the templates of this room with the filters above. An unknown name in a template is an error.

    Equal options give the same environment, so that each template is compiled once.
    """
    found = Environment(
        loader=FileSystemLoader([HERE, HERE / "templates"]), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, **options,
    )  # fmt: skip
    found.filters |= WAYS | {
        "probability": probability, "p_value": p_value, "limits": limits, "interval": interval, "span": span,
    }  # fmt: skip
    return found


def fill(template: str, **values: Any) -> str:
    """Return a text template, such as `readme.j2`, with its names filled in.

    A line that begins with two blanks continues the line above, so that long sentences can be wrapped.
    """
    return re.sub("\\n  +(?=[^ ])", " ", templates().get_template(template).render(**values))


def sentences(template: str, **values: Any) -> tuple[str, ...]:
    """Return the lines of a text template that are not empty: its sentences."""
    return tuple(line.strip() for line in fill(template, **values).splitlines() if line.strip())
