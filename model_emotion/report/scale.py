"""Round ticks for the page's charts."""

import math

TICKS = 4
"""An axis has about this many ticks."""


def round_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return ticks 1, 2 or 5 times a power of ten apart that enclose low to high."""
    rough = (high - low) / TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(number * step, 10) for number in range(first, max(last, first + 1) + 1))
