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

PROMOTION = "promotion"
"""What the purpose of a promotion's reading begins with."""


def open_test(
    split: Split,
    registry: Registry,
    *,
    model_versions: Sequence[str],
    purpose: str,
    asked_by: str | None = None,
) -> TestRows:
    """Record that the test rows are read for these models, then hand the rows out.

    asked_by: version of what asks. Asking again under the same version is the same reading: the
    same models on the same rows give the same numbers, and nobody learns more of them. None: a
    reading of its own.

    Raises:
        RegistryError: no model is named, or the split is not in the registry.
    """
    if not model_versions:
        raise RegistryError(
            "the test rows were asked for without a model",
            expected="the versions of the models to be judged",
            remedy="pass model_versions",
        )
    pipeline, dataset_version = split.snapshot.pipeline, split.snapshot.dataset_version
    try:
        # One at a time, so that rows become visible in the order of their numbers.
        with registry.exclusive(f"{pipeline}/{TABLE}/{dataset_version}"):
            registry.append(
                TABLE,
                pipeline=pipeline,
                dataset_version=dataset_version,
                split_version=split.version,
                model_versions=list(model_versions),
                purpose=purpose,
                reader=reader(),
                asked_by=asked_by,
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


def readings(
    registry: Registry, pipeline: str, dataset_version: str, *, promotions: bool = False
) -> list[str]:
    """What has read the test rows of a dataset version, each once, in the order of first readings.

    Versions of what asked; where none was given, the number of the row. promotions: whether they
    are among them.
    """
    rows = registry.rows(TABLE, pipeline=pipeline, dataset_version=dataset_version)
    ordered = sorted(rows, key=lambda row: row["test_read"])
    return list(
        dict.fromkeys(
            row["asked_by"] or str(row["test_read"])
            for row in ordered
            if promotions or not row["purpose"].startswith(PROMOTION)
        )
    )


def reading(registry: Registry, pipeline: str, dataset_version: str, asked_by: str) -> int:
    """Which reading of the test rows that of `asked_by` is; the first one is 1.

    A promotion is counted among all readings, because what it compares was chosen by these rows.
    Any other reading is counted without promotions: they choose nothing that is evaluated. Either
    stays what it is however often the rows are read afterwards, by whomever.

    Raises:
        RegistryError: it never read them.
    """
    for promotions in (False, True):
        found = readings(registry, pipeline, dataset_version, promotions=promotions)
        if asked_by in found:
            return found.index(asked_by) + 1
    raise RegistryError(
        f"no reading of the test rows of {dataset_version} by {asked_by[:12]} is recorded",
        expected="a reading through open_test",
        remedy="open the test rows first",
    )


def reader() -> str:
    """Who runs this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # containers run under numbers that no passwd file knows
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
