"""How much a random split would flatter the demo's XGBoost.

Fits the same untuned XGBoost on the demo's snapshot under the declared temporal split and
under a random one, and scores each on its own validation rows, and the first on the test
rows as recorded. Run `make demo` first.
"""

import tempfile
from pathlib import Path

from pipelines.cli import DEMO_VERSION
from pipelines.launch import prepare_home
from pipelines.loading import pipeline
from plumbline.baselines import training
from plumbline.environment import store_location
from plumbline.extract.features import feature_table
from plumbline.extract.freeze import find_snapshot
from plumbline.normalization.fit import fit
from plumbline.postgres import postgres
from plumbline.registry import Registry
from plumbline.spec import HashSplit, PipelineSpec
from plumbline.split import split
from plumbline.store import ArtifactStore
from plumbline.summary import summary
from plumbline.versions import NormalizationVersion, SplitVersion


def random_split_auc(spec: PipelineSpec, registry: Registry, folder: Path) -> dict[str, float]:
    """Validation AUC of XGBoost when rows are split at random, with its interval."""
    randomly = spec.model_copy(update={"split": HashSplit()})
    store = ArtifactStore.at(store_location())
    snapshot = find_snapshot(spec.name, DEMO_VERSION, registry, store)
    split.build(snapshot, randomly, folder)
    sides = split.load(folder, snapshot, randomly, SplitVersion("random"))
    features = feature_table(snapshot, randomly)
    version = NormalizationVersion("random")
    fitted = fit(sides.train(), features, randomly.normalization, version)
    (folder / "model").mkdir()
    training.build(
        "xgboost", sides.train(), sides.validation(), fitted, spec.baselines, folder / "model"
    )
    return training.load(folder / "model", "random").training["val"]["auc"]


def main() -> None:
    prepare_home()
    registry = Registry.open(postgres())
    spec = pipeline("flights")
    facts = summary(registry, spec.name, DEMO_VERSION)
    (temporal,) = (one for one in facts["candidates"] if one["kind"] == "xgboost")
    with tempfile.TemporaryDirectory() as folder:
        randomly = random_split_auc(spec, registry, Path(folder))
    told = "{value:.4f} [{low:.4f}, {high:.4f}]"
    print("XGBoost with its defaults on the flights of the demo, AUC with 95 % interval")
    print(f"  split by time, October (val)      {told.format(**temporal['val']['roc_auc'])}")
    print(f"  split by time, Nov and Dec (test) {told.format(**temporal['test']['roc_auc'])}")
    print(f"  split at random (val)             {told.format(**randomly)}")
    flattered = randomly["value"] - temporal["test"]["roc_auc"]["value"]
    print(f"  a random split flatters by        {flattered:+.4f}")


if __name__ == "__main__":
    main()
