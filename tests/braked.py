"""Queries that a test stops in the middle: rows that wait for a lock it holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plumbline.postgres import Postgres

PATIENCE = 60
BRAKED_ROW = 100_000
"""The id that waits."""

# Planned for rows in the order of an index, so that those before the brake are sent.
FUNCTION = f"""
CREATE FUNCTION brake(id bigint) RETURNS float8 LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF id = {BRAKED_ROW} THEN PERFORM pg_advisory_xact_lock_shared(4711); END IF;
    RETURN sqrt(id);
END $$;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_sort = off', current_database()); END $$
"""


@contextmanager
def brake(postgres: Postgres) -> Iterator[None]:
    """Queries wait at the braked row until the block ends."""
    with postgres.connect(autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(4711)")
        yield


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.02)


def waiting(postgres: Postgres) -> int:
    """Backends that wait for an advisory lock."""
    return len(_found(postgres, _WAITING))


def holding(postgres: Postgres) -> list[int]:
    """Processes of the connections whose snapshot keeps VACUUM from removing rows."""
    return _found(postgres, _HOLDING)


_WAITING = """SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()"""
_HOLDING = """SELECT pid FROM pg_stat_activity WHERE backend_xmin IS NOT NULL
AND backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()"""


def _found(postgres: Postgres, statement: str) -> list[int]:
    with postgres.connect() as connection:
        return [pid for (pid,) in connection.execute(statement.encode())]
