"""A bundle made from PostgreSQL scores in another process, elsewhere, without any of it."""

import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from plumbline.baselines import training
from plumbline.chain import Chain
from plumbline.errors import BundleError
from plumbline.evaluation import evaluate
from plumbline.extract.features import feature_table
from plumbline.extract.freeze import freeze
from plumbline.extract.query import read_query
from plumbline.normalization import apply, parameters
from plumbline.postgres import Postgres
from plumbline.registry import Registry
from plumbline.release.building import build
from plumbline.release.bundle import load_bundle
from plumbline.release.description import Release
from plumbline.release.opened import Bundle
from plumbline.release.scaler import require_registered
from plumbline.scoring.files import score_file
from plumbline.scoring.snapshots import PREDICTIONS, score_snapshot
from plumbline.spec import PipelineSpec
from plumbline.split import ledger, split
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion

PROJECT = Path(__file__).parents[2]

TABLE = """
CREATE TABLE loans AS
SELECT g::bigint                                            AS loan,
       CASE WHEN g % 9 > 0 THEN (g * 7919 % 1000)::numeric(12, 3) / 8 END AS amount,
       (g % 40 / 10.0)::numeric(6, 2)                       AS grade,
       CASE WHEN g % 7 > 0 THEN (g % 13 / 3.0)::real END    AS ratio,
       (ARRAY['NA', 'None', 'Köln, am Rhein', '', NULL, 'two' || chr(10) || 'lines'])[g % 6 + 1]
                                                            AS city,
       g % 5 = 0                                            AS member,
       date '2024-01-01' + (g % 20)::int                    AS opened,
       (g * 7919 % 1000) + 300 * (g % 6) + 200 * sin(g) > 1250 AS defaulted
FROM generate_series(1, 900) AS g
"""

SPEC = {
    "name": "loans",
    "source": {
        "sql": "loans.sql",
        "key": ["loan"],
        "label": "defaulted",
        "kinds": {"grade": "category", "opened": "category"},
    },
    "evaluation": {"resamples": 100},
}


@pytest.fixture(scope="module")
def made(module_postgres: Postgres, tmp_path_factory) -> tuple[Bundle, Path, Path]:
    """The winner's bundle, its predictions, and its rows as PostgreSQL writes CSV."""
    root = tmp_path_factory.mktemp("loans")
    with module_postgres.connect() as connection:
        connection.execute(TABLE)
    (root / "loans.sql").write_text("SELECT * FROM loans")
    published = _published(module_postgres, root)
    predictions = root / "predictions"
    predictions.mkdir()
    loaded = load_bundle(published / "bundle")
    score_snapshot(loaded, _frozen(module_postgres, root)[0], predictions)
    return loaded, predictions / PREDICTIONS, _copied(module_postgres, root)


def _frozen(postgres: Postgres, root: Path):
    spec = PipelineSpec.model_validate(SPEC)
    registry, store = Registry.open(postgres), ArtifactStore.at(root / "store")
    frozen, _ = freeze(
        spec,
        dataset_version="v1",
        query=read_query(spec, root),
        postgres=postgres,
        registry=registry,
        store=store,
    )
    return frozen, spec, registry, store


def _published(postgres: Postgres, root: Path) -> Path:
    snapshot, spec, registry, store = _frozen(postgres, root)
    chain = Chain(spec=spec, dataset_version=DatasetVersion("v1"), digest=snapshot.digest)

    def make(stage, write):
        return store.publish(spec.name, stage, chain.version(stage), write)

    sides = split.load(
        make("split", lambda folder: split.build(snapshot, spec, folder)),
        snapshot,
        spec,
        chain.split,
    )
    registry.record("split_versions", **split.row(sides, spec))
    features, options = feature_table(snapshot, spec), spec.normalization
    fitted = apply.load(
        make(
            "normalization",
            lambda folder: apply.build(
                sides.train(), features, options, chain.normalization, folder
            ),
        )
    )
    registry.record("normalization_params", **parameters.row(fitted, spec.name, "v1", chain.split))

    def train(folder):
        training.build(
            "random_forest", sides.train(), sides.validation(), fitted, spec.baselines, folder
        )

    forest = training.load(make("random_forest", train), chain.model("random_forest"))
    candidate = evaluate.Candidate(
        kind="random_forest",
        model_version=forest.model_version,
        predictor=forest.predictor(),
        val_scores=forest.val_scores(),
    )

    def open_test():
        return ledger.open_test(
            sides, registry, model_versions=[forest.model_version], purpose="test"
        )

    evaluated = make(
        "evaluation",
        lambda folder: evaluate.build(
            [candidate], sides, fitted, spec.evaluation, open_test, folder
        ),
    )

    def release(folder):
        (folder / "bundle").mkdir()
        made = Release(
            spec=spec,
            split=sides,
            normalization=fitted,
            predictor=forest.predictor(),
            evaluation=evaluate.load(evaluated),
            versions={
                "split_version": chain.split,
                "normalization_version": chain.normalization,
                "model_version": forest.model_version,
                "evaluation_version": chain.version("evaluation"),
                "bundle_version": chain.version("release"),
            },
            test_reads=ledger.test_reads(registry, spec.name, "v1"),
            root=root,
        )
        require_registered(build(made, folder / "bundle"), registry)

    return make("release", release)


def _copied(postgres: Postgres, root: Path) -> Path:
    path = root / "loans.csv"
    query = "COPY (SELECT * FROM loans ORDER BY loan) TO STDOUT (FORMAT csv, HEADER)"
    with (
        postgres.connect() as connection,
        connection.cursor().copy(query) as copy,
        path.open("wb") as file,
    ):
        file.writelines(bytes(block) for block in copy)
    return path


def _elsewhere(script: str, folder: Path) -> subprocess.CompletedProcess:
    """Run Python in an empty folder, without a database or a store."""
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and not name.startswith(("PLUMBLINE_", "DAGSTER_"))
    }
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**surroundings, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_another_process_scores_a_copy_of_the_table_as_the_snapshot_was(made, tmp_path):
    loaded, predictions, rows = made
    script = f"""
import sys
from pathlib import Path
from plumbline.scoring.files import score_file
outcome = score_file(Path({str(loaded.folder)!r}), Path({str(rows)!r}), Path("scored.parquet"))
print(outcome.scored)
print(sorted({{"dagster", "tensorflow", "keras", "jax", "xgboost"}} & sys.modules.keys()))
"""
    ran = _elsewhere(script, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split("\n")[:2] == ["900", "[]"]
    scored, expected = pq.read_table(tmp_path / "scored.parquet"), pq.read_table(predictions)
    assert [int(loan) for loan in scored["loan"].to_pylist()] == expected["loan"].to_pylist()
    assert np.array_equal(scored["score"].to_numpy(), expected["score"].to_numpy())
    assert np.ptp(expected["score"].to_numpy()) > 0.5
    assert {path.name for path in tmp_path.iterdir()} == {"scored.parquet"}


def test_where_a_process_was_killed_another_goes_on(made, tmp_path):
    loaded, _, rows = made
    script = f"""
import os, signal
from pathlib import Path
from plumbline.release.opened import Bundle
from plumbline.scoring import files
score, calls = Bundle.score, []
def dying(*arguments, **options):
    calls.append(1)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return score(*arguments, **options)
Bundle.score = dying
folder, rows = Path({str(loaded.folder)!r}), Path({str(rows)!r})
files.score_file(folder, rows, Path("scored.parquet"), rows=100)
"""
    assert _elsewhere(script, tmp_path).returncode == -9
    assert {path.name for path in tmp_path.iterdir()} == {".scored.parquet.scoring"}
    scored, whole = tmp_path / "scored.parquet", tmp_path / "whole.parquet"
    assert score_file(loaded.folder, rows, scored, rows=100).resumed == 300
    assert score_file(loaded.folder, rows, whole, rows=100).resumed == 0
    assert scored.read_bytes() == whole.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"scored.parquet", "whole.parquet"}


def test_the_card_and_the_manifest_carry_the_registry_s_versions(made, module_postgres):
    loaded, _, _ = made
    dataset = Registry.open(module_postgres).one("dataset_versions", pipeline="loans")
    assert dataset is not None
    assert loaded.manifest.versions.digest == dataset["digest"]
    card = (loaded.folder / "card.md").read_text("utf-8")
    for version in vars(loaded.manifest.versions).values():
        assert f"`{version}`" in card
    assert "opened so far: 1 time(s)" in card
    assert {one.name: (one.postgres_type, one.arrow_type) for one in loaded.manifest.inputs} == {
        "amount": ("numeric", "string"),
        "grade": ("numeric", "string"),
        "ratio": ("real", "float"),
        "city": ("text", "string"),
        "member": ("boolean", "bool"),
        "opened": ("date", "date32[day]"),
    }


def test_a_bundle_with_another_scaler_row_is_refused(made, module_postgres):
    """Such a bundle is consistent in itself: only the registry tells."""
    loaded, registry = made[0], Registry.open(module_postgres)
    require_registered(loaded, registry)

    def refusal(**changed) -> str:
        record = {**loaded.normalization.to_json(), **changed}
        other = parameters.Normalization.from_json(record)
        with pytest.raises(BundleError) as refused:
            require_registered(replace(loaded, normalization=other), registry)
        return str(refused.value)

    record = loaded.normalization.to_json()
    amount, ratio = record["numeric"][0], record["numeric"][1:]
    scale = math.nextafter(amount["scale"], 1e9)
    assert re.search(
        rf"differs from row \w+ of normalization_params in scale of 'amount': {scale!r} instead of",
        refusal(numeric=[{**amount, "scale": scale}, *ratio]),
    )
    first, *others = record["categories"]
    swapped = {**first, "values": first["values"][::-1]}
    assert f"in values of {first['name']!r}: " in refusal(categories=[swapped, *others])
    assert "in numeric: []" in refusal(numeric=[])
    assert "in dropped: {'x': 'y'}" in refusal(dropped={"x": "y"})
    assert "which normalization_params does not have" in refusal(version="another")
