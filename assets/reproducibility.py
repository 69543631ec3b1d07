"""Whether the network comes out the same when it is trained twice: asked on demand."""

import dagster as dg

from assets.checks import checked
from assets.stage import key
from assets.workbench import Workbench
from plumbline.network import reproducibility
from plumbline.network.reproducibility import Reproducibility


def proof(bench: Workbench, epochs: int = reproducibility.EPOCHS) -> dg.AssetCheckResult:
    """Train the network twice, `epochs` long at most, and record how equal they are.

    It holds where `network.deterministic` gives what it promises: equal bits.
    """
    options = bench.network_options
    sides = bench.split.train(), bench.split.validation()
    found = reproducibility.measured(*sides, bench.normalization, options, epochs)
    version = bench.chain.version("network")
    path = reproducibility.record(bench.store.folder(bench.spec.name, "network", version), found)
    bench.store.keep(path)
    return checked(
        asset_key=key(bench.spec, "network"),
        check_name="reproducibility",
        passed=found.tier == "bitwise" or not options.deterministic,
        description=_told(found),
        metadata={"record": dg.MetadataValue.path(bench.store.location_of(path))},
    )


def _told(found: Reproducibility) -> str:
    cost = f"two trainings of {found.epochs} epochs"
    if found.tier == "bitwise":
        return f"bitwise: {cost} gave equal weights, scores and losses"
    return (
        f"{found.tier}: after {cost} weights differ by up to {found.weights_differ:.1e} and "
        f"validation scores by up to {found.scores_differ:.1e} of the largest; the tolerance is "
        f"{found.tolerance:.0e}"
    )
