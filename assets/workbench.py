"""One pipeline on one dataset version: its stages' results, found by fingerprint."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from assets.run_options import RunOptions
from plumbline.audit.offenders import sql_fingerprint
from plumbline.baselines import training
from plumbline.baselines.gate import Gate
from plumbline.baselines.gate import load as load_gate
from plumbline.chain import Chain
from plumbline.distribution.tasks import Kind
from plumbline.distribution.training import Inputs, train
from plumbline.errors import ArtifactMissing
from plumbline.evaluation import evaluate, further_networks
from plumbline.extract.features import FeatureTable, feature_table
from plumbline.extract.freeze import find_snapshot, previous_version
from plumbline.extract.snapshot import Snapshot
from plumbline.memory import budget
from plumbline.network import training as network_training
from plumbline.normalization import apply
from plumbline.normalization.parameters import Normalization
from plumbline.peak_memory import PeakMemory
from plumbline.postgres import Postgres
from plumbline.recomputing import recompute
from plumbline.registry import Registry, Row
from plumbline.search.result import SearchResult
from plumbline.spec import NetworkSpec, PipelineSpec
from plumbline.split import split
from plumbline.store import ArtifactStore
from plumbline.versions import DatasetVersion

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A stage's published folder, and whether it was there already."""

    folder: Path
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Workbench:
    spec: PipelineSpec
    """As declared, but for what the run options say."""
    options: RunOptions = field(default_factory=RunOptions)
    root: Path
    """The project's root, which `source.sql` is relative to."""
    dataset_version: DatasetVersion
    postgres: Postgres
    registry: Registry
    store: ArtifactStore
    started: float = field(default_factory=time.monotonic)
    memory: PeakMemory = field(default_factory=PeakMemory)
    verified: dict[str, Path] = field(default_factory=dict)
    """Folders by stage whose bytes were verified already; hashing them once is enough."""
    recomputed: dict[str, str] = field(default_factory=dict)
    """By stage that was forced although its artifact was there: what came of it."""

    @cached_property
    def snapshot(self) -> Snapshot:
        return find_snapshot(self.spec.name, self.dataset_version, self.registry, self.store)

    @cached_property
    def previous(self) -> Row | None:
        """The registry's row of the dataset version that was frozen before this one."""
        return previous_version(self.spec.name, self.dataset_version, self.registry)

    @property
    def memory_budget(self) -> int | None:
        """Memory that the stage may hold from here on (bytes); None: nothing tells."""
        return budget(self.spec.resources.memory_gib)

    @cached_property
    def chain(self) -> Chain:
        return Chain(
            spec=self.spec,
            dataset_version=self.dataset_version,
            digest=self.snapshot.digest,
            previous=self.previous["digest"] if self.previous else None,
            audit_sql=sql_fingerprint(self.spec, self.root),
        )

    @property
    def identity(self) -> dict[str, str]:
        """What every later row of the registry names: pipeline, dataset and normalization."""
        return {
            "pipeline": self.spec.name,
            "dataset_version": self.dataset_version,
            "normalization_version": self.chain.normalization,
        }

    @cached_property
    def features(self) -> FeatureTable:
        return feature_table(self.snapshot, self.spec)

    @cached_property
    def split(self) -> split.Split:
        return split.load(self.folder("split"), self.snapshot, self.spec, self.chain.split)

    @cached_property
    def normalization(self) -> Normalization:
        return apply.load(self.folder("normalization"))

    def baseline(self, kind: training.Kind) -> training.Baseline:
        return training.load(self.folder(kind), self.chain.model(kind))

    @cached_property
    def baselines(self) -> tuple[training.Baseline, ...]:
        return (self.baseline("random_forest"), self.baseline("xgboost"))

    @cached_property
    def floor(self) -> tuple[training.Baseline, ...]:
        """The dummy and the linear model, which share an artifact and its version."""
        folder, version = self.folder("floor"), self.chain.model("floor")
        return tuple(training.load(folder / kind, version) for kind in training.FLOOR)

    @cached_property
    def gate(self) -> Gate:
        return load_gate(self.folder("baseline_gate"))

    @cached_property
    def search(self) -> SearchResult | None:
        """What the search found, or None where none is declared."""
        if self.spec.network.search is None:
            return None
        return SearchResult.load(self.folder("network_search"))

    @property
    def network_options(self) -> NetworkSpec:
        """The declared network, with what the search chose."""
        declared = self.spec.network
        return self.search.network(declared) if self.search else declared

    @cached_property
    def network(self) -> network_training.TrainedNetwork | None:
        """The trained network, or None where the gate withheld it."""
        if self.gate.decision == "CLOSED":
            return None
        return network_training.load(self.folder("network"), self.chain.model("network"))

    @property
    def further_seeds(self) -> list[int]:
        """Seeds of the networks that show how much of the gain is luck; none where none is."""
        declared, networks = self.spec.network.seed, self.spec.verdict.seeds
        opened = self.gate.decision == "OPEN"
        return further_networks.further_seeds(declared, networks) if opened else []

    @cached_property
    def further(self) -> tuple[network_training.TrainedNetwork, ...]:
        """The networks of further seeds."""
        if not self.further_seeds:
            return ()
        stage = "network_seeds"
        return further_networks.load(self.folder(stage), self.chain.model(stage))

    @property
    def candidates(self) -> tuple[training.Baseline | network_training.TrainedNetwork, ...]:
        """The models that were trained: both baselines, and the network if there is one."""
        return (*self.baselines, *([self.network] if self.network else []))

    @property
    def winner(self) -> training.Baseline | network_training.TrainedNetwork:
        """The candidate that the evaluation chose."""
        kind = self.evaluation.winner
        return next(one for one in self.candidates if one.training["kind"] == kind)

    @cached_property
    def evaluation(self) -> evaluate.Evaluation:
        return evaluate.load(self.folder("evaluation"))

    def folder(self, stage: str) -> Path:
        """A finished stage's folder, with its bytes verified.

        Raises:
            ArtifactMissing: it was never made with this data, the declared options and those of
                the run.
        """
        if stage not in self.verified:
            version = self.chain.version(stage)
            try:
                self.verified[stage] = self.store.get(self.spec.name, stage, version)
            except ArtifactMissing as missing:
                raise self._missing(stage, missing) from None
        return self.verified[stage]

    def _missing(self, stage: str, missing: ArtifactMissing) -> ArtifactMissing:
        """The same error, with the run options that the artifact would have to be made with."""
        if not self.options.declared:
            return missing
        given = ", ".join(f"{name}={value}" for name, value in self.options.declared.items())
        return ArtifactMissing(
            missing.found,
            expected=f"the {stage} that the data and the declared options with {given} lead to",
            remedy=f"materialize {self.spec.name}/{stage} for {self.dataset_version} with the run "
            f"options {given}, too: in the same run, or first",
            **missing.values,
        )

    def make(self, stage: str, write: Callable[[Path], object]) -> Made:
        """Publish what `write` leaves in a folder, unless it is there; one process at a time.

        By the run option force also where it is there, to be compared.
        """
        place = self.spec.name, stage, self.chain.version(stage)
        with self.registry.exclusive("/".join(place)):
            if self.options.force and self.store.has(*place):
                again = recompute(self.store, *place, write)
                self.recomputed[stage] = again.told
                return Made(folder=self.store.local(*place), reused=again.set_aside is None)
            present = self.store.find(*place)
            if present is not None:
                log.info("%s %s is there and verifies; nothing redone", stage, place[-1][:12])
                self.verified[stage] = present
            folder = present or self.store.publish(*place, write)
        return Made(folder=folder, reused=present is not None)

    def train_network(self, options: NetworkSpec, folder: Path) -> None:
        """Train a network with `options` in place of the declared ones."""
        self.train("network", self.spec.model_copy(update={"network": options}), folder)

    def train(self, kind: Kind, spec: PipelineSpec, folder: Path) -> None:
        """Train a model where the declaration says, and write its artifact's files.

        Raises:
            As `distribution.training.train`.
        """
        inputs = Inputs(
            split=self.split,
            split_folder=self.folder("split"),
            normalization=self.normalization,
            normalization_folder=self.folder("normalization"),
        )
        train(kind, spec, inputs, folder, memory=self.memory_budget)

    def record_verdict(
        self,
        stage: str,
        decided: Gate | evaluate.Evaluation,
        evidence: Mapping[str, Any],
        volatile: Sequence[str] = (),
    ) -> None:
        """What a stage decided, as a row of the registry; volatile: as `Registry.record`."""
        self.registry.record(
            "verdicts",
            volatile=volatile,
            verdict_version=self.chain.version(stage),
            stage=stage,
            decision=decided.decision,
            reason=decided.reason,
            evidence=evidence,
            **self.identity,
        )
