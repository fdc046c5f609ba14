"""Check the layout of the library: imports between rooms, lengths of modules and functions, annotations.

`python setup/layout.py` prints one line per fault and exits with status 1 if there is one. `make lint` runs
it.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "model_emotion"
LAYERS = (
    ("base",),
    ("params",),
    ("inputs", "model", "rsa"),
    ("human", "masking", "project"),
    ("live", "retests", "figures", "claims"),
    ("report", "toolkit", "smoke"),
)
"""A room may import from rooms of earlier layers only, and from itself."""
LAYER = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
MODULE, FUNCTION, ROOT_ENTRIES, COLUMNS = 300, 60, 16, 110
FILES = {"dvc.yaml": 400, "README.md": 125}
"""The most lines of a module, function or file, entries of the package's root, and columns of a page."""
PAGES, VENDOR = (".j2", ".html", ".js", ".css"), "vendor"
"""The files that make pages, and the folder of those that are not ours."""
TEXTS = ("*.md", "*.yaml", "docs/*.md", "data/*.md", "experiments/*.yaml")
OLD = ("CLAIMS.md", "log.md")
"""Prose and settings, and those of them that are not checked: made from data, or with old entries."""


def imports(tree: ast.AST) -> dict[tuple[int, str, str], None]:
    """Return (line, package, room) of each import of a module, at its head or inside a function.

    package: the first part of the name. room: the second part if the package is the library, else ''.
    """
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                package, room = f"{above}{alias.name}.".split(".")[:2]
                found[node.lineno, package, room if package == PACKAGE else ""] = None
    return found


def unannotated(body: list[ast.stmt]) -> Iterator[str]:
    """Yield a fault for each public function or method of a module or class that lacks an annotation."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from unannotated(node.body)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            every += [one for one in (node.args.vararg, node.args.kwarg) if one]
            lacking = [one.arg for one in every if one.annotation is None and one.arg not in ("self", "cls")]
            if lacking or node.returns is None:
                what = ", ".join(lacking) or "what it returns"
                yield f"{node.lineno}: {node.name}: no annotation of {what}"


def faults_of(path: Path, room: str) -> Iterator[str]:
    """Yield a line for each import that the layers forbid, and for what is too long."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    for line, package, other in imports(tree):
        if package != PACKAGE:
            continue
        if other not in LAYER:
            yield f"{path}:{line}: there is no room '{other}' in {PACKAGE}"
        elif other != room and LAYER[other] >= LAYER[room]:
            yield f"{path}:{line}: {room} may not import {other}: it is in the same layer or in a later one"
    yield from (f"{path}:{fault}" for fault in unannotated(tree.body))
    if (lines := len(text.splitlines())) > MODULE:
        yield f"{path}: {lines} lines; a module may have {MODULE}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines; a function may have {FUNCTION}"


def too_wide(path: Path) -> Iterator[str]:
    """Yield a line for each line of a page or text that is too wide.

    Rows of Markdown tables can't be broken, nor can items of a list that are one word.
    """
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row, word = path.suffix == ".md" and line.startswith("|"), len(line.split()) <= 2
        if len(line) > COLUMNS and not row and not word:
            yield f"{path}:{number}: {len(line)} columns; a line of a page or text may have {COLUMNS}"


def faults(root: Path) -> Iterator[str]:
    """Yield a line for each fault of a checkout."""
    package = root / PACKAGE
    entries = [path for path in package.iterdir() if path.name != "__pycache__"]
    if len(entries) > ROOT_ENTRIES:
        yield f"{package}: {len(entries)} entries; its root may have {ROOT_ENTRIES}"
    for entry in sorted(entries):
        if entry.stem != "__init__" and entry.stem not in LAYER:
            yield f"{entry}: a room that LAYERS does not name"
        elif entry.is_dir():
            for path in sorted(entry.rglob("*.py")):
                yield from faults_of(path, entry.name)
        elif entry.stem in LAYER:
            yield from faults_of(entry, entry.stem)
    pages = (one for one in package.rglob("*") if one.suffix in PAGES and VENDOR not in one.parts)
    texts = (one for pattern in TEXTS for one in root.glob(pattern) if one.name not in OLD)
    for path in sorted([*pages, *texts]):
        yield from too_wide(path)
    for path in sorted((root / "tests").glob("*.py")):
        for line, module, _ in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if module.startswith("test_"):
                yield f"{path}:{line}: imports {module}; put what tests share elsewhere"
    for name, most in FILES.items():
        lines = len((root / name).read_text(encoding="utf-8").splitlines())
        if lines > most:
            yield f"{root / name}: {lines} lines; it may have {most}"


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(found) or "layout: no fault")
    sys.exit(bool(found))
