"""Any content of params.yaml is refused in one line or taken as it is."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_emotion.base.errors import UserError
from model_emotion.base.files import read_yaml
from model_emotion.base.values import normal
from model_emotion.params import check, load_params

ROOT = Path(__file__).parents[1]


def leaves(values, path=()):
    """Yield the paths of all keys of nested sections, as tuples."""
    for key, value in values.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))


WHOLE = read_yaml(ROOT / "params.yaml")
NAMES = st.one_of(
    st.text(max_size=20), st.sampled_from(["joy", "fear", "published", "live", "..", "a/b", "é"])
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -1, 0.11, 2**32, 1e300, True]))
VALUES = st.recursive(
    st.one_of(st.none(), NAMES, NUMBERS, st.lists(NAMES, min_size=4, max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.dictionaries(st.sampled_from(sorted(leaves(WHOLE))), VALUES, min_size=1, max_size=3),
    st.lists(st.sampled_from(sorted(leaves(WHOLE))), max_size=1),
    st.dictionaries(NAMES, VALUES, max_size=1),
)
def test_any_settings_are_refused_in_one_line_or_taken_as_they_are(changed, removed, added):
    values = json.loads(json.dumps(WHOLE)) | added
    for path in (*changed, *removed):
        *sections, leaf = path
        target = values
        for section in sections:
            target = target.get(section) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            continue
        if path in removed:
            target.pop(leaf, None)
        else:
            target[leaf] = changed[path]
    try:
        taken = check(values, "params.yaml").model_dump(mode="json")
    except UserError as error:
        assert str(error).startswith("params.yaml: ") and "\n" not in str(error)
        return
    assert set(values) <= set(WHOLE)
    for path in changed:
        given, kept = values, taken
        for key in path:
            given, kept = given[key], kept[key]
        assert kept == given or normal(str(given)) == kept or isinstance(given, (dict, list))


@pytest.mark.parametrize("text", [
    "", "[]", "- a", "joy", "a: [", "a: 1\na: 2\n", "\t", "\0", "a: *b\n", "emotions: &a [*a]\n",
    "a: !!python/object/apply:os.getcwd []", "%YAML 3.0\n---\na: 1\n",
])  # fmt: skip
def test_a_file_that_is_no_settings_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError) as said:
        load_params(tmp_path / "params.yaml")
    assert "\n" not in str(said.value)
