"""The policies by which rows go to train, val and test."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from plumbline.spec.options import Fraction, Options


class SplitOptions(Options):
    """What all policies share."""

    duplicates: Literal["exact", "near", "keep"] = "exact"
    """Rows with the features of a row on an earlier side (train, val, test) are excluded from
    val and test, so that nobody is tested on what was learned. exact: all features equal.
    near: equal after rounding numbers to 3 significant digits and folding case and spaces.
    keep: they stay where the policy puts them."""


class Shares(SplitOptions):
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


class TemporalSplit(SplitOptions):
    """By time: train before `val_from`, validate up to `test_from`, test after."""

    policy: Literal["temporal"]
    val_from: dt.date | dt.datetime
    """First moment of the validation rows (UTC)."""
    test_from: dt.date | dt.datetime
    """First moment of the test rows (UTC)."""

    gap: dt.timedelta = dt.timedelta(0)
    """Rows this close before val_from or test_from are on no side: long enough for every
    label before a border to be known at it. ISO 8601, P7D for a week."""

    @field_validator("gap")
    @classmethod
    def _not_negative(cls, gap: dt.timedelta) -> dt.timedelta:
        if gap < dt.timedelta(0):
            raise ValueError(f"gap {gap} is negative; give a duration such as P7D")
        return gap

    @field_validator("test_from")
    @classmethod
    def _after_val(cls, test_from: dt.date, info: ValidationInfo) -> dt.date:
        val_from = info.data.get("val_from")
        if val_from is not None and utc(test_from) <= utc(val_from):
            raise ValueError(f"test_from {test_from} is not after val_from {val_from}")
        return test_from


class ColumnSplit(SplitOptions):
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
