"""The result of an asset check: what was found and, where it is not as it should be, what to do."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

REMEDIES: Mapping[str, str] = {
    "certificate": "declare source.group for rows that belong together, or move the split's "
    "bounds; then run again",
    "leakage_proof": "nothing that was trained here may be used: look for what reads other rows "
    "than those of train, own code first, and report it",
    "independent_statistics": "do not use this normalization: look for a table or a file that "
    "was changed by hand, then run plumbline verify",
    "scaled_range": "set normalization.method to robust or quantile, or name the column under "
    "source.drop",
    "split_moves": "run both with the option force, which compares them with what is stored; until "
    "then compare no model across these two versions",
    "optimism": "nothing: keep the declared split, and hold no score of a random one against it",
    "golden_rows": "restore the store from a backup, or run the release again with force",
    "calibration": "choose validation rows that are like the test rows, or set "
    "decision.calibration to none",
    "test_reads": "freeze rows that nobody has tested on under a new dataset version",
    "beats_incumbent": "nothing: the champion stays; plumbline promote overrides, signed",
    "enough_rows": "freeze a newer dataset version, whose rows neither model has learned of",
    "override_unexpired": "promote the bundle for good, or roll back: plumbline promote, rollback",
    "every_row_is_scored": "correct the rows that are named, or what the extract selects",
    "every_guard_fires": "trust no result of this pipeline before the guard that is named is "
    "mended; report it",
    "reproducibility": "set network.deterministic to false, or leave out what is not "
    "deterministic on this device",
}
"""By check. Those of the audit and the diagnosis are said by each of their findings."""


def checked(
    *,
    asset_key: dg.AssetKey,
    check_name: str,
    passed: bool,
    description: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetCheckResult:
    """The result, with the check's remedy where it did not pass and does not name its own."""
    if not passed and "to fix:" not in description.lower():
        description = f"{description}; to fix: {REMEDIES[check_name]}"
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=check_name,
        passed=passed,
        severity=severity,
        description=description,
        metadata=metadata or {},
    )
