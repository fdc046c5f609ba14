"""The count of finished emotions, on a terminal and without one."""

import io
import sys

import pytest

from model_emotion.live import countdown
from model_emotion.live.countdown import Countdown, duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that shows clock[0] seconds."""
    seconds = [0.0]
    monkeypatch.setattr(countdown, "perf_counter", lambda: seconds[0])
    return seconds


def test_without_a_terminal_each_finished_emotion_is_one_line_with_the_time_left(clock, capsys):
    with Countdown("prompts", {"joy": 1, "fear": 3, "anger": 4}, total=10) as shown:
        clock[0] = 100
        shown.finish("joy", "accuracy 0.9")
        clock[0] = 200
        shown.finish("anger", "accuracy 0.8")
        shown.finish("fear", "accuracy 0.7")
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.splitlines() == [
        "prompts: 8 of 10 emotions, about 12 min left; joy: accuracy 0.9",
        "prompts: 9 of 10 emotions, about 2 min left; anger: accuracy 0.8",
        "prompts: 10 of 10 emotions; fear: accuracy 0.7",
    ]


def test_a_terminal_shows_the_count_before_the_first_emotion_is_finished(clock, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with Countdown("prompts", dict.fromkeys("abc", 1), total=4) as shown:
        assert "prompts: 1 of 4 emotions" in terminal.getvalue()
        clock[0] = 30
        shown.finish("b", "accuracy 0.9")
        assert terminal.getvalue().rstrip().endswith("prompts: 2 of 4 emotions, about 1 min left")
        shown.finish("a", "accuracy 0.8")
    assert capsys.readouterr().out.split("\n") == ["b: accuracy 0.9", "a: accuracy 0.8", ""]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.1, "5 s"),
        (41, "40 s"),
        (56, "1 min"),
        (299, "5 min"),
        (3590, "1 h"),
        (7800, "2 h 10 min"),
        (7080, "2 h"),
    ],
)
def test_durations_are_rough(seconds, text):
    assert duration(seconds) == text
