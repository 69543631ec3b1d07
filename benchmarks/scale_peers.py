"""What people use instead, on the same rows, each in a process of its own; for scale.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RESAMPLES = 500
"""Of the bootstrap: as many as an evaluation has unless declared."""
SHARE = 0.15
"""Of the rows, those that are tested on."""


def read_sql(url: str, rows: int, _: Path) -> None:
    """pandas reads the table in its order, into memory."""
    import pandas as pd
    import sqlalchemy as sa

    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        pd.read_sql(sa.text(f"SELECT * FROM scale.wide_{rows} ORDER BY id"), connection)


def train_test_split(_: str, __: int, data: Path) -> None:
    """scikit-learn parts the rows in three, shuffled, with equal shares of labels."""
    import pandas as pd
    from sklearn.model_selection import train_test_split as parted

    frame = pd.read_parquet(data)
    rest: Any = parted(frame, test_size=SHARE, stratify=frame["label"], random_state=0)[0]
    parted(rest, test_size=SHARE / (1 - SHARE), stratify=rest["label"], random_state=0)


def standard_scaler(_: str, __: int, data: Path) -> None:
    """scikit-learn scales the numbers; without categories, NULLs, vocabularies and proofs."""
    import pandas as pd
    from sklearn.preprocessing import StandardScaler

    StandardScaler().fit_transform(pd.read_parquet(data).select_dtypes("number"))


def bootstrapped_auc(_: str, rows: int, __: Path) -> None:
    """scikit-learn's AUC of one model on resamples of the test rows: one metric of one score."""
    from sklearn.metrics import roc_auc_score

    random, count = np.random.default_rng(0), int(rows * SHARE)
    labels = random.random(count) < 0.5
    scores = labels + random.normal(size=count)
    for _resample in range(RESAMPLES):
        drawn = random.integers(0, count, count)
        roc_auc_score(labels[drawn], scores[drawn])


PEERS: dict[str, tuple[str, Callable[[str, int, Path], None]]] = {
    "snapshot": ("pandas.read_sql", read_sql),
    "split": ("train_test_split", train_test_split),
    "normalization": ("StandardScaler", standard_scaler),
    "evaluation": (f"roc_auc_score, {RESAMPLES} resamples", bootstrapped_auc),
}
"""By stage: its name, and what it does with the server, the number of rows and the Parquet file."""
