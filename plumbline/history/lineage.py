"""What was fitted on rows, chosen by them, judged by them, and released of it."""

from typing import Any

from plumbline.history.sightings import READ, Search, Table
from plumbline.promotion import aliases
from plumbline.promotion.events import REFUSE

CHOSEN_BY_VAL = dict.fromkeys(
    ("network", "network_seeds"), "its weights are those of the best epoch on val"
)
"""Models whose fit reads validation rows too; trees do not stop early."""


class Sides:
    """Which keys stand on which side, by split version."""

    def __init__(self, splits: Table):
        self._splits = {one["split_version"]: one for one in splits}

    def known(self, split_version: str) -> bool:
        """Whether the split could be searched; if not, any row may be on any side."""
        split = self._splits.get(split_version)
        return split is not None and split["state"] == READ

    def on(self, split_version: str, side: str) -> list[int]:
        """Numbers of the keys on a side."""
        split = self._splits.get(split_version)
        return split["sides"][side] if split else []

    def of(self, split_version: str) -> dict[str, Any]:
        """The sides as the tables of this module name them."""
        return {
            "split_version": split_version,
            "sides_known": self.known(split_version),
            "fitted_on": self.on(split_version, "train"),
            "chosen_by": self.on(split_version, "val"),
        }


def normalizations(search: Search, sides: Sides) -> Table:
    """Per normalization: versions, `fitted_on` (numbers of the keys in train), folder."""
    table = []
    for row in search.rows("normalization_params"):
        made = {name: row[name] for name in ("normalization_version", "dataset_version", "method")}
        folder = search.location("normalization", row["normalization_version"])
        table.append({**made, **sides.of(row["split_version"]), "folder": folder})
        del table[-1]["chosen_by"]
    return table


def models(search: Search, sides: Sides) -> Table:
    """Per model: versions and kind, `fitted_on` (train), `chosen_by` (val), folder."""
    names = ("model_version", "kind", "dataset_version", "normalization_version")
    return [
        {
            **{name: row[name] for name in names},
            **sides.of(row["split_version"]),
            "folder": search.location(row["kind"], row["model_version"]),
        }
        for row in search.rows("model_versions")
    ]


def evaluations(search: Search, sides: Sides, made: Table) -> Table:
    """Per evaluation: its verdict, the models, `judged_by` (test), and how often test was read."""
    by_model = {model["model_version"]: model for model in made}
    table = []
    for verdict in search.rows("verdicts", stage="evaluation"):
        version = verdict["verdict_version"]
        scored = search.rows("evaluations", evaluation_version=version)
        judged = list(dict.fromkeys(row["model_version"] for row in scored))
        split = verdict["evidence"].get("split_version") or by_model[judged[0]]["split_version"]
        table.append(
            {
                "evaluation_version": version,
                "dataset_version": verdict["dataset_version"],
                "decision": verdict["decision"],
                "models": judged,
                "split_version": split,
                "sides_known": sides.known(split),
                "chosen_by": sides.on(split, "val"),
                "judged_by": sides.on(split, "test"),
                "test_reads": len(search.rows("test_reads", split_version=split)),
                "folder": search.location("evaluation", version),
            }
        )
    return table


def bundles(search: Search, sides: Sides, made: Table) -> Table:
    """Per bundle: its model and what that saw, its place, promotions, and whether it is current."""
    by_model = {model["model_version"]: model for model in made}
    current = aliases.current(search.registry, search.spec.name)
    table = []
    for row in search.rows("bundles"):
        version, model = row["bundle_version"], by_model[row["model_version"]]
        promoted = search.rows("promotions", bundle_version=version)
        table.append(
            {
                "bundle_version": version,
                "evaluation_version": row["verdict_version"],
                **{name: model[name] for name in _OF_MODEL},
                "judged_by": sides.on(model["split_version"], "test"),
                "folder": row["location"],
                "promotions": [
                    one["promoted_at"].isoformat() for one in promoted if one["action"] != REFUSE
                ],
                "current": bool(current and current.bundle_version == version),
            }
        )
    return table


_OF_MODEL = (
    "model_version",
    "kind",
    "dataset_version",
    "split_version",
    "sides_known",
    "fitted_on",
    "chosen_by",
)
