"""`make lint`: the layout of the library, whose rooms may import from earlier ones only, and wide lines."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "setup"))
import layout  # noqa: E402

SHARED = "tests/test_a.py:1: imports test_b; put what tests share elsewhere"
ROOM = "model_emotion/rsa/a.py:1: rsa may not import live: it is in the same layer or in a later one"
WIDE = "model_emotion/report/a.j2:1: 112 columns; a line of a page or text may have 110"


@pytest.mark.parametrize(
    ("file", "text", "faults"),
    [
        ("tests/test_a.py", "import worlds, tests.test_b\nfrom worlds import test_b", []),
        ("tests/test_a.py", "from test_b import c, d", [SHARED]),
        ("tests/test_a.py", "import os, test_b as b", [SHARED]),
        ("tests/test_a.py", "def f():\n    import test_b", [SHARED.replace(":1:", ":2:")]),
        ("model_emotion/rsa/a.py", "from model_emotion.base.files import a, b\nimport live, ast", []),
        ("model_emotion/rsa/a.py", "from model_emotion.live import a, b", [ROOM]),
        ("model_emotion/rsa/a.py", "from model_emotion import base, live", [ROOM]),
        ("model_emotion/rsa/a.py", "import model_emotion.live.cache as cache", [ROOM]),
        (
            "model_emotion/rsa/a.py",
            "from model_emotion.nowhere import a",
            ["model_emotion/rsa/a.py:1: there is no room 'nowhere' in model_emotion"],
        ),
        ("docs/a.md", f"{'word ' * 22}\n| {'word ' * 30}|\n- {'w' * 120}", []),
        (
            "docs/a.md",
            f"\n{'word ' * 22}w",
            ["docs/a.md:2: 111 columns; a line of a page or text may have 110"],
        ),
        ("model_emotion/report/a.j2", f"| {'word ' * 22}", [WIDE]),
    ],
)
def test_what_the_layout_forbids_is_a_fault(file, text, faults, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {"dvc.yaml": "", "README.md": "", file: text}.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content)
    Path("model_emotion").mkdir(exist_ok=True)
    assert list(layout.faults(Path())) == faults
