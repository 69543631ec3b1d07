"""The small pipeline with its store in a bucket: as on a path, on every machine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from s3_server import Server, environment
from small_pipeline import make_source, run, small_spec

from assets.workbench import Workbench
from plumbline.extract.snapshot import DATA
from plumbline.history import trace as history
from plumbline.history.erasure import erasure
from plumbline.promotion.aliases import bundle_location
from plumbline.registry import Registry
from plumbline.scoring.files import score_file
from plumbline.stages import stages
from plumbline.store import ArtifactStore, bucket, files_of
from plumbline.verification import verify
from plumbline.versions import DatasetVersion

SPEC = small_spec()
FITTED = ("split", "normalization")


@pytest.fixture(scope="module")
def machine(tmp_path_factory, module_postgres) -> Iterator[Callable[[str], ArtifactStore]]:
    """Opens the bucket from a machine of that name, whose cache is empty at first."""
    server = Server(tmp_path_factory.mktemp("s3") / "server")
    server.start()
    url = server.make_bucket("tests")
    caches = tmp_path_factory.mktemp("caches")
    bucket._client.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server.address).items():
            patch.setenv(name, value)
        patch.setenv("DATABASE_URL", module_postgres.url)
        patch.setenv("PLUMBLINE_STORE", f"{url}/plumbline")

        def opened(name: str) -> ArtifactStore:
            patch.setenv("PLUMBLINE_STORE_CACHE", str(caches / name))
            return ArtifactStore.at(f"{url}/plumbline")

        yield opened
    server.stop()


@pytest.fixture(scope="module")
def root(module_postgres, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    make_source(module_postgres, folder, rows=1200)
    return folder


@pytest.fixture(scope="module")
def registry(module_postgres) -> Registry:
    return Registry.open(module_postgres)


@pytest.fixture(scope="module")
def made(machine, root, instance) -> dict[str, dg.AssetMaterialization]:
    """What a run on the machine `first` recorded, by stage."""
    machine("first")
    return materializations(run(SPEC, root, instance))


def materializations(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetMaterialization]:
    assert result.success
    return {
        event.materialization.asset_key.path[-1]: event.materialization
        for event in result.get_asset_materialization_events()
    }


def _artifact(materialization: dg.AssetMaterialization) -> tuple[str, str, str]:
    pipeline, stage, version = materialization.metadata["artifact"].value.split("/")[-3:]
    return pipeline, stage, version


def test_versions_and_bytes_are_those_on_a_path(
    made, machine, root, instance, module_postgres, registry, tmp_path, monkeypatch
):
    monkeypatch.setenv("PLUMBLINE_STORE", str(tmp_path))
    materializations(run(SPEC, root, instance, selection=["snapshot", *FITTED]))
    bench = Workbench(
        spec=SPEC,
        root=root,
        dataset_version=DatasetVersion("v1"),
        postgres=module_postgres,
        registry=registry,
        store=ArtifactStore.at(tmp_path),
    )
    # A comparison's version names the champion, too, and the small pipeline has no more seeds.
    chained = {stage: bench.chain.version(stage) for stage in stages(SPEC) if stage in made}
    for stage in chained.keys() - {"snapshot", "promotion", "network_seeds"}:
        assert _artifact(made[stage]) == ("visits", stage, chained[stage])
    store = machine("first")
    snapshot = files_of(store.get(*_artifact(made["snapshot"])))
    assert snapshot[DATA] == files_of(bench.snapshot.folder)[DATA]
    for stage in FITTED:
        assert files_of(store.get(*_artifact(made[stage]))) == files_of(bench.folder(stage))


def test_another_machine_redoes_nothing(made, machine, root, instance):
    machine("second")
    selection = ["snapshot", *FITTED, "random_forest", "network", "evaluation", "release"]
    again = materializations(run(SPEC, root, instance, selection=selection))
    assert all(one.metadata["reused"].value for one in again.values())
    assert [_artifact(one) for one in again.values()] == [_artifact(made[one]) for one in again]


def test_the_bucket_verifies_from_an_empty_cache(made, machine, root, registry):
    store = machine("third")
    found = list(verify(SPEC, "v1", registry, store, root))
    assert {one.status for one in found} <= {"verified", "absent"}
    assert {one.stage for one in found if one.status == "verified"} >= {"snapshot", "release"}
    assert all(one.location.startswith(f"{store.address}/visits/") for one in found)


def test_a_release_scores_on_another_machine(made, machine, registry, tmp_path):
    store = machine("fourth")
    version = made["release"].metadata["data_version"].value
    bundle = bundle_location(registry, f"visits@{version[:12]}", store)
    assert bundle.is_relative_to(store.root)
    rows = store.get(*_artifact(made["snapshot"])) / DATA
    score_file(bundle, rows, tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored.num_rows == 1200
    assert set(scored["model_version"].to_pylist()) == {
        made["release"].metadata["model_version"].value
    }


def test_a_row_is_traced_and_its_erasure_names_the_bucket(made, machine, registry):
    store = machine("fifth")
    keys = history.asked(SPEC, registry, given=[{"visit_id": "7"}])
    traced = history.trace(SPEC, keys, registry, store)
    assert [one["state"] for one in (*traced.datasets, *traced.splits)] == ["read", "read"]
    report = erasure(traced, SPEC, store.holds)
    assert {"snapshot", "split", "bundle"} <= {one["what"] for one in report.copies}
    places = [one["where"] for one in report.copies if one["what"] != "training features"]
    assert all(store.holds(place) for place in places)
    assert all(place.startswith(f"{store.address}/visits/") for place in places)
