"""The only way to the test rows, and the record of who opened them."""

import getpass
import os
import socket
from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError

from plumbline.errors import RegistryError
from plumbline.registry import Registry
from plumbline.split.rows import TestRows, _mint
from plumbline.split.split import Split

TABLE = "test_reads"


def open_test(
    split: Split, registry: Registry, *, model_versions: Sequence[str], purpose: str
) -> TestRows:
    """Record that the test rows are read for these models, then hand the rows out.

    Raises:
        RegistryError: no model is named, or the split is not in the registry.
    """
    if not model_versions:
        raise RegistryError(
            "the test rows were asked for without a model",
            expected="the versions of the models to be judged",
            remedy="pass model_versions",
        )
    try:
        registry.append(
            TABLE,
            pipeline=split.snapshot.pipeline,
            dataset_version=split.snapshot.dataset_version,
            split_version=split.version,
            model_versions=list(model_versions),
            purpose=purpose,
            reader=reader(),
        )
    except IntegrityError as error:
        raise RegistryError(
            f"the reading of the test rows of split {split.version[:12]} could not be recorded",
            expected="its dataset and split in the registry",
            remedy="materialize the split, which records both, before its test rows are read",
        ) from error
    return TestRows(
        snapshot=split.snapshot,
        assignment=split.assignment,
        coding=split.coding,
        weight=split.weight,
        group=split.group,
        minted=_mint,
    )


def test_reads(registry: Registry, pipeline: str, dataset_version: str) -> int:
    """How often the test rows of a dataset version were opened (count)."""
    return len(registry.rows(TABLE, pipeline=pipeline, dataset_version=dataset_version))


def reader() -> str:
    """Who runs this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers that no passwd file knows
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
