"""Every asset check of the pipelines, by stage."""

from docs.generator.markdown import MADE, code, table
from pipelines.definitions import defs

_INTRODUCTION = """# Checks

What is checked of each asset, shown on its page in Dagster with its numbers and, where it does not
pass, what to do. A blocking check that fails as an error ends the run before the next stage; the
others are told and do not end it. [Audit](audit.md) has the rules and limits behind the checks of
the data, [Diagnosis](diagnosis.md) those behind the network's.
"""


def page() -> str:
    rows: dict[tuple[str, str], tuple[str, ...]] = {}
    for asset in defs().get_repository_def().assets_defs_by_key.values():
        for one in asset.check_specs:
            stage, name = one.asset_key.path[-1], one.name
            ends = "the run ends" if one.blocking else ""
            rows.setdefault((stage, name), (code(stage), code(name), one.description or "", ends))
    head = ["asset", "check", "what passing means", "where it fails"]
    return "\n".join([MADE, _INTRODUCTION, table(head, [rows[key] for key in sorted(rows)])])
