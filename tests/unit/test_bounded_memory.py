"""What parts of a stage hold for each row, measured in processes of their own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from plumbline.extract.snapshot import BLOCK_ROWS
from plumbline.split.rows import NAMES
from plumbline.split.split import SIDE_COLUMN

ROWS = 4_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux counts the peak anew")


def bytes_a_row(prepare: str, measured: str, rows: int = ROWS) -> float:
    """Growth of the resident peak while `measured` runs, by row, after `prepare` ran."""
    program = f"""
import numpy as np
from pathlib import Path
from plumbline.peak_memory import PeakMemory
rows = {rows}
{prepare}
before = list(PeakMemory().measured.values())[0]
peak = PeakMemory()
{measured}
print((list(peak.measured.values())[0] - before) * 2**20 / rows)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()
    return float(done.stdout)


@pytest.fixture(scope="module")
def assignment(tmp_path_factory) -> Path:
    """Sides of `ROWS` rows, and of a block of them beside."""
    folder = tmp_path_factory.mktemp("assignment")
    sides = np.random.default_rng(0).integers(0, 3, ROWS).astype(np.int8)
    named = pa.DictionaryArray.from_arrays(sides, pa.array(NAMES)).cast(pa.string())
    for name, rows in (("all", ROWS), ("few", BLOCK_ROWS)):
        table = pa.table({SIDE_COLUMN: named.slice(0, rows)})
        pq.write_table(table, folder / name, row_group_size=BLOCK_ROWS)
    return folder


def test_a_split_is_read_without_the_names_of_all_its_sides(assignment):
    read = "from plumbline.split.split import _read_assignment as read\nfolder = Path('{}')\n"
    prepare = read.format(assignment) + "read(folder / 'few')"
    assert bytes_a_row(prepare, "read(folder / 'all')") < 8


def test_a_calibration_error_is_resampled_without_a_matrix_of_rows_by_bins():
    prepare = """
from plumbline.metrics.reliability import Reliability
drawn = np.random.default_rng(0)
told = drawn.random(rows)
found = Reliability(told, drawn.random(rows) < told)
found._places
weights = np.ones((1, rows))
"""
    assert bytes_a_row(prepare, "found.of(weights)", 1_000_000) < 40
