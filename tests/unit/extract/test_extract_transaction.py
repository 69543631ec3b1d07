"""The transaction of a read: its snapshot and how long it may live, in a real session."""

import time

import pytest

from plumbline.errors import ExtractError
from plumbline.extract.transaction import SnapshotLimit, Transaction

TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout")


def timeouts(postgres, limit):
    """What the session's timeouts are once the transaction has begun (milliseconds)."""
    with postgres.connect(autocommit=True) as connection:
        Transaction(limit=limit).begin(lambda told: connection.execute(told.encode()))
        asked = "SELECT setting::int FROM pg_settings WHERE name = ANY(%s) ORDER BY name DESC"
        return [found for (found,) in connection.execute(asked, [list(TIMEOUTS)])]


def test_the_server_ends_what_outlives_the_limit(postgres):
    found = timeouts(postgres, SnapshotLimit(file="q.sql", minutes=10))
    assert all(0 < one <= 600_001 for one in found)
    assert timeouts(postgres, None) == [0, 0]


def test_a_stricter_limit_of_the_server_stays(postgres):
    name = postgres.place.rpartition("/")[2]
    with postgres.connect() as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 1234')
    statement, idle = timeouts(postgres, SnapshotLimit(file="q.sql", minutes=10))
    assert statement == 1234
    assert idle > 1234


def test_what_is_told_when_it_is_passed():
    limit = SnapshotLimit(file="q.sql", minutes=2)
    limit.require()
    old = SnapshotLimit(file="q.sql", minutes=2, started=time.monotonic() - 120)
    assert (old.passed, old.left) == (True, 0)
    with pytest.raises(ExtractError, match=r"q\.sql kept one state .* for 2 minutes") as error:
        old.require()
    assert "source.max_snapshot_minutes" in str(error.value)


def test_an_exported_snapshot_is_what_another_transaction_reads(postgres):
    with (
        postgres.connect(autocommit=True) as first,
        postgres.connect(autocommit=True) as second,
    ):
        first.execute("CREATE TABLE t AS SELECT 1 AS n")
        begun = Transaction().begin(lambda told: first.execute(told.encode()))
        (name,) = first.execute("SELECT pg_export_snapshot()").fetchone()
        second.execute("INSERT INTO t VALUES (2)")
        other = Transaction(exported=name).begin(lambda told: second.execute(told.encode()))
        assert second.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert begun.postgres_snapshot == other.postgres_snapshot
    assert begun.process != other.process
