"""Parameters go through JSON and through PostgreSQL without losing a bit."""

import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import register, snapshot_of, spec_of, split_of

from plumbline.extract.features import feature_table
from plumbline.normalization.apply import transform
from plumbline.normalization.fit import fit
from plumbline.normalization.parameters import (
    Normalization,
    NumericFeature,
    QuantileSample,
    Vocabulary,
    from_row,
    row,
)
from plumbline.registry import Registry
from plumbline.spec import NormalizationSpec
from plumbline.versions import DatasetVersion, NormalizationVersion, SplitVersion

VERSION = NormalizationVersion("n" * 64)

floats = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=6)
features = st.builds(
    NumericFeature,
    name=texts,
    count=st.integers(0, 2**40),
    mean=floats,
    std=floats,
    min=floats,
    max=floats,
    center=floats,
    scale=floats,
    fill=floats,
    quantiles=st.lists(floats, max_size=4).map(tuple),
)
normalizations = st.builds(
    Normalization,
    version=st.just(VERSION),
    method=st.sampled_from(["standard", "quantile"]),
    row_count=st.integers(1, 2**40),
    numeric=st.lists(features, max_size=3).map(tuple),
    categories=st.lists(
        st.builds(
            Vocabulary,
            name=texts,
            arrow_type=st.just("string"),
            values=st.lists(texts).map(tuple),
            distinct=st.integers(0, 9),
            nulls=st.integers(0, 9),
        ),
        max_size=2,
    ).map(tuple),
    indicators=st.lists(texts).map(tuple),
    dropped=st.dictionaries(texts, texts),
    sample=st.none() | st.just(QuantileSample(rows=1, of=2, exact=False)),
)


def bits(normalization: Normalization) -> list[bytes]:
    numbers = [
        value
        for feature in normalization.numeric
        for value in (*vars(feature).values(), *feature.quantiles)
        if isinstance(value, float)
    ]
    return [struct.pack("<d", value) for value in numbers]


@settings(deadline=None)
@given(normalizations)
def test_json_round_trips_to_the_last_bit(normalization):
    again = Normalization.from_json(json.loads(json.dumps(normalization.to_json())))
    assert again == normalization
    assert bits(again) == bits(normalization)


@settings(deadline=None)
@given(normalizations)
def test_a_row_round_trips_without_a_database(normalization):
    made = row(normalization, "p", DatasetVersion("d"), SplitVersion("s"))
    assert from_row(json.loads(json.dumps(made))) == normalization


def nasty_floats() -> list[float]:
    draw = np.random.default_rng(7)
    any_bits = draw.integers(0, 2**63, 300, dtype=np.int64).view(np.float64)
    chosen = [0.1, 1e16, 1e300, 5e-324, 2**53 + 2.0, 1 / 3, -1e22, 123456789012345680.0]
    return [*chosen, *any_bits[np.isfinite(any_bits)].tolist()]


def test_the_registry_returns_every_float_to_the_last_bit(registry: Registry, tmp_path: Path):
    register_split(registry, tmp_path)
    numeric = tuple(
        NumericFeature(name=f"x{i}", count=i, mean=v, std=v, min=v, max=v, center=v, scale=v,
                       fill=v, quantiles=(v, v))
        for i, v in enumerate(nasty_floats())
    )  # fmt: skip
    normalization = Normalization(
        version=VERSION, method="quantile", row_count=5, numeric=numeric, categories=(),
        indicators=(), dropped={}, sample=None,
    )  # fmt: skip
    assert bits(stored(registry, normalization)) == bits(normalization)


@pytest.mark.parametrize("method", ["standard", "min_max", "robust", "quantile", "none"])
def test_the_registry_row_alone_rebuilds_the_transform(registry, tmp_path, method):
    split, spec = register_split(registry, tmp_path)
    table = feature_table(split.snapshot, spec)
    fitted = fit(split.train(), table, NormalizationSpec(method=method), VERSION)
    again = stored(registry, fitted)
    assert again == fitted
    batch = next(iter(split.snapshot.batches()))
    one, other = transform(fitted, batch), transform(again, batch)
    assert one.numeric.tobytes() == other.numeric.tobytes()
    assert one.codes.tobytes() == other.codes.tobytes()
    assert one.names == other.names


def test_a_normalization_without_numbers_can_be_stored(registry, tmp_path):
    register_split(registry, tmp_path)
    only = Vocabulary(name="c", arrow_type="string", values=("é", 'q"uote'), distinct=2, nulls=0)
    normalization = Normalization(
        version=VERSION, method="standard", row_count=5, numeric=(), categories=(only,),
        indicators=(), dropped={"x": "constant"}, sample=None,
    )  # fmt: skip
    assert stored(registry, normalization) == normalization


def stored(registry: Registry, normalization: Normalization) -> Normalization:
    made = row(normalization, "tested", DatasetVersion("v1"), SplitVersion("split-1"))
    assert registry.record("normalization_params", **made)
    assert not registry.record("normalization_params", **made)
    found = registry.one("normalization_params", normalization_version=VERSION)
    assert found is not None
    return from_row(found)


def register_split(registry: Registry, folder: Path):
    draw = np.random.default_rng(2)
    rows = 600
    table = pa.table({
        "id": range(rows),
        "x": draw.normal(size=rows) * 1e7,
        "gaps": pa.array(np.where(draw.random(rows) < 0.3, np.nan, draw.random(rows)),
                         from_pandas=True),
        "flag": draw.random(rows) < 0.5,
        "c": pa.array(draw.choice(["a", "ü", "'", None], rows)),
        "label": draw.random(rows) < 0.5,
    })  # fmt: skip
    spec = spec_of()
    split = split_of(snapshot_of(table, folder), spec)
    register(registry, split, spec)
    return split, spec
