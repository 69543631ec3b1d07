"""How much a random split would flatter the demo's XGBoost: the report of its optimism asset.

Run `make demo` first.
"""

from assets.resources import PlumblineResource
from pipelines.cli import DEMO_VERSION
from pipelines.definitions import ROOT
from pipelines.home import prepare_home
from pipelines.loading import pipeline
from plumbline.baselines import optimism
from plumbline.summary import summary

TOLD = "{value:.4f} [{low:.4f}, {high:.4f}]"


def main() -> None:
    prepare_home()
    bench = PlumblineResource().open(pipeline("flights"), ROOT, DEMO_VERSION)
    report = optimism.load(bench.folder("optimism"))
    facts = summary(bench.registry, bench.spec.name, DEMO_VERSION)
    (trees,) = (one for one in facts["candidates"] if one["kind"] == "xgboost")
    print("XGBoost with its defaults on the flights of the demo, AUC with 95 % interval")
    print(f"  split by time, October (val)      {TOLD.format(**report.declared)}")
    print(f"  split by time, Nov and Dec (test) {TOLD.format(**trees['test']['auc'])}")
    print(f"  split at random (val)             {TOLD.format(**report.random or {})}")
    flattery = "{value:+.4f} [{low:+.4f}, {high:+.4f}]".format(**report.difference or {})
    print(f"  a random split flatters by        {flattery}")


if __name__ == "__main__":
    main()
