"""The release: the winner as a bundle that scores raw rows by itself, and its model card."""

from pathlib import Path

import dagster as dg

from assets.checks import checked
from assets.recording import materialized
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.errors import BundleError
from plumbline.network.training import TrainedNetwork
from plumbline.release.building import build
from plumbline.release.bundle import load_bundle
from plumbline.release.description import Release
from plumbline.release.scaler import require_registered
from plumbline.spec import PipelineSpec
from plumbline.split import ledger, seen


def release_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "release",
        _release,
        after=["evaluation"],
        kinds={"bundle"},
        description="The winner as a folder that scores raw rows, with its model card.",
        checks={"golden_rows": "The published bundle loads and reproduces its golden rows."},
    )


def _release(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make("release", lambda folder: _build(bench, folder))
    location = made.folder / "bundle"
    check = _golden_check(bench.spec, location, reused=made.reused)
    if check.passed:
        _record(bench, location)
    return materialized(
        bench,
        "release",
        folder=made.folder,
        reused=made.reused,
        checks=[check],
        metadata={
            "bundle": dg.MetadataValue.path(bench.store.location_of(location)),
            "winner": bench.evaluation.winner,
            "model_version": bench.winner.model_version,
            "model_card": dg.MetadataValue.md((location / "card.md").read_text("utf-8")),
        },
    )


def _record(bench: Workbench, location: Path) -> None:
    bench.registry.record(
        "bundles",
        volatile=["location"],
        bundle_version=bench.chain.version("release"),
        model_version=bench.winner.model_version,
        verdict_version=bench.chain.version("evaluation"),
        location=bench.store.location_of(location),
        **bench.identity,
    )


def _build(bench: Workbench, folder: Path) -> None:
    (folder / "bundle").mkdir()
    winner = bench.winner
    release = Release(
        spec=bench.spec,
        split=bench.split,
        normalization=bench.normalization,
        predictor=winner.predictor(),
        evaluation=bench.evaluation,
        versions={
            "normalization_version": bench.chain.normalization,
            "split_version": bench.chain.split,
            "model_version": winner.model_version,
            "evaluation_version": bench.chain.version("evaluation"),
            "bundle_version": bench.chain.version("release"),
        },
        findings=winner.findings if isinstance(winner, TrainedNetwork) else None,
        test_reads=ledger.test_reads(bench.registry, bench.spec.name, bench.dataset_version),
        root=bench.root,
    )
    require_registered(build(release, folder / "bundle"), bench.registry)
    # Beside the bundle, not in it: a bundle leaves the house, and digests of keys need not.
    seen.write(bench.split, folder)


def _golden_check(spec: PipelineSpec, location: Path, *, reused: bool) -> dg.AssetCheckResult:
    """Load the bundle as a server would.

    A bundle that is there already was loaded when it was published, its bytes have just
    been verified, and other software would have led to another bundle.
    """
    problem = None
    try:
        if not reused:
            load_bundle(location)
    except BundleError as error:
        problem = str(error)
    return checked(
        asset_key=key(spec, "release"),
        check_name="golden_rows",
        passed=problem is None,
        description=problem or "hashes and golden rows agree",
    )
