"""Batches between two threads: their order, what waits where, and how either side is stopped."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.extract.spool import IN_MEMORY, Abandoned, Spool

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])
SOON = 0.01


def batch_of(start, rows):
    numbers = np.arange(start, start + rows)
    texts = [None if number % 3 == 0 else "é" * (number % 7) for number in numbers]
    return pa.RecordBatch.from_arrays([pa.array(numbers), pa.array(texts)], schema=SCHEMA)


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path)
    yield spool
    spool.close()


@given(sizes=st.lists(st.integers(0, 50), max_size=12), together=st.booleans())
def test_what_is_put_is_taken_in_order(tmp_path_factory, sizes, together):
    batches = [batch_of(sum(sizes[:place]), rows) for place, rows in enumerate(sizes)]
    spool = Spool(tmp_path_factory.getbasetemp())

    def put():
        for batch in batches:
            assert spool.put(batch)
        spool.end()

    with ThreadPoolExecutor() as running:
        putting = running.submit(put)
        if not together:
            putting.result()  # all that memory has no room for is on disk then
        taken = list(spool.take(SCHEMA))
        putting.result()
    spool.close()
    assert taken == batches


def test_memory_holds_few_and_the_folder_shows_nothing(spool, tmp_path):
    for place in range(50):
        assert spool.put(batch_of(place * 1000, 1000))
    spool.end()
    assert sum(isinstance(one, pa.RecordBatch) for one in spool._waiting) == IN_MEMORY
    assert list(tmp_path.iterdir()) == []
    taken = pa.Table.from_batches(spool.take(SCHEMA)).column("number")
    assert taken.to_pylist() == list(range(50_000))


def test_a_full_disk_share_makes_the_reader_wait(tmp_path):
    rows = 1000
    spool = Spool(tmp_path, on_disk=batch_of(0, rows).serialize().size)
    places = iter(range(100))
    put = 0
    while spool.put(batch_of(next(places) * rows, rows), SOON):
        put += 1
    assert put == IN_MEMORY + 1

    taken = spool.take(SCHEMA)
    for _ in range(IN_MEMORY + 1):
        next(taken)
    assert spool.put(batch_of(put * rows, rows), SOON)
    spool.end()
    assert [batch.column("number")[0].as_py() for batch in taken] == [put * rows]
    spool.close()


def test_a_batch_over_the_share_goes_alone(tmp_path):
    spool = Spool(tmp_path, on_disk=1)
    for place in range(IN_MEMORY + 1):
        assert spool.put(batch_of(place, 1), SOON)
    assert not spool.put(batch_of(9, 1), SOON)
    spool.close()


def test_a_failure_ends_both_sides(spool):
    with ThreadPoolExecutor() as running:
        taking = running.submit(list, spool.take(SCHEMA))
        spool.fail(ValueError("the first"))
        spool.fail(ValueError("the second"))
        with pytest.raises(ValueError, match="the first"):
            taking.result()
    with pytest.raises(Abandoned):
        spool.put(batch_of(0, 1))


def test_a_reader_that_waits_for_room_is_told_to_stop(tmp_path):
    spool = Spool(tmp_path, on_disk=1)
    for place in range(IN_MEMORY + 1):
        spool.put(batch_of(place, 1))
    with ThreadPoolExecutor() as running:
        putting = running.submit(spool.put, batch_of(9, 1))
        spool.fail(Abandoned())
        with pytest.raises(Abandoned):
            putting.result()
    spool.close()
