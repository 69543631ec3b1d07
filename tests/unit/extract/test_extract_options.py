"""How a source is read: what may be declared, and that no version depends on it."""

import pytest
from pydantic import ValidationError
from snapshots import spec_of

from plumbline.stages import stage_code_version, stages


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"connections": 0}, "greater than or equal to 1"),
        ({"connections": 17}, "less than or equal to 16"),
        ({"max_snapshot_minutes": 0}, "greater than 0"),
        ({"replica": "postgresql://me:word@host/db"}, "replica is no name of an environment"),
    ],
)
def test_what_cannot_be_declared(option, told):
    with pytest.raises(ValidationError, match=told):
        spec_of(**option)


def test_how_rows_are_read_is_in_no_version():
    plain = spec_of()
    other = spec_of(connections=4, max_snapshot_minutes=5, replica="REPLICA_URL")
    assert {name: stage_code_version(plain, name) for name in stages(plain)} == {
        name: stage_code_version(other, name) for name in stages(other)
    }
