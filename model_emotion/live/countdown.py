"""Report how many emotions are finished, and about how much time the others will take."""

from collections.abc import Mapping
from time import perf_counter

from tqdm import tqdm


class Countdown:
    """A line on a terminal that is rewritten as emotions finish; elsewhere, one line per finished emotion.

    Use it in a `with` statement.
    """

    def __init__(self, label: str, work: Mapping[str, float], total: int) -> None:
        """Start the clock.

        label: the stage. work: the amount of work per emotion that is not finished yet, in any unit. total:
        the number of emotions, finished ones included.
        """
        self.label, self.total, self._work, self._start = label, total, dict(work), perf_counter()
        self._whole = sum(work.values())
        self._bar = tqdm(bar_format="{desc}", desc=self.text(), disable=None, leave=False)

    def __enter__(self) -> "Countdown":
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def finish(self, emotion: str, result: str) -> None:
        """Report that an emotion is finished. result: a few words about its result."""
        del self._work[emotion]
        if self._bar.disable:
            print(f"{self.text()}; {emotion}: {result}", flush=True)
        else:
            self._bar.write(f"{emotion}: {result}")
            self._bar.set_description_str(self.text())

    def text(self) -> str:
        """Return a line such as "prompts: 7 of 27 emotions, about 5 min left"."""
        left = sum(self._work.values())
        line = f"{self.label}: {self.total - len(self._work)} of {self.total} emotions"
        if not 0 < left < self._whole:  # no emotion finished yet, or all of them
            return line
        seconds = (perf_counter() - self._start) * left / (self._whole - left)
        return f"{line}, about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """Return a rough duration, such as "40 s", "5 min" or "2 h 10 min"."""
    if seconds < 55:
        return f"{max(5, round(seconds / 5) * 5)} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(round(minutes, -1), 60)
    return f"{hours} h" + (f" {minutes} min" if minutes else "")
