"""Fixtures shared by all tests: a real PostgreSQL, a store, a registry."""

import itertools
import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from psycopg import sql

from plumbline.environment import keras_backend
from plumbline.postgres import Postgres, embedded
from plumbline.registry import Registry
from plumbline.store import ArtifactStore

_numbers = itertools.count()


def pytest_report_header() -> str:
    names = ("dagster", "keras", "tensorflow", "jax", "xgboost", "scikit-learn", "pyarrow")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    return f"keras backend: {keras_backend()}; {versions}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a PostgreSQL server: TEST_DATABASE_URL, or an embedded one of this session."""
    given = os.environ.get("TEST_DATABASE_URL")
    return given or embedded(tmp_path_factory.mktemp("pg") / "data")


@pytest.fixture
def postgres(server: str) -> Iterator[Postgres]:
    """A fresh, empty database."""
    name = f"plumbline_test_{os.getpid()}_{next(_numbers)}"
    admin = Postgres(server)
    with admin.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield Postgres(server.replace("/postgres?", f"/{name}?"))
    with admin.connect(autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def registry(postgres: Postgres) -> Registry:
    return Registry.open(postgres)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.at(tmp_path / "store")
