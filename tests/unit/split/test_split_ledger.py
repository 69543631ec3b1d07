"""Which reading of the test rows is whose, and that it stays so."""

import pyarrow as pa
import pytest
from snapshots import register, snapshot_of, spec_of, split_of

from plumbline.errors import RegistryError
from plumbline.split import ledger


def test_a_reading_that_is_repeated_is_the_same_reading(registry, tmp_path):
    table = pa.table({"id": range(60), "x": range(60), "label": [one % 2 for one in range(60)]})
    spec = spec_of()
    split = split_of(snapshot_of(table, tmp_path), spec)
    register(registry, split, spec)

    def read(asked_by, purpose="evaluation 1"):
        ledger.open_test(split, registry, model_versions=["m"], purpose=purpose, asked_by=asked_by)

    def place(asked_by):
        return ledger.reading(registry, "tested", "v1", asked_by)

    read("first")
    read(None)  # as rows are that were written before anybody said who asked
    read(None)
    read("second")
    read("first")
    assert (place("first"), place("second")) == (1, 4)
    read("promoted", "promotion 1")
    read("third")
    assert [place(one) for one in ("first", "second", "third", "promoted")] == [1, 4, 5, 5]
    every = ledger.readings(registry, "tested", "v1", promotions=True)
    assert every[-2:] == ["promoted", "third"]
    assert ledger.test_reads(registry, "tested", "v1") == 7
    assert len(ledger.readings(registry, "tested", "v1")) == 5
    assert ledger.readings(registry, "tested", "v2") == []
    with pytest.raises(RegistryError, match="no reading of the test rows of v1 by nobody"):
        place("nobody")
