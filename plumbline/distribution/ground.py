"""Whether a stage that its run has sent elsewhere stands on the ground of the run."""

import json
import os
import platform
from collections.abc import Mapping

from plumbline.distribution import software
from plumbline.environment import home, store_location
from plumbline.errors import ClusterError
from plumbline.postgres import postgres

VARIABLE = "PLUMBLINE_GROUND"
"""Of the environment of a stage that was sent elsewhere: what its run stands on."""


def here() -> dict[str, str]:
    """Store, database and software of this process by name; holds no secret."""
    return {"store": store_location(), "database": _database(), **software.here()}


def sent() -> dict[str, str]:
    """What the environment of a stage says, for `require_same` there."""
    return {VARIABLE: json.dumps(here())}


def require_same(environment: Mapping[str, str] = os.environ) -> None:
    """Raises ClusterError where this process was sent to a machine with other ground."""
    if VARIABLE not in environment:
        return
    expected, found = json.loads(environment[VARIABLE]), here()
    differ = software.differing(found, expected)
    if differ:
        raise ClusterError(
            f"{platform.node()} has {software.listed(found, differ)}",
            expected=f"{software.listed(expected, differ)}, as the run that sent this stage",
            remedy="start all Ray nodes with the image of the run, its DATABASE_URL, and its "
            "PLUMBLINE_STORE on storage that they share",
            differ=differ,
        )


def _database() -> str:
    """An embedded server is of one machine."""
    if os.environ.get("DATABASE_URL"):
        return postgres().place
    return f"{home()} on {platform.node()}"
