"""Images from a bytea column of PostgreSQL to the scores of a released bundle."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from dagster import DagsterInstance
from image_files import bars, file_of
from small_pipeline import run

from plumbline.postgres import Postgres
from plumbline.release.bundle import load_bundle
from plumbline.scoring.files import score_file
from plumbline.spec import PipelineSpec

pytestmark = [
    # Keras 3.15 turns its tensors into arrays in the way of NumPy 1.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

ROWS = 600
SPEC = PipelineSpec.model_validate(
    {
        "name": "pictures",
        "source": {
            "sql": "sql/extracts/pictures.sql",
            "key": ["id"],
            "label": "upright",
            "kinds": {"photo": "image"},
            "images": {"photo": {"height": 16, "width": 16}},
        },
        "training_features": {"table": "public.pictures_as_trained"},
        "network": {
            "architecture": "dense",
            "widths": [8],
            "dropout": [0.0],
            "batch_size": 32,
            "max_epochs": 3,
            "learning_rate": 0.01,
        },
        "evaluation": {"resamples": 100},
        "verdict": {"seeds": 1},
    }
)


@pytest.fixture(scope="module")
def root(module_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose table holds an image in each row, and a number that says nothing."""
    root = tmp_path_factory.mktemp("pictures")
    extract = root / "sql" / "extracts" / "pictures.sql"
    extract.parent.mkdir(parents=True)
    extract.write_text("SELECT id, amount, photo, upright FROM public.pictures")
    pictures, upright = bars(ROWS, 3)
    noise = np.random.default_rng(0).normal(size=ROWS)
    values = zip(range(ROWS), noise.tolist(), map(file_of, pictures), upright == 1, strict=True)
    with module_postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE public.pictures (id bigint PRIMARY KEY, amount float8, photo bytea, "
            "upright boolean)"
        )
        cursor.executemany(
            "INSERT INTO public.pictures VALUES (%s, %s, %s, %s)",
            [(id, amount, photo, bool(stands)) for id, amount, photo, stands in values],
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", module_postgres.url)
        patch.setenv("PLUMBLINE_STORE", str(root / "store"))
        yield root


def test_a_network_that_reads_images_is_trained_released_and_scores(
    root: Path, instance: DagsterInstance, module_postgres: Postgres, tmp_path: Path
):
    ran = run(SPEC, root, instance)
    assert ran.success
    (folder,) = (root / "store" / "pictures" / "release").glob("*/bundle")
    bundle = load_bundle(folder)
    assert bundle.manifest.kind == "network"
    with module_postgres.arrow() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT photo, amount, upright FROM public.pictures ORDER BY id")
        pq.write_table(cursor.fetch_arrow_table(), tmp_path / "rows.parquet")
    outcome = score_file(folder, tmp_path / "rows.parquet", tmp_path / "scored.parquet")
    assert (outcome.scored, outcome.rejected) == (ROWS, 0)
    scored = pq.read_table(tmp_path / "scored.parquet")
    right = scored["predicted"].to_numpy() == scored["upright"].to_numpy(zero_copy_only=False)
    assert right.mean() > 0.95
    with module_postgres.connect() as connection:
        trained = connection.execute(
            "SELECT array_length(scaled_vector, 1), count(*) FROM public.pictures_as_trained "
            "GROUP BY 1"
        ).fetchall()
    assert [width for width, _ in trained] == [1]
