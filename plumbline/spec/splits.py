"""The policies by which rows go to train, val and test."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from plumbline.spec.options import Fraction, Options


class Shares(Options):
    """How many rows go to each side; the rest are training rows."""

    val: Fraction = 0.15
    """Share of validation rows: expected (hash), or exact per label (stratified)."""
    test: Fraction = 0.15
    """Share of test rows, likewise."""
    seed: int = 0
    """Keys the hash: another seed draws another split."""

    @field_validator("test")
    @classmethod
    def _leaves_train(cls, test: float, info: ValidationInfo) -> float:
        val = info.data.get("val", 0.0)
        if val + test >= 1:
            raise ValueError(
                f"val {val} + test {test} leaves no training rows; their sum must be < 1"
            )
        return test


class HashSplit(Shares):
    """By a keyed hash of the row's key, or of its group: new rows never move old ones."""

    policy: Literal["hash"] = "hash"


class StratifiedSplit(Shares):
    """By rank of the key's hash within each label: shares per label exact to one row."""

    policy: Literal["stratified"]


class TemporalSplit(Options):
    """By time: train before `val_from`, validate up to `test_from`, test after."""

    policy: Literal["temporal"]
    val_from: dt.date | dt.datetime
    """First moment of the validation rows (UTC)."""
    test_from: dt.date | dt.datetime
    """First moment of the test rows (UTC)."""

    @field_validator("test_from")
    @classmethod
    def _after_val(cls, test_from: dt.date, info: ValidationInfo) -> dt.date:
        val_from = info.data.get("val_from")
        if val_from is not None and utc(test_from) <= utc(val_from):
            raise ValueError(f"test_from {test_from} is not after val_from {val_from}")
        return test_from


class ColumnSplit(Options):
    """By a column of the query that says train, val or test for each row."""

    policy: Literal["column"]
    column: str
    """Holds exactly the values train, val and test."""


SplitSpec = Annotated[
    HashSplit | StratifiedSplit | TemporalSplit | ColumnSplit, Field(discriminator="policy")
]


def utc(moment: dt.date) -> dt.datetime:
    """A date or datetime as an aware datetime; midnight and UTC where it does not say."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
