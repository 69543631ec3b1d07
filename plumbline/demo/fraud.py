"""Synthetic card payments, drawn from a seed and loaded into PostgreSQL as vectors.

No real payment is among them. Each feature is drawn around another centre where the payment
is a fraud, none so far that it could tell frauds by itself; together they can. Amounts reach
50,000 while risks stay below 1: a network that reads them as they are sees only amounts.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from plumbline.postgres import Postgres

log = logging.getLogger(__name__)

VERSION = "fraud_v3"
ROWS, SEED = 40_000, 20260
SIDES = {"train": 0.70, "val": 0.15, "test": 0.15}
"""Share of the rows by side; half of each side are frauds."""

FEATURES = (
    "amount_cents",
    "merchant_risk",
    "hour",
    "distance_km",
    "account_age_years",
    "payments_last_day",
    "days_since_last",
    "declines_last_week",
)


@dataclass(frozen=True, kw_only=True)
class Payments:
    """Rows in the order they are inserted."""

    vectors: np.ndarray
    """float64, shape (n, len(FEATURES))."""
    labels: np.ndarray
    """1 for fraud: int16, shape (n,)."""
    sides: np.ndarray
    """Names of `SIDES`: str, shape (n,)."""


def draw(rows: int = ROWS, seed: int = SEED) -> Payments:
    """The same payments for the same seed, whatever the version of NumPy.

    Only uniform and normal numbers are drawn, from a named generator, and all values are
    rounded: neither depends on how a library draws other distributions or on the last bit.
    """
    drawing = np.random.Generator(np.random.PCG64(seed))
    labels = (np.arange(rows) % 2).astype(np.int16)
    # Rows 2k and 2k + 1 share a side, one of each label; then all are shuffled.
    pairs = (np.arange(rows) // 2 + 0.5) / np.ceil(rows / 2)
    borders = np.cumsum(list(SIDES.values()))[:-1]
    sides = np.array(list(SIDES))[np.searchsorted(borders, pairs)]
    order = np.argsort(drawing.uniform(size=rows), kind="stable")
    return Payments(
        vectors=_vectors(drawing, labels[order]), labels=labels[order], sides=sides[order]
    )


def load(
    postgres: Postgres, dataset_version: str = VERSION, rows: int = ROWS, seed: int = SEED
) -> bool:
    """Insert a version's rows in one transaction; False if some are there already."""
    with postgres.connect() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7077303)")
        connection.execute(Path(__file__).with_suffix(".sql").read_bytes())
        known = "SELECT EXISTS (SELECT FROM fraud.training_vectors WHERE dataset_version = %s)"
        if connection.execute(known, [dataset_version]).fetchone() == (True,):
            return False
        statement = (
            "COPY fraud.training_vectors (dataset_version, split, raw_vector, label_index) "
            "FROM STDIN"
        )
        with connection.cursor().copy(statement) as copy:
            for row in _rows(draw(rows, seed)):
                copy.write_row((dataset_version, *row))
    with postgres.connect(autocommit=True) as connection:
        connection.execute("ANALYZE fraud.training_vectors")
    log.info("loaded fraud.training_vectors: %s synthetic rows", f"{rows:,}")
    return True


def _vectors(drawing: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """float64, shape (len(labels), len(FEATURES))."""
    rows = len(labels)

    def shifted(by: float) -> np.ndarray:
        """Normal, with frauds `by` standard deviations further on."""
        return drawing.normal(size=rows) + by * labels

    night = drawing.uniform(size=rows) < np.where(labels == 1, 0.45, 0.1)
    hours = drawing.uniform(size=rows)
    columns = {
        "amount_cents": np.round(50_000 * _squashed(1.3 * shifted(0.8) - 1.7)),
        "merchant_risk": np.round(_squashed(shifted(0.8) - 0.4), 4),
        "hour": np.floor(np.where(night, 6 * hours, 6 + 18 * hours)),
        "distance_km": np.round(80 * _squashed(shifted(0.75) - 2.2), 2),
        "account_age_years": np.round(25 * _squashed(-1.6 - shifted(0.8)), 3),
        "payments_last_day": np.round(40 * _squashed(0.8 * shifted(0.75) - 1.8)),
        "days_since_last": np.round(30 * _squashed(-2.0 - shifted(0.75)), 3),
        "declines_last_week": np.floor(20 * _squashed(shifted(0.7) - 2.4)),
    }
    return np.column_stack([columns[name] for name in FEATURES])


def _squashed(values: np.ndarray) -> np.ndarray:
    """Between 0 and 1, by the logistic function."""
    return 1 / (1 + np.exp(-values))


def _rows(payments: Payments) -> Iterator[tuple[str, list[float], int]]:
    """split, raw_vector and label_index of each row."""
    columns = (payments.sides, payments.vectors, payments.labels)
    return zip(*(column.tolist() for column in columns), strict=True)
