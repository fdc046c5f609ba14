"""The fingerprint of a measurement: a digest of its settings, its input files, its code and its packages.

A measurement is repeated if its fingerprint changes. Comments, docstrings, type annotations and formatting
are no part of the code that is hashed, so that a rewritten docstring trains nothing again.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from model_emotion.base.files import sha256

PACKAGE = Path(__file__).parents[1]
PACKAGES = ("numpy", "tokenizers", "torch", "transformers")
"""Packages whose versions count. Builds of one version, for a CPU or a GPU, count as the same."""
NOT_MEASURING = (
    "base.errors", "base.files", "base.processor", "base.progress", "base.results", "base.study",
    "live.cache", "live.countdown", "live.dask", "live.executor", "live.fingerprint", "live.processes",
    "live.rehearsal", "params", "project",
)  # fmt: skip
"""Modules and rooms that decide whether, when and where something is measured, but not what comes out."""
IGNORED_FIELDS = {"annotation", "ctx", "kind", "returns", "type_comment", "type_params"}


def fingerprint(settings: object, files: Iterable[Path | str], module: str) -> str:
    """Return the hexadecimal fingerprint of a measurement.

    settings: anything that JSON holds. files: those whose content the result depends on. module: the library
    module that measures, such as `live.prompts`; every library module that it imports, directly or not,
    counts too.
    """
    digest = hashlib.sha256(json.dumps([settings, package_versions()], sort_keys=True).encode())
    digest.update(code_digest(module).encode())
    for path in files:
        status = Path(path).stat()
        digest.update(_sha256_once(path, status.st_size, status.st_mtime_ns).encode())
    return digest.hexdigest()


@cache
def _sha256_once(path: Path | str, size: int, changed: int) -> str:
    """Return the SHA-256 of a file, which is read once by a process unless its size or time changes."""
    return sha256(path)


def package_versions() -> dict[str, str]:
    """Return the versions of PACKAGES."""
    return {package: version(package).partition("+")[0] for package in PACKAGES}


def library_digest() -> str:
    """Return the digest of the whole library and of PACKAGES.

    Processes with the same digest can work together.
    """
    digest = hashlib.sha256(json.dumps(package_versions(), sort_keys=True).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def code_digest(module: str, package: Path = PACKAGE) -> str:
    """Return the digest of a library module and of all that it imports, but for NOT_MEASURING."""
    digest = hashlib.sha256()
    for name in sorted(measuring_modules(module, package)):
        digest.update(repr((name, canonical(ast.parse(_file(name, package).read_bytes())))).encode())
    return digest.hexdigest()


def measuring_modules(module: str, package: Path = PACKAGE) -> set[str]:
    """Return the names of a library module and of all that it imports, such as `model.engine`.

    NOT_MEASURING is left out.
    """
    found, todo = set(), [module]
    while todo:
        name = todo.pop()
        if name in found or any(name == other or name.startswith(f"{other}.") for other in NOT_MEASURING):
            continue
        found.add(name)
        tree = _without_unused_imports(ast.parse(_file(name, package).read_bytes()))
        todo += _library_imports(tree, package)
    return found


def canonical(node: object) -> object:
    """Return a syntax tree as nested tuples, without docstrings, annotations and imports for annotations.

    The tuples do not depend on Python's version as `ast.dump` does.
    """
    if isinstance(node, ast.Module):
        node = _without_unused_imports(node)
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in IGNORED_FIELDS)
        return type(node).__name__, *(
            (name, canonical(value)) for name, value in fields if value not in (None, [])
        )
    if isinstance(node, list):
        return tuple(canonical(one) for one in node if not _is_text(one))
    return repr(node)


def _is_text(node: object) -> bool:
    """Whether a statement is only a string: a docstring, or a note below a constant."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _without_unused_imports(tree: ast.Module) -> ast.Module:
    """Return the tree without imports of names that are only used in annotations."""
    used = {name.id for name in _outside_annotations(tree) if isinstance(name, ast.Name)}
    kept = []
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            names = [one for one in statement.names if (one.asname or one.name.partition(".")[0]) in used]
            if not names:
                continue
            statement = type(statement)(**dict(ast.iter_fields(statement)) | {"names": names})
        kept.append(statement)
    return ast.Module(kept, [])


def _outside_annotations(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name not in IGNORED_FIELDS:
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield child
                    yield from _outside_annotations(child)


def _library_imports(tree: ast.AST, package: Path) -> list[str]:
    """Return the names of the library modules that a module imports, at its head or inside a function."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == package.name:
            base = node.module.removeprefix(package.name).lstrip(".")
            names += [base, *(f"{base}.{one.name}".lstrip(".") for one in node.names)]
    return [name for name in names if name and _file(name, package).is_file()]


def _file(module: str, package: Path) -> Path:
    path = package.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
