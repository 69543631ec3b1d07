"""The only place that writes versions on a materialization."""

import base64
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.workbench import Workbench
from plumbline.versions import fingerprint


def materialized(
    bench: Workbench,
    stage: str,
    *,
    folder: Path,
    metadata: Mapping[str, Any],
    reused: bool = False,
    checks: Iterable[dg.AssetCheckResult] = (),
    data_version: str | None = None,
) -> dg.MaterializeResult:
    """A stage's result as Dagster shows it: versions, place and cost first, then `metadata`."""
    version = data_version or bench.chain.version(stage)
    return dg.MaterializeResult(
        asset_key=dg.AssetKey([bench.spec.name, stage]),
        data_version=dg.DataVersion(version),
        check_results=list(checks),
        metadata={
            "dataset_version": bench.dataset_version,
            "dataset_digest": bench.snapshot.digest,
            "normalization_version": bench.chain.normalization,
            "data_version": version,
            "artifact": dg.MetadataValue.path(folder),
            "reused": reused,
            "seconds": round(time.monotonic() - bench.started, 2),
            **metadata,
        },
    )


def withheld(
    bench: Workbench,
    stage: str,
    by: str,
    reason: str,
    *,
    checks: Iterable[dg.AssetCheckResult] = (),
    reused: bool = False,
) -> dg.MaterializeResult:
    """A stage that made nothing, because the stage `by` says that there is nothing to make."""
    return materialized(
        bench,
        stage,
        folder=bench.folder(by),
        reused=reused,
        data_version=fingerprint(withheld_by=bench.chain.version(by)),
        checks=checks,
        metadata={"status": "withheld", "reason": reason},
    )


def picture(image: bytes, kind: str = "png") -> dg.MetadataValue:
    """A picture shown inline in the UI; `kind` is its media type below `image/`."""
    return dg.MetadataValue.md(f"![](data:image/{kind};base64,{base64.b64encode(image).decode()})")


def table(rows: Iterable[Mapping[str, Any]]) -> dg.MetadataValue:
    """Rows as a Markdown table, headed by the names of the first one."""
    listed = list(rows)
    if not listed:
        return dg.MetadataValue.md("none")
    lines = [listed[0].keys(), ["---"] * len(listed[0]), *(row.values() for row in listed)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines))


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
