"""The evaluation: candidates on val, then one counted look at the test split, and a verdict."""

from pathlib import Path

import dagster as dg

from assets.recording import materialized, picture, table
from assets.stage import stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import evaluate
from plumbline.spec import PipelineSpec
from plumbline.split import ledger


def evaluation_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "evaluation",
        _evaluate,
        after=["random_forest", "xgboost", "network"],
        kinds={"numpy"},
        description="NETWORK, BASELINE or INCONCLUSIVE, on identical test rows.",
    )


def _evaluate(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make(
        "evaluation",
        lambda folder: evaluate.build(
            _candidates(bench),
            bench.split,
            bench.normalization,
            bench.spec.evaluation,
            lambda: _open_test(bench),
            folder,
        ),
    )
    evaluation = bench.evaluation
    _record(bench, evaluation)
    return materialized(
        bench,
        "evaluation",
        folder=made.folder,
        reused=made.reused,
        metadata={
            "decision": evaluation.decision,
            "reason": evaluation.reason,
            "winner": evaluation.winner,
            "test_reads": _test_reads(bench),
            **{
                f"test_{evaluation.metric}_{kind}": scores["test"][evaluation.metric]["value"]
                for kind, scores in evaluation.candidates.items()
            },
            "scores": table(evaluate.summary(evaluation)),
            **{
                path.stem: picture(path.read_bytes())
                for path in sorted((made.folder / "figures").glob("*.png"))
            },
        },
    )


def _candidates(bench: Workbench) -> list[evaluate.Candidate]:
    return [
        evaluate.Candidate(
            kind=model.training["kind"],
            model_version=model.model_version,
            predictor=model.predictor(),
            val_scores=model.val_scores(),
        )
        for model in bench.candidates
    ]


def _open_test(bench: Workbench):
    return ledger.open_test(
        bench.split,
        bench.registry,
        model_versions=[model.model_version for model in bench.candidates],
        purpose=f"evaluation {bench.chain.version('evaluation')[:12]}",
    )


def _test_reads(bench: Workbench) -> int:
    return ledger.test_reads(bench.registry, bench.spec.name, bench.dataset_version)


def _record(bench: Workbench, evaluation: evaluate.Evaluation) -> None:
    bench.record_verdict(
        "evaluation",
        evaluation,
        {
            "gate": bench.chain.version("baseline_gate"),
            "split_version": bench.chain.split,
            "winner": evaluation.winner,
            "comparison": evaluation.comparison,
        },
    )
    version = bench.chain.version("evaluation")
    for row in evaluate.rows(evaluation):
        bench.registry.record("evaluations", evaluation_version=version, **row, **bench.identity)
