"""Everything that rows took part in: versions, sides, fits, verdicts, bundles, predictions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from plumbline.history import copies, lineage, sightings
from plumbline.history.keys import Given, Keys, keys_in, keys_of, postgres_types, stored_schema
from plumbline.history.lineage import Sides
from plumbline.history.sightings import Search, Table
from plumbline.registry import Registry
from plumbline.spec import PipelineSpec
from plumbline.store import ArtifactStore
from plumbline.summary import frozen


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What keys took part in; JSON types only. Keys are named by their number in `keys`."""

    pipeline: str
    keys: list[dict[str, str]]
    """As they were given."""
    datasets: Table
    splits: Table
    normalizations: Table
    models: Table
    evaluations: Table
    bundles: Table
    golden: Table
    predictions: Table
    training_features: dict[str, Any]
    audits: Table
    """With the findings that name a key as an example."""
    examples: Table
    """Version diffs that name a key as an example, with values."""

    @property
    def found(self) -> list[int]:
        """Numbers of the keys that some dataset version has."""
        return sorted({key for one in self.datasets for key in one["found"]})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def asked(
    spec: PipelineSpec, registry: Registry, *, given: Sequence[Given] = (), file: Path | None = None
) -> Keys:
    """The keys given one by one and in a CSV file.

    Raises:
        RegistryError: the pipeline has no dataset version.
        HistoryError: a key has other columns than the newest dataset version's, or a value
            that its column cannot hold; the file cannot be read.
    """
    newest = frozen(registry, spec.name, None)
    rows = [*given, *(keys_in(file, newest).to_json() if file else ())]
    keys = keys_of(rows, newest)
    keys.typed(stored_schema(newest), postgres_types(newest))
    return keys


def trace(spec: PipelineSpec, keys: Keys, registry: Registry, store: ArtifactStore) -> Trace:
    """Look for keys in everything that the registry and the store hold of a pipeline.

    Files are read as they are; `plumbline verify` tells whether their bytes have changed.
    """
    search = Search(spec=spec, keys=keys, registry=registry, store=store)
    splits = sightings.splits(search)
    sides = Sides(splits)
    models = lineage.models(search, sides)
    bundles = lineage.bundles(search, sides, models)
    return Trace(
        pipeline=spec.name,
        keys=keys.to_json(),
        datasets=sightings.datasets(search),
        splits=splits,
        normalizations=lineage.normalizations(search, sides),
        models=models,
        evaluations=lineage.evaluations(search, sides, models),
        bundles=bundles,
        golden=copies.golden(search, bundles),
        predictions=copies.predictions(search),
        training_features=copies.training_features(search),
        audits=copies.audits(search),
        examples=copies.examples(search),
    )
