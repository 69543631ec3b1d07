"""A pipeline's dataset versions side by side: what came of each, by the registry."""

from typing import Any

from plumbline.registry import Registry, Row

SHOWN = 20
"""Dataset versions in the table (count)."""


def side_by_side(registry: Registry, pipeline: str, shown: int = SHOWN) -> list[dict[str, Any]]:
    """One line per dataset version, the newest first, at most `shown`.

    Where a version was evaluated more than once, with other options, it is the last evaluation
    that counts. Cells are empty where there was none, or where a candidate had no part in it.
    """
    frozen = registry.rows("dataset_versions", pipeline=pipeline)[-shown:]
    lines = [_line(registry, row) for row in reversed(frozen)]
    columns = dict.fromkeys(name for line in lines for name in line)
    return [{name: line.get(name, "") for name in columns} for line in lines]


def _line(registry: Registry, dataset: Row) -> dict[str, Any]:
    at = {"pipeline": dataset["pipeline"], "dataset_version": dataset["dataset_version"]}
    line = {
        "dataset version": dataset["dataset_version"],
        "frozen": f"{dataset['frozen_at']:%Y-%m-%d %H:%M}",
        "rows": dataset["row_count"],
    }
    verdicts = registry.rows("verdicts", stage="evaluation", **at)
    if not verdicts:
        return {**line, "verdict": "none yet"}
    last, evidence = verdicts[-1], verdicts[-1]["evidence"]
    metric = evidence.get("comparison", {}).get("metric", "auc")
    scores = registry.rows(
        "evaluations", evaluation_version=last["verdict_version"], metric=metric, split="test"
    )
    kinds = (registry.one("model_versions", model_version=one["model_version"]) for one in scores)
    found = {
        f"test {metric}: {kind['kind']}": score["value"]
        for kind, score in zip(kinds, scores, strict=True)
        if kind
    }
    return {**line, "verdict": last["decision"], "winner": evidence.get("winner", ""), **found}
