"""Fingerprints differ when anything that counts differs, and only then."""

import io
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline import versions
from plumbline.errors import SpecError
from plumbline.versions import (
    _without_comments,
    canonical_json,
    code_version,
    fingerprint,
    valid_name,
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), values, min_size=1))
def test_field_order_does_not_count(fields):
    assert fingerprint(**fields) == fingerprint(**dict(reversed(fields.items())))


@given(values, values)
def test_equal_fingerprints_mean_equal_values(a, b):
    assert (fingerprint(x=a) == fingerprint(x=b)) == (canonical_json(a) == canonical_json(b))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": None}, {"a": ""}),
        ({"a": None}, {}),
        ({"a": "b,c"}, {"a": ["b", "c"]}),
        ({"a": "x", "b": "y"}, {"a": "xy", "b": ""}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
    ],
)
def test_what_a_joined_string_would_confuse(one, other):
    assert fingerprint(**one) != fingerprint(**other)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        fingerprint(x=value)


def _version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> str:
    (tmp_path / "versioned_module.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    versions.code_version.cache_clear()
    return code_version("versioned_module")


def test_comments_and_docstrings_do_not_change_a_code_version(tmp_path, monkeypatch):
    bare = _version(tmp_path, monkeypatch, 'def f():\n    return "# kept"\n')
    told = '"""Module."""\n\n# why\ndef f():\n    """Doc."""\n    return "# kept"  # so\n'
    assert _version(tmp_path, monkeypatch, told) == bare


@pytest.mark.parametrize(
    "changed", ['def f():\n    return "# other"\n', 'def g():\n    return "# kept"\n']
)
def test_code_changes_a_code_version(tmp_path, monkeypatch, changed):
    bare = _version(tmp_path, monkeypatch, 'def f():\n    return "# kept"\n')
    assert _version(tmp_path, monkeypatch, changed) != bare


@pytest.mark.parametrize("package", ["plumbline", "assets", "pipelines", "tests"])
def test_comments_are_those_that_the_tokenizer_finds(package):
    for path in (Path(__file__).parents[2] / package).rglob("*.py"):
        source = path.read_text("utf-8")
        lines = source.splitlines()
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
        assert _without_comments(source).splitlines() == lines, path


@pytest.mark.parametrize("name", ["v1", "2026-11-22", "fraud_v3.1", "A" * 100])
def test_a_name_that_all_places_can_hold_is_valid(name):
    assert valid_name(name) == name


@pytest.mark.parametrize("name", ["", ".v1", "-v1", "a..b", "a/b", "a b", "é", "v1\n", "A" * 101])
def test_any_other_name_is_refused(name):
    with pytest.raises(SpecError, match="is no name of a dataset version"):
        valid_name(name)
