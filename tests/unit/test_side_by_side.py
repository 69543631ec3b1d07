"""Dataset versions side by side, from a registry's rows."""

import datetime as dt
from typing import Any

from plumbline.side_by_side import side_by_side

AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


class Rows:
    """As `Registry` hands rows out: in the order they were recorded."""

    def __init__(self, **tables: list[dict[str, Any]]):
        self._tables = tables

    def rows(self, table: str, **wanted: Any) -> list[dict[str, Any]]:
        kept = (one for one in self._tables[table] if wanted.items() <= one.items())
        return list(kept)

    def one(self, table: str, **wanted: Any) -> dict[str, Any] | None:
        return next(iter(self.rows(table, **wanted)), None)


def test_the_last_evaluation_counts_and_the_newest_version_comes_first():
    frozen = [
        {"pipeline": "p", "dataset_version": name, "frozen_at": AT, "row_count": count}
        for name, count in (("v1", 10), ("v2", 20), ("v3", 30))
    ]
    verdicts = [
        {
            "pipeline": "p",
            "dataset_version": "v2",
            "stage": "evaluation",
            "verdict_version": version,
            "decision": decision,
            "evidence": {"winner": winner, "comparison": {"metric": "auc"}},
        }
        for version, decision, winner in (("e1", "BASELINE", "xgboost"), ("e2", "NETWORK", "net"))
    ]
    scores = [
        {
            "evaluation_version": version,
            "metric": "auc",
            "split": "test",
            "model_version": "m",
            "value": value,
        }
        for version, value in (("e1", 0.7), ("e2", 0.8))
    ]
    registry: Any = Rows(
        dataset_versions=frozen,
        verdicts=verdicts,
        evaluations=scores,
        model_versions=[{"model_version": "m", "kind": "net"}],
    )
    newest, evaluated = side_by_side(registry, "p", shown=2)
    assert newest["dataset version"] == "v3"
    assert (newest["verdict"], newest["winner"]) == ("none yet", "")
    assert evaluated == {
        "dataset version": "v2",
        "frozen": "2026-03-01 12:00",
        "rows": 20,
        "verdict": "NETWORK",
        "winner": "net",
        "test auc: net": 0.8,
    }
