"""Rows from disk: the same rows, the same order, and the same weights as from memory."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from network_examples import examples, goal, normalized_split, table

from plumbline.errors import StoreUnwritable
from plumbline.network import feeding, fitting, training
from plumbline.network.loop import feed as feeds
from plumbline.network.loop.shuffle import Shuffle
from plumbline.network.loop.streaming import Streamed
from plumbline.network.table import Table
from plumbline.normalization import prepared as files
from plumbline.normalization.apply import load_matrix
from plumbline.normalization.matrix import Matrix
from plumbline.normalization.parameters import Normalization
from plumbline.normalization.prepared import copied, row_bytes, written
from plumbline.spec import BatchPhase, NetworkSpec
from plumbline.split.split import Split

pytestmark = [
    pytest.mark.network,
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def matrix(rows: int, numbers: int = 3, codes: int = 2) -> Matrix:
    """The row's number is in every column."""
    place = np.arange(rows)[:, None]
    return Matrix(
        numeric=(place + np.arange(numbers) / 4).astype(np.float32),
        codes=(place + np.arange(codes)).astype(np.int32),
        numeric_names=tuple(f"number {one}" for one in range(numbers)),
        category_names=tuple(f"category {one}" for one in range(codes)),
    )


def assert_equal(found: Matrix, expected: Matrix) -> None:
    np.testing.assert_array_equal(found.numeric, expected.numeric)
    np.testing.assert_array_equal(found.codes, expected.codes)
    assert found.names == expected.names


def small_shuffle(rows: int, *, pool: int, seed: int = 0) -> Shuffle:
    """Blocks of 16 rows, pools of `pool` rows."""
    return Shuffle(rows=rows, row_bytes=8, seed=seed, pool_bytes=8 * pool, block_bytes=8)


shuffles = st.builds(
    small_shuffle,
    st.integers(1, 700),
    pool=st.integers(1, 400),
    seed=st.integers(0, 5),
)


@given(shuffles, st.integers(0, 3), st.integers(1, 90))
def test_an_epoch_takes_every_row_once(shuffle: Shuffle, epoch: int, size: int):
    assert sorted(shuffle.order(epoch, size)) == list(range(shuffle.rows))


@given(shuffles, st.integers(0, 3), st.integers(1, 90))
def test_pools_hold_whole_steps_and_no_more_than_fits(shuffle: Shuffle, epoch: int, size: int):
    *full, last = (len(pool.order) for pool in shuffle.pools(epoch, size))
    assert set(full) <= {shuffle.pool_rows(size)}
    assert shuffle.pool_rows(size) % size == 0
    assert last <= shuffle.pool_rows(size) <= max(size, shuffle.pool_bytes // shuffle.row_bytes)


@given(shuffles, st.integers(1, 90))
def test_orders_differ_by_epoch_and_seed_alone(shuffle: Shuffle, size: int):
    again = Shuffle(**vars(shuffle))
    np.testing.assert_array_equal(shuffle.order(1, size), again.order(1, size))
    if min(shuffle.rows, shuffle.pool_rows(size)) > 20:  # else there are few orders
        assert not np.array_equal(shuffle.order(1, size), shuffle.order(2, size))
        other = Shuffle(**{**vars(shuffle), "seed": shuffle.seed + 1})
        assert not np.array_equal(shuffle.order(1, size), other.order(1, size))


def test_rows_of_one_pool_are_permuted_as_a_whole():
    one = small_shuffle(400, pool=420)
    expected = np.random.default_rng([0, 7]).permutation(400)
    np.testing.assert_array_equal(one.order(7, 32), expected)


def test_blocks_are_worth_a_reading_and_pools_fit_their_memory():
    narrow, wide = (Shuffle(rows=10**7, row_bytes=one, seed=0) for one in (160, 40_000))
    assert (narrow.block_rows, wide.block_rows) == (128, 16)
    assert narrow.pool_rows(256) * 160 <= 64 * 2**20
    assert wide.pool_rows(256) * 40_000 <= 64 * 2**20


def meetings(shuffle: Shuffle, size: int, epochs: int, near: int) -> tuple[float, float]:
    """Pairs that meet in a batch, as a share of what a perfect shuffle gives: of rows within
    `near` rows of one another, and of all the others."""
    rows = shuffle.rows
    met = np.zeros((rows, rows), np.int64)
    for epoch in range(epochs):
        order = shuffle.order(epoch, size)
        for start in range(0, rows, size):
            batch = order[start : start + size]
            met[np.ix_(batch, batch)] += 1
    apart = np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))
    perfect = epochs * (size - 1) / (rows - 1)
    together = (apart > 0) & (apart < near)
    return met[together].mean() / perfect, met[apart >= near].mean() / perfect


def test_the_shuffle_is_as_good_as_stated():
    """docs/feeding.md: rows of one block meet as often as pools are many, others as they should.

    640 rows, blocks of 16, 4 pools of 160, steps of 32.
    """
    shuffle = small_shuffle(640, pool=160)
    near, far = meetings(shuffle, size=32, epochs=400, near=4)
    # Of pairs less than 4 rows apart, 2 / 16 lie in neighbouring blocks.
    stated = (14 / 16) * 639 / 159 + (2 / 16) * (144 / 624) * 639 / 159
    assert near == pytest.approx(stated, rel=0.05)
    assert far == pytest.approx(1, abs=0.1)
    whole = small_shuffle(640, pool=640)
    assert meetings(whole, size=32, epochs=400, near=4) == pytest.approx((1, 1), abs=0.02)


def test_any_two_rows_can_meet():
    shuffle = small_shuffle(96, pool=32)
    met = np.zeros((96, 96), bool)
    for epoch in range(400):
        order = shuffle.order(epoch, 8)
        for start in range(0, 96, 8):
            met[np.ix_(order[start : start + 8], order[start : start + 8])] = True
    assert met.all()


@given(
    rows=st.integers(0, 200),
    numbers=st.integers(0, 3),
    codes=st.integers(0, 3),
    spans=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=5),
    step=st.integers(1, 9),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows, numbers, codes, spans, step
):
    source = matrix(rows, numbers, codes)
    stored = copied(source, tmp_path_factory.getbasetemp())
    assert_equal(stored, source)
    cuts = np.array([(at, min(at + n, rows)) for at, n in spans if at < rows], int).reshape(-1, 2)
    places = np.concatenate([np.empty(0, int), *(np.arange(*one) for one in cuts)]).astype(int)
    assert_equal(stored.read(cuts), source.take(places))
    assert_equal(stored.take(slice(None, None, step)), source.take(slice(None, None, step)))
    assert_equal(stored.take(slice(7, 90)), source.take(slice(7, 90)))
    assert_equal(stored.take(places), source.take(places))


def test_long_slices_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "READ_ROWS", 16)
    source = matrix(700)
    stored = copied(source, tmp_path)
    for taken in (slice(None), slice(3, 500, 7), slice(None, None, 50), slice(600, 3, -1)):
        assert_equal(stored.take(taken), source.take(taken))


def test_the_table_is_the_same_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("plumbline.network.table.SAMPLE_ROWS", 40)
    monkeypatch.setattr(files, "READ_ROWS", 16)
    source = matrix(330)
    expected, found = (Table.described(one, (4, 5)) for one in (source, copied(source, tmp_path)))
    np.testing.assert_array_equal(found.quantiles, expected.quantiles)
    assert found.rows == expected.rows == 330


def test_the_file_leaves_nothing_behind(tmp_path: Path):
    stored = copied(matrix(100), tmp_path)
    assert list(tmp_path.iterdir()) == []
    inode = os.fstat(stored.file.fileno())
    assert inode.st_nlink == 0
    assert inode.st_size == 100 * 20


def test_a_full_disk_is_told_before_the_rows_are_read(tmp_path: Path):
    def parts() -> Iterator[Matrix]:
        raise AssertionError("read")
        yield

    with pytest.raises(StoreUnwritable, match=r"take .* GB, .* GB free; expected room") as caught:
        written(parts(), 10**15, (("a",), ()), tmp_path)
    assert caught.value.values["bytes"] == 4 * 10**15
    assert list(tmp_path.iterdir()) == []


def test_a_reservation_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refused)
    with pytest.raises(StoreUnwritable, match=r"to fix: free disk space"):
        copied(matrix(10), tmp_path)


class Plain:
    """Places arrays where they are, and remembers how many it holds."""

    def place(self, arrays: Any) -> Any:
        return arrays


def test_the_next_pool_is_read_while_one_is_trained_on(tmp_path: Path):
    stored = copied(matrix(640), tmp_path)
    shuffle = small_shuffle(640, pool=160)
    loaded = [threading.Event() for _ in range(4)]
    threads = []

    def load(pool: Any) -> Any:
        number = sum(one.is_set() for one in loaded)
        threads.append(threading.current_thread())
        found = stored.read(pool.spans)
        loaded[number].set()
        return found

    places = []
    for number, portion in enumerate(Streamed(Plain(), load, shuffle).epoch(0, 32)):  # type: ignore[arg-type]
        places += portion.placed.codes[portion.order, 0].tolist()
        if number < 3:
            assert loaded[number + 1].wait(10)
        # One ahead, never two.
        assert sum(one.is_set() for one in loaded) == min(4, number + 2)
    assert places == shuffle.order(0, 32).tolist()
    assert threading.main_thread() not in threads


def test_an_epoch_that_is_broken_off_ends_its_thread(tmp_path: Path):
    stored = copied(matrix(640), tmp_path)
    feed = Streamed(Plain(), lambda pool: stored.read(pool.spans), small_shuffle(640, pool=160))  # type: ignore[arg-type]
    portions = feed.epoch(0, 32)
    next(portions)
    portions.close()  # type: ignore[attr-defined]
    assert not [one for one in threading.enumerate() if "plumbline-feed" in one.name]


def test_errors_of_reading_arrive(tmp_path: Path):
    def load(_: Any) -> Any:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        next(Streamed(Plain(), load, small_shuffle(64, pool=16)).epoch(0, 8))  # type: ignore[arg-type]


def test_bytes_of_a_row():
    assert row_bytes(matrix(3, 3, 2)) == 20


@pytest.fixture
def in_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools of at most 200 rows, in blocks of 16, whatever the rows' width."""

    def shuffle(**given: Any) -> Shuffle:
        row = given["row_bytes"]
        return Shuffle(**given, pool_bytes=200 * row, block_bytes=16 * row)

    monkeypatch.setattr(feeding, "Shuffle", shuffle)
    monkeypatch.setattr(feeds, "Shuffle", shuffle)


OPTIONS = NetworkSpec(
    architecture="dense",
    widths=[8],
    learning_rate=0.01,
    max_epochs=2,
    batch_size=[BatchPhase(until=0.5, size=32), BatchPhase(until=1, size=48)],
)


@pytest.mark.usefixtures("in_pools")
def test_rows_from_disk_give_the_same_weights(tmp_path: Path):
    """Bit by bit, with dropout, batch normalization, weights of rows and two batch sizes."""
    train, val = examples(730, 1), examples(200, 2)
    found = {}
    for mode in ("memory", "stream"):
        chosen = OPTIONS.model_copy(update={"feeding": mode, "class_weights": "balanced"})
        found[mode] = fitting.fit_examples(
            train, val, table(train), goal("binary", chosen), chosen, tmp_path / mode
        )
    memory, stream = found["memory"], found["stream"]
    assert stream.predictor.weights_sha256() == memory.predictor.weights_sha256()
    np.testing.assert_array_equal(stream.val_scores, memory.val_scores)
    for name in ("loss", "val_loss", "val_auc"):
        assert stream.history[name] == memory.history[name]
    assert all(0 <= share < 1 for share in stream.history["wait_share"])


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Normalization]:
    return normalized_split(tmp_path_factory.mktemp("snapshot"), 900)


def test_prepared_rows_are_the_transformed_ones(split: tuple[Split, Normalization], tmp_path: Path):
    made, normalization = split
    for rows in (made.train(), made.validation()):
        expected = load_matrix(rows, normalization)
        assert_equal(files.prepared(rows, normalization, tmp_path), expected)


@pytest.mark.usefixtures("in_pools")
def test_a_streamed_training_is_recorded_and_leaves_nothing(
    split: tuple[Split, Normalization], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made, normalization = split
    options = OPTIONS.model_copy(update={"batch_size": 32})
    digests = {}
    for name, free in (("plenty", 10**12), ("little", 1000)):
        monkeypatch.setattr(feeding, "host_free", lambda free=free: free)
        folder = tmp_path / name / "draft"
        folder.mkdir(parents=True)
        training.build(made.train(), made.validation(), normalization, options, folder)
        record = training.load(folder, "model-1").training
        digests[name] = record["weights_sha256"]
        assert record["feeding"]["mode"] == {"plenty": "memory", "little": "stream"}[name]
        assert record["feeding"]["host_free"] == free
        assert record["hardware"]["host_peak_bytes"] > 0
        beside = [one for one in folder.parent.rglob("*") if folder not in one.parents]
        assert not [one for one in beside if one.is_file()]
    # Free memory decides where the rows lie, and nothing else.
    assert digests["plenty"] == digests["little"]
