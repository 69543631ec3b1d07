"""Open bundles of every task and model, for tests of exports."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from release_bundles import (
    Prepared,
    build,
    decision_of,
    evaluation_of,
    prepare_task,
    random_network,
    sized_table,
)

from plumbline.baselines import boosted_trees, dummy, linear, random_forest
from plumbline.baselines.examples import training_rows
from plumbline.baselines.predictor import Predictor
from plumbline.release import expectations
from plumbline.release.bundle import load_bundle
from plumbline.release.golden import Golden, load
from plumbline.release.opened import Bundle
from plumbline.spec import Task

KINDS = ("dummy", "linear", "random_forest", "xgboost")


class Workshop:
    """One bundle per task that is really released; others are made of it in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._of: dict[Task, tuple[Prepared, Bundle]] = {}

    def released(self, task: Task) -> tuple[Prepared, Bundle]:
        """With a decision that has every part the task can have."""
        if task not in self._of:
            prepared = prepare_task(task, self._folder / task)
            given = training_rows(prepared.split.train(), prepared.normalization)
            coding, place = prepared.split.coding, self._folder / f"{task} bundle"
            evaluation = evaluation_of("dummy", place, coding=coding, decided=decision_of(coding))
            fitted = dummy.fit_examples(given).predictor
            built = build(prepared, "dummy", fitted, place, evaluation=evaluation)
            self._of[task] = (prepared, load_bundle(built.folder))
        return self._of[task]

    def bundle(self, task: Task, kind: str) -> Bundle:
        """With a model of the kind, fitted on the training rows."""
        prepared, bundle = self.released(task)
        given = training_rows(prepared.split.train(), prepared.normalization)
        match kind:
            case "dummy":
                return bundle
            case "linear":
                fitted = linear.fit_examples(given)
            case "random_forest":
                fitted = random_forest.fit_examples(given, 0)
            case _:
                fitted = boosted_trees.fit_examples(given, 0)
        return with_model(bundle, kind, fitted.predictor)

    def network(self, task: Task, **options: object) -> Bundle:
        """With a network that nobody trained."""
        prepared, bundle = self.released(task)
        outputs = {"regression": 1}.get(task, len(prepared.split.coding.classes))
        made = random_network(prepared.normalization, task, outputs, **options)
        return with_model(bundle, "network", made)


def with_model(bundle: Bundle, kind: str, predictor: Predictor) -> Bundle:
    described = replace(bundle.manifest, kind=kind)
    return replace(bundle, predictor=predictor, manifest=described)


def golden_of(bundle: Bundle) -> Golden:
    """What the bundle makes of the golden rows that it was released with."""
    return expectations.expect(bundle, load(bundle.folder).rows)


def raw_rows() -> pa.RecordBatch:
    """More rows than the bundles were fitted on, of which some hold what training never saw."""
    table = sized_table()
    strange = table.slice(0, 3).to_pylist()
    strange[0] |= {"city": "never seen", "month": 99, "age": None, "weight": None, "fee": "1e9"}
    strange[1] |= {"city": None, "amount": -1e12, "age": 0}
    strange[2] |= {"city": "", "amount": float("nan"), "weight": float("nan")}
    added = pa.Table.from_pylist(strange, schema=table.schema)
    return pa.concat_tables([table, added]).combine_chunks().to_batches()[0]
