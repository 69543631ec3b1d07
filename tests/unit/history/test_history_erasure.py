"""What follows from a trace: what is made again, what stays, what holds copies."""

from dataclasses import replace
from pathlib import Path

import pytest
from snapshots import spec_of

from plumbline.history.erasure import Erasure, erasure
from plumbline.history.trace import Trace

SIDES = {"train": [], "val": [], "test": [], "excluded": []}


def _trace(
    store: Path, *, state: str = "read", golden: tuple[int, ...] = (), **sides: list[int]
) -> Trace:
    """One key through one chain: a forest that was released, and a network."""
    keys = sorted(key for side in sides.values() for key in side)
    placed = SIDES | sides
    known = state == "read"
    folders = {
        name: store / "tested" / name / "1"
        for name in (
            "snapshot",
            "split",
            "normalization",
            "random_forest",
            "network",
            "evaluation",
            "release",
            "predictions",
        )
    }
    for folder in folders.values():
        folder.mkdir(parents=True)
    seen = {
        "dataset_version": "v1",
        "split_version": "split-1",
        "sides_known": known,
        "fitted_on": placed["train"],
        "chosen_by": placed["val"],
    }
    return Trace(
        pipeline="tested",
        keys=[{"id": "7"}],
        datasets=[
            {
                "dataset_version": "v1",
                "state": "read",
                "found": keys,
                "folder": str(folders["snapshot"]),
            }
        ],
        splits=[
            {
                "split_version": "split-1",
                "state": state,
                "sides": placed,
                "folder": str(folders["split"]),
            }
        ],
        normalizations=[
            {
                "normalization_version": "normalization-1",
                **seen,
                "folder": str(folders["normalization"]),
            }
        ],
        models=[
            {"model_version": f"{kind}-1", "kind": kind, **seen, "folder": str(folders[kind])}
            for kind in ("random_forest", "network")
        ],
        evaluations=[
            {
                "evaluation_version": "evaluation-1",
                "models": ["random_forest-1", "network-1"],
                **seen,
                "judged_by": placed["test"],
                "folder": str(folders["evaluation"]),
            }
        ],
        bundles=[
            {
                "bundle_version": "bundle-1",
                "evaluation_version": "evaluation-1",
                "kind": "random_forest",
                **seen,
                "promotions": ["2026-01-01T00:00:00+00:00"],
                "current": True,
                "folder": str(folders["release"] / "bundle"),
            }
        ],
        golden=[
            {
                "bundle_version": "bundle-1",
                "state": "read",
                "found": list(golden),
                "file": str(folders["release"] / "bundle" / "golden.parquet"),
            }
        ],
        predictions=[
            {
                "predictions": "predictions-1",
                "rows": [{"key": key} for key in keys],
                "folder": str(folders["predictions"]),
            }
        ],
        training_features={"table": None, "state": "none is declared", "rows": []},
        audits=[],
        examples=[],
    )


def _steps(report: Erasure) -> list[tuple[str, str]]:
    return [(step["do"], step["what"]) for step in report.steps]


AGAIN = [
    ("delete", "rows at the source"),
    ("extract again", "dataset version"),
    ("fit again", "normalization"),
    ("train again", "random_forest"),
    ("train again", "network"),
    ("evaluate again", "evaluation"),
    ("release again", "bundle"),
    ("replace the promotion", "bundle"),
]
KEPT = [("delete", "predictions"), ("delete", "split"), ("delete", "snapshot")]


def test_a_training_row_touches_the_whole_chain(tmp_path):
    report = erasure(_trace(tmp_path, train=[0]), spec_of())
    deleted = ["predictions", "bundle", "random_forest", "network", "normalization"]
    assert _steps(report) == [
        *AGAIN,
        *(("delete", what) for what in [*deleted, "split", "snapshot"]),
    ]
    assert [step["step"] for step in report.steps] == list(range(1, len(report.steps) + 1))
    assert report.promotions[0]["bundle_version"] == "bundle-1"
    assert report.untouched == []
    assert {one["what"] for one in report.copies} == {"predictions", "split", "snapshot"}


def test_a_validation_row_touches_what_was_chosen_by_it(tmp_path):
    report = erasure(_trace(tmp_path, val=[0], golden=(0,)), spec_of())
    left_out = [("fit again", "normalization"), ("train again", "random_forest")]
    assert _steps(report) == [
        *(step for step in AGAIN if step not in left_out),
        ("delete", "predictions"),
        ("delete", "bundle"),
        ("delete", "split"),
        ("delete", "snapshot"),
    ]
    assert {one["what"] for one in report.untouched} == {"normalization", "random_forest"}
    assert "best epoch on val" in next(s["why"] for s in report.steps if s["what"] == "network")
    assert "thresholds" in next(s["why"] for s in report.steps if s["what"] == "evaluation")
    scores = [one["where"] for one in report.copies if one["what"] == "random_forest"]
    assert scores == [str(tmp_path / "tested" / "random_forest" / "1" / "val_scores.npy")]
    holds = {(one["what"], one["holds"].split(",")[0]) for one in report.copies}
    assert ("bundle", "the values that the model reads and the score") in holds
    assert (
        "random_forest",
        "score without key: nobody's once snapshot and split are gone",
    ) in holds


def test_a_test_row_touches_the_verdict_and_no_model(tmp_path):
    report = erasure(_trace(tmp_path, test=[0]), spec_of())
    assert _steps(report) == [
        *(step for step in AGAIN if step[0] not in ("fit again", "train again")),
        ("delete", "predictions"),
        ("delete", "evaluation"),
        ("delete", "split"),
        ("delete", "snapshot"),
    ]
    assert report.promotions[0]["why"] == "its evaluation is made again"
    assert len(report.untouched) == 3


def test_an_excluded_row_touches_no_model(tmp_path):
    report = erasure(_trace(tmp_path, excluded=[0]), spec_of())
    assert _steps(report) == [*AGAIN[:2], *KEPT]
    assert report.promotions == []
    assert {one["what"] for one in report.untouched} == {
        "normalization",
        "random_forest",
        "network",
        "evaluation",
        "bundle",
    }


def test_a_row_that_is_nowhere_asks_for_nothing(tmp_path):
    report = erasure(_trace(tmp_path), spec_of())
    assert (report.steps, report.copies, report.promotions) == ([], [], [])
    assert len(report.untouched) == 6


def test_what_cannot_be_told_is_made_again(tmp_path):
    report = erasure(_trace(tmp_path, state="not in the store"), spec_of())
    assert [step for step in AGAIN if step[0] != "extract again"] == _steps(report)
    assert all("on any side" in step["why"] for step in report.steps[1:5])


@pytest.mark.parametrize(
    ("state", "concerned"),
    [("read", 0), ("cannot hold these keys: another key", 0), ("not in the store", 1)],
)
def test_a_snapshot_that_is_gone_may_have_had_the_row(tmp_path, state, concerned):
    traced = _trace(tmp_path)
    (dataset,) = traced.datasets
    report = erasure(replace(traced, datasets=[{**dataset, "state": state}]), spec_of())
    assert [step["do"] for step in report.steps].count("extract again") == concerned


def test_what_is_gone_need_not_be_deleted(tmp_path):
    traced = _trace(tmp_path, train=[0])
    (tmp_path / "tested" / "network" / "1").rmdir()
    report = erasure(traced, spec_of())
    assert ("train again", "network") in _steps(report)
    assert ("delete", "network") not in _steps(report)


def test_rows_in_tables_are_deleted_there(tmp_path):
    sink = {
        "table": "public.features",
        "state": "read",
        "rows": [{"key": 0, "normalization_version": f"n{i}", "split": "train"} for i in (1, 2)],
    }
    audit = {
        "audit_version": "audit-1",
        "dataset_version": "v1",
        "findings": [{"finding": 2, "check": "duplicates", "found": [0]}],
        "folder": str(tmp_path / "absent"),
    }
    traced = replace(_trace(tmp_path, train=[0]), training_features=sink, audits=[audit])
    report = erasure(traced, spec_of())
    (step,) = [one for one in report.steps if "public.features" in one["where"]]
    assert step["do"] == "delete"
    assert len([one for one in report.copies if one["what"] == "training features"]) == 2
    assert ("audit", "table plumbline.findings, append-only") in [
        (one["what"], one["where"]) for one in report.copies
    ]
    assert ("delete", "audit") not in _steps(report)
    assert report.remaining[0] == {
        "table": "findings",
        "rows": 1,
        "holds": "the key, as an example",
    }
