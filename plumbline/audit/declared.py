"""A declared rule on one block of a column, by the check of pandera that it names."""

import datetime as dt
import re
from typing import Any

import numpy as np
import pyarrow as pa

from plumbline.environment import environment_kept
from plumbline.errors import SpecError
from plumbline.spec import Expectation, utc


def checked(values: pa.Array, rule: Expectation, *, decimal: bool) -> np.ndarray:
    """Whether each value breaks the rule: bool, shape (n,). NULL breaks none.

    `decimal`: the values are exact numbers, kept as text.

    Raises:
        SpecError: the rule's arguments are not those of its check, or the check cannot read
            values of this type.
    """
    # Imported, pandera tells Arrow by the environment to drop the zones of all moments to come.
    with environment_kept():
        from pandera.errors import SchemaErrors
        from pandera.pandas import Check, DataFrameSchema
        from pandera.pandas import Column as Expected

    if decimal:
        values = values.cast(pa.float64())
    broken = np.zeros(len(values), dtype=bool)
    present = np.flatnonzero(np.asarray(values.is_valid()))
    series = _series(values, present)
    try:
        check = getattr(Check, rule.check)(**_arguments(rule, series))
    except (TypeError, ValueError, re.error) as error:
        raise _refused(rule, str(error)) from None
    schema = DataFrameSchema({rule.column: Expected(checks=check, nullable=True)})
    try:
        schema.validate(series.to_frame(rule.column), lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].isna().any():
            raise _refused(rule, str(cases["failure_case"].iloc[0])) from None
        broken[present[cases["index"].to_numpy(dtype=np.int64)]] = True
    return broken


def _series(values: pa.Array, present: np.ndarray) -> Any:
    import pandas as pd

    kept: Any = values.take(present)
    if pa.types.is_date(kept.type):
        kept = kept.cast(pa.timestamp("us"))
    if pa.types.is_string(kept.type):
        return pd.Series(kept.to_pylist(), dtype=object).astype("str")
    return kept.to_pandas()


def _arguments(rule: Expectation, series: Any) -> dict[str, Any]:
    """As declared; days and moments, which YAML reads as such, like the column's."""
    return {name: _like(value, series) for name, value in rule.arguments.items()}


def _like(value: Any, series: Any) -> Any:
    import pandas as pd

    if isinstance(value, list):
        return [_like(one, series) for one in value]
    if not isinstance(value, dt.date):
        return value
    aware = getattr(series.dtype, "tz", None) is not None
    moment = pd.Timestamp(utc(value))
    return moment if aware else moment.tz_localize(None)


def _refused(rule: Expectation, why: str) -> SpecError:
    given = ", ".join(f"{name}: {value!r}" for name, value in rule.arguments.items())
    return SpecError(
        f"audit.expectations: check {rule.check} of {rule.column!r} with {{{given}}} cannot be "
        f"asked: {' '.join(why.split())}",
        expected=f"the arguments of pandera's Check.{rule.check}, fit for the column's type",
        remedy="correct them in defs.yaml, for example {min_value: 0, max_value: 120} for in_range",
        column=rule.column,
    )
