"""The embedded PostgreSQL: started on demand, shared by processes, stopped by the last one."""

import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from plumbline.errors import DatabaseUnreachable
from plumbline.postgres import Postgres

JOIN = """
import sys
from pathlib import Path
from plumbline.postgres import Postgres, embedded

url = embedded(Path(sys.argv[1]))
with Postgres(url).connect() as connection:
    print(connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0], url)
    sys.stdout.flush()
    sys.stdin.read()
"""


def test_processes_share_one_server_and_the_last_one_stops_it():
    with tempfile.TemporaryDirectory(prefix="plumbline-test-") as folder:
        command = [sys.executable, "-c", JOIN, str(Path(folder) / "data")]
        both = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        told = [process.stdout.readline() for process in both if process.stdout]
        assert told[0]
        assert told[0] == told[1]
        both[0].communicate("")
        url = told[0].split()[-1]
        Postgres(url).connect().close()
        both[1].communicate("")
        assert [process.returncode for process in both] == [0, 0]
        with pytest.raises((DatabaseUnreachable, psycopg.OperationalError)):
            Postgres(url).connect()
