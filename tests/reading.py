"""Record which leaves of the parameters a stage reads, to compare them with those that dvc.yaml names."""

from contextlib import contextmanager
from pathlib import Path

from model_emotion.base.files import read_yaml
from model_emotion.base.settings import Section
from model_emotion.params import Params

STAGES = read_yaml(Path(__file__).parents[1] / "dvc.yaml")["stages"]
FREE = ("runs", "executor")
"""Parameters on which no result depends: which runs there are, and which processes do the work."""


@contextmanager
def recorded():
    """Yield a set that fills with the leaves that are read inside, such as `analysis.drop_alpha`."""
    leaves, paths, quiet = set(), {}, []
    get, dump, validate = Section.__getattribute__, Section.model_dump, Params.model_validate

    def read(section, name):
        value = get(section, name)
        if quiet or name not in type(section).model_fields or not (above := path_of(section)) and above != "":
            return value
        path = f"{above}.{name}".lstrip(".")
        if isinstance(value, Section):
            paths[id(value)] = path
        else:
            leaves.add(path)
        return value

    def path_of(section):
        return "" if type(section) is Params else paths.get(id(section))

    def note(section, above, include, exclude):
        for name in type(section).model_fields:
            inner = include.get(name) if isinstance(include, dict) else include is None or name in include
            if not inner or name in (exclude or ()):
                continue
            value, path = get(section, name), f"{above}.{name}".lstrip(".")
            if isinstance(value, Section):
                note(value, path, None if inner is True else inner, None)
            else:
                leaves.add(path)

    def dumped(section, *, include=None, exclude=None, **options):
        if (above := path_of(section)) is not None:
            note(section, above, include, exclude)
        return dump(section, include=include, exclude=exclude, **options)

    def validated(values):
        quiet.append(True)
        try:
            return validate(values)
        finally:
            quiet.pop()

    Section.__getattribute__, Section.model_dump, Params.model_validate = read, dumped, validated
    try:
        yield leaves
    finally:
        del Section.__getattribute__, Section.model_dump, Params.model_validate


def paths(stage, kind):
    """The stage's deps or outs as plain paths, matrix not filled in."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in STAGES[stage].get(kind, [])]


def is_below(leaf, name):
    """Whether a leaf of the parameters is a section or leaf that is named, or lies in it."""
    return leaf == name or leaf.startswith(f"{name}.")


def undeclared(stage, leaves):
    """Return the leaves that a stage read and that dvc.yaml does not name for it."""
    named = (*STAGES[stage].get("params", []), *FREE)
    return {leaf for leaf in leaves if not any(is_below(leaf, name) for name in named)}
