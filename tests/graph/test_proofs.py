"""The proofs as Dagster runs them, and as `plumbline prove` does."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from click.testing import CliRunner
from small_pipeline import run, small_spec

from assets import agreement
from assets.resources import PlumblineResource
from pipelines.cli import main
from plumbline.baselines import boosted_trees, leakage
from plumbline.network import reproducibility
from plumbline.normalization import apply
from plumbline.normalization.fit import fit
from plumbline.spec import PipelineSpec
from plumbline.split.rows import TRAIN

DATA = ["snapshot", "split", "normalization"]
TREES = ["random_forest", "xgboost"]
SPEC = small_spec()


def checks_of(
    result: dg.ExecuteInProcessResult,
) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    return {
        (one.asset_key.path[-1], one.check_name): one
        for one in result.get_asset_check_evaluations()
        if one.asset_key.path[-1] in (*TREES, "normalization") and one.check_name != agreement.CHECK
    }


@pytest.fixture(scope="module")
def proved(project: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return run(SPEC, project, instance, selection=[*DATA, *TREES])


def test_every_proof_holds_and_says_on_what(proved):
    assert proved.success
    found = checks_of(proved)
    assert set(found) == {
        ("normalization", "leakage_proof"),
        ("normalization", "independent_statistics"),
        ("normalization", "scaled_range"),
        ("random_forest", "leakage_proof"),
        ("xgboost", "leakage_proof"),
    }
    assert all(one.passed and one.description for one in found.values())
    differences = found["normalization", "independent_statistics"].metadata["largest_differences"]
    assert "| mean |" in str(differences.value)


def test_proofs_are_run_again_when_nothing_is_redone(proved, project, instance):
    again = run(SPEC, project, instance, selection=[*DATA, *TREES])
    assert set(checks_of(again)) == set(checks_of(proved))
    events = again.get_asset_materialization_events()
    assert all(event.materialization.metadata["reused"].value for event in events)


def test_values_that_nothing_scales_are_a_warning_that_blocks_nothing(project, instance):
    spec = small_spec(normalization={"method": "none"})
    result = run(spec, project, instance, selection=[*DATA, "xgboost"])
    assert result.success
    warned = checks_of(result)["normalization", "scaled_range"]
    assert not warned.passed
    assert warned.severity == dg.AssetCheckSeverity.WARN
    assert "age (499)" in str(warned.description)
    assert "| age |" in str(warned.metadata["beyond"].value)
    assert ("xgboost", "leakage_proof") in checks_of(result)


def test_a_fit_on_all_rows_blocks_what_follows(project, instance, monkeypatch):
    def on_all_rows(train, *rest):
        everything = np.full(train.snapshot.rows, TRAIN, dtype=np.int8)
        object.__setattr__(train, "assignment", everything)
        return fit(train, *rest)

    monkeypatch.setattr(apply, "fit", on_all_rows)
    spec = small_spec(normalization={"max_categories": 7})  # not made by another test
    result = run(spec, project, instance, selection=[*DATA, *TREES])
    assert not result.success
    found = checks_of(result)
    assert not found["normalization", "leakage_proof"].passed
    assert not found["normalization", "independent_statistics"].passed
    assert not {stage for stage, _ in found} & set(TREES)


def test_a_leaking_baseline_blocks_what_follows(project, instance, monkeypatch):
    def leaking(train, normalization, seed):
        assignment = np.zeros_like(train.assignment)
        object.__setattr__(train, "assignment", assignment)
        return boosted_trees.fit(train, normalization, seed)

    honest = leakage._honest
    fits = {"xgboost": leaking}
    monkeypatch.setattr(leakage, "_honest", lambda kind, room: fits.get(kind) or honest(kind, room))
    result = run(SPEC, project, instance, selection=[*DATA, *TREES])
    found = checks_of(result)
    assert found["random_forest", "leakage_proof"].passed
    assert not found["xgboost", "leakage_proof"].passed
    assert not result.success


def prove(project: Path, monkeypatch: pytest.MonkeyPatch, *words: str, spec: PipelineSpec = SPEC):
    def workbench(name: str, version: str | None):
        assert (name, version) == ("visits", "v1")
        return PlumblineResource().open(spec, project, "v1")

    monkeypatch.setattr("pipelines.commands.shared.workbench", workbench)
    return CliRunner().invoke(main, ["prove", "visits", "--dataset-version", "v1", *words])


@pytest.mark.parametrize("words", [(), ("--full",)])
def test_the_command_proves_it_again(proved, project, monkeypatch, words):
    result = prove(project, monkeypatch, *words)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.output.splitlines()[1:]]
    assert [line[:3] for line in lines] == [
        ["normalization", "leakage_proof", "holds"],
        ["normalization", "independent_statistics", "holds"],
        ["normalization", "scaled_range", "holds"],
        ["floor", "leakage_proof", "holds"],
        ["random_forest", "leakage_proof", "holds"],
        ["xgboost", "leakage_proof", "holds"],
    ]
    others = 2000 - PlumblineResource().open(SPEC, project, "v1").split.counts["train"]
    assert (f"with {others:,} other rows spoilt" in " ".join(lines[-2])) == bool(words)


def test_the_command_fails_with_a_proof(proved, project, monkeypatch):
    honest = leakage.prove

    def failing(*arguments, **options):
        return replace(honest(*arguments, **options), passed=False)

    monkeypatch.setattr(leakage, "prove", failing)
    result = prove(project, monkeypatch)
    assert result.exit_code == 1
    assert result.output.count("FAILED") == 3


def test_the_command_says_what_is_missing(proved, project, monkeypatch):
    result = prove(project, monkeypatch, spec=small_spec(normalization={"method": "robust"}))
    assert result.exit_code == 1
    assert "materialize visits/normalization" in result.output


def test_the_command_trains_the_network_twice(proved, project, monkeypatch):
    result = prove(project, monkeypatch, "--network", "--epochs", "1")
    assert result.exit_code == 0, result.output
    assert "two trainings of 1 epochs gave equal weights" in " ".join(result.output.split())
    bench = PlumblineResource().open(SPEC, project, "v1")
    folder = bench.store.folder("visits", "network", bench.chain.version("network"))
    told = reproducibility.recorded(folder)
    assert told is not None
    assert told["tier"] == "bitwise"


@pytest.mark.parametrize(
    ("deterministic", "expected"), [(True, (1, "FAILED")), (False, (0, "holds"))]
)
def test_a_network_that_comes_out_otherwise_fails_where_it_promised_not_to(
    proved, project, monkeypatch, deterministic, expected
):
    found = reproducibility.Reproducibility(
        tier="statistical",
        weights_differ=0.2,
        scores_differ=0.01,
        metrics={},
        tolerance=reproducibility.TOLERANCE,
        epochs=3,
        deterministic=deterministic,
        circumstances={},
        seconds=1.0,
    )
    monkeypatch.setattr(reproducibility, "measured", lambda *_: found)
    network = {"widths": [8], "deterministic": deterministic}
    result = prove(project, monkeypatch, "--network", spec=small_spec(network=network))
    code, status = expected
    assert result.exit_code == code
    assert status in result.output
    assert "weights differ by up to 2.0e-01" in " ".join(result.output.split())
