"""The read replica that `source.replica` names."""

import os

import psycopg
from psycopg.conninfo import conninfo_to_dict

from plumbline.errors import DatabaseUnreachable, SpecError
from plumbline.postgres import Postgres
from plumbline.spec import SourceSpec


def server_to_read(source: SourceSpec, postgres: Postgres) -> Postgres:
    """Where rows are read: the replica, or `postgres` where none is declared.

    Raises:
        SpecError: the variable is not set, or holds no address.
        DatabaseUnreachable: nothing answers there.
    """
    if source.replica is None:
        return postgres
    replica = Postgres(_address(source.replica))
    try:
        replica.connect().close()
    except DatabaseUnreachable as error:
        raise DatabaseUnreachable(
            error.found,
            expected=f"a server that accepts the login in {source.replica}, as source.replica says",
            remedy=f"check {source.replica} and the replica, or remove source.replica to read "
            "from the primary",
        ) from None
    return replica


def _address(variable: str) -> str:
    address = os.environ.get(variable, "")
    try:
        known = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        known = {}  # libpq's message repeats the address, with its password
    if not known:
        raise SpecError(
            f"source.replica is {variable}, and the environment has no address of a PostgreSQL "
            "under that name",
            expected="the name of a variable that holds postgresql://user:password@host:port/"
            "database",
            remedy=f"set {variable} where Plumbline runs, or correct source.replica",
            variable=variable,
        )
    return address
