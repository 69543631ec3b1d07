"""The split: every row to train, val or test, or to none of them, with its certificate."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import checked
from assets.pictures import pictures
from assets.recording import materialized, table
from assets.stage import key, stage_asset
from assets.workbench import Workbench
from plumbline.evaluation import figures
from plumbline.spec import PipelineSpec
from plumbline.split import certificate, split


def split_asset(spec: PipelineSpec, root: Path) -> dg.AssetsDefinition:
    return stage_asset(
        spec,
        root,
        "split",
        _split,
        after=["snapshot"],
        kinds={"parquet"},
        description=f"Each row to train, val or test by the {spec.split.policy} policy.",
        checks={
            "certificate": "Every row is on one side or excluded for a reason; groups and "
            "duplicates do not straddle; sides follow in time."
        },
    )


def _split(bench: Workbench) -> dg.MaterializeResult:
    made = bench.make("split", lambda folder: split.build(bench.snapshot, bench.spec, folder))
    bench.registry.record("split_versions", **split.row(bench.split, bench.spec))
    certified = bench.split.certificate
    problems = certificate.problems(certified)
    told = problems or ("the certificate holds", *certified["notes"])
    return materialized(
        bench,
        "split",
        folder=made.folder,
        reused=made.reused,
        checks=[
            checked(
                asset_key=key(bench.spec, "split"),
                check_name="certificate",
                passed=not problems,
                description="; ".join(told),
                metadata={"certificate": dg.MetadataValue.json(certified)},
            )
        ],
        metadata={
            **{f"{side}_rows": count for side, count in bench.split.counts.items()},
            "excluded_rows": certified["excluded"]["rows"],
            "sides": table(_sides(certified)),
            **_classes(certified),
            "excluded": table(_excluded(certified)),
            "groups": dg.MetadataValue.json(certified["groups"]),
            "duplicates": dg.MetadataValue.json(certified["duplicates"]),
            **_rates(certified),
            **pictures(bench, [made.folder], {"picture": lambda: figures.split_bars(certified)}),
        },
    )


def _rates(certified: Mapping[str, Any]) -> dict[str, float]:
    """What the label is on each side, for Dagster to plot: a share of positives, or a mean."""
    names = {"label_rate": "label_rate", "mean": "label_mean"}
    return {
        f"{side}_{told}": facts[name]["value"]
        for side, facts in certified["sides"].items()
        for name, told in names.items()
        if facts.get(name)
    }


def _sides(certified: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, side in certified["sides"].items():
        shown = {k: _told(v) for k, v in side.items() if k not in ("classes", "labels")}
        yield {"side": name, **shown}


def _told(value: Any) -> Any:
    """An estimate with its interval as one cell; anything else as it is."""
    if not isinstance(value, Mapping):
        return value
    if "value" not in value:
        return ", ".join(f"{name} {number:,.6g}" for name, number in value.items())
    return "{value:.4g} ({low:.4g} to {high:.4g})".format(**value)


def _classes(certified: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """For several classes or labels: a row for each, with its count and rate on every side."""
    sides = certified["sides"]
    names = {"multiclass": ("classes", "class"), "multilabel": ("labels", "label")}
    if certified["task"] not in names:
        return {}
    many, one = names[certified["task"]]
    return {
        many: table(
            {one: name, **{side: _counted(facts[many][name]) for side, facts in sides.items()}}
            for name in sides["train"][many]
        )
    }


def _counted(one: Mapping[str, Any]) -> str:
    rate = f", {_told(one['rate'])}" if one["rate"] else ""
    return f"{one['rows']:,}{rate}"


def _excluded(certified: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for reason, counts in certified["excluded"]["reasons"].items():
        yield {"reason": reason, **{f"of {side}": count for side, count in counts.items()}}
