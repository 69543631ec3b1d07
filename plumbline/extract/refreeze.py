"""Refreeze: read a frozen dataset version again, to see whether the source still returns it."""

from plumbline.errors import ExtractError, VersionConflict
from plumbline.extract.freeze import TABLE, drawing, require_same_question, snapshot_address
from plumbline.extract.query import Query
from plumbline.postgres import Postgres
from plumbline.recomputing import recompute
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.store import ArtifactStore


def refreeze(
    spec: PipelineSpec,
    *,
    dataset_version: str,
    query: Query,
    postgres: Postgres,
    registry: Registry,
    store: ArtifactStore,
) -> str | None:
    """What came of reading a frozen version again; None where it is not frozen yet.

    A source moves on, so that it returns other rows is told and is no error: the version stays
    bound to its digest, and its files stay. Only files that do not verify are replaced, and only
    by rows of that digest.

    Raises:
        VersionConflict: the name is bound to another query, key or label; or the files do not
            verify, and the source no longer returns their rows.
        StoreUnwritable, ExtractError, DatabaseUnreachable: as `freeze`.
    """
    place = spec.name, "snapshot", snapshot_address(spec.name, dataset_version)
    with registry.exclusive(f"snapshot/{spec.name}/{dataset_version}"):
        row = registry.one(TABLE, pipeline=spec.name, dataset_version=dataset_version)
        if row is None or not store.has(*place):
            return None
        require_same_question(row, query, spec)
        try:
            write = drawing(spec, dataset_version, query, postgres=postgres, row=row)
            made = recompute(store, *place, write)
        except (VersionConflict, ExtractError) as error:
            if store.problems(*place):
                raise
            return f"the frozen rows stand; {error.found}"
    return made.told if made.set_aside else "identical: the source still returns the frozen rows"
