"""Fixtures shared by all tests: a real PostgreSQL, a store, a registry."""

import atexit
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from psycopg import sql

from plumbline.environment import keras_backend
from plumbline.network import backend
from plumbline.postgres import Postgres, embedded
from plumbline.registry import Registry
from plumbline.store import ArtifactStore

if TYPE_CHECKING:
    from dagster import DagsterInstance

_numbers = itertools.count()

# Laws are about results; how long an example takes says more about the machine.
settings.register_profile("plumbline", deadline=None)
settings.load_profile("plumbline")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")
    parser.addoption(
        "--data",
        default=os.environ.get("PLUMBLINE_DATA"),
        help="folder of public data sets, NAME/data.parquet each (default: PLUMBLINE_DATA)",
    )


def pytest_configure() -> None:
    backend.prepare()  # before a test imports Keras


def pytest_report_header() -> str:
    names = ("dagster", "keras", "tensorflow", "jax", "xgboost", "scikit-learn", "pyarrow")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    return f"keras backend: {keras_backend()}; {versions}"


@pytest.fixture(scope="session")
def server() -> str:
    """Address of a PostgreSQL server: TEST_DATABASE_URL, or an embedded one of this session.

    Its data lies outside pytest's own folder, which every new session of the same user closes
    to the server's user.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        return given
    folder = Path(tempfile.mkdtemp(prefix="plumbline-test-"))
    # Registered before the server's own handler, so it runs after the server has stopped.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return embedded(folder / "data")


@contextmanager
def fresh_database(server: str) -> Iterator[Postgres]:
    """An empty database on `server`, dropped afterwards."""
    name = f"plumbline_test_{os.getpid()}_{next(_numbers)}"
    admin = Postgres(server)
    with admin.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield Postgres(server.replace("/postgres?", f"/{name}?"))
    with admin.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgres(server: str) -> Iterator[Postgres]:
    with fresh_database(server) as database:
        yield database


@pytest.fixture(scope="module")
def module_postgres(server: str) -> Iterator[Postgres]:
    """A database that the tests of one module share."""
    with fresh_database(server) as database:
        yield database


@pytest.fixture
def registry(postgres: Postgres) -> Registry:
    return Registry.open(postgres)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.at(tmp_path / "store")


@pytest.fixture(scope="module")
def project(module_postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with the extract of the small pipeline, its table, and an environment for both."""
    from small_pipeline import make_source

    root = tmp_path_factory.mktemp("project")
    make_source(module_postgres, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", module_postgres.url)
        patch.setenv("PLUMBLINE_STORE", str(root / "store"))
        yield root


@pytest.fixture(scope="module")
def instance() -> Iterator["DagsterInstance"]:
    """Dagster's memory, for the tests of one module."""
    from dagster import DagsterInstance

    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(scope="module")
def compiled_fast() -> Iterator[None]:
    """JAX leaves out most optimizations: it compiles for seconds what runs for a tenth of one.

    Not for tests that compare bits with those of another process.
    """
    if keras_backend() != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()  # what comes after is compiled anew


@pytest.fixture(scope="session")
def public_data(request: pytest.FixtureRequest) -> Path:
    """The folder of public data sets, which are not part of the repository."""
    given = request.config.getoption("--data")
    if not given:
        pytest.skip("no public data sets: name their folder by --data or PLUMBLINE_DATA")
    return Path(given)
