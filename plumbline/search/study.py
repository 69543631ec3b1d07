"""Optuna's study: in Postgres, resumable, and the same whether it was interrupted or not."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import sqlalchemy as sa
from psycopg import sql

from plumbline.postgres import Postgres
from plumbline.search.space import Space, distributions, restored, stored

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

SCHEMA = "plumbline_search"
"""Where Optuna's tables lie."""

RANDOM_TRIALS = 10
"""Trials drawn at random before the sampler learns from them (count); Optuna's own."""

FULL_TRIALS = 4
"""Trials that end in full before one is pruned (count)."""

FULL_EPOCHS, FULL_SHARE = 3, 0.1
"""No trial is pruned before so many epochs, and that share of the most it may take: what a
schedule warms up slowly is not yet behind."""

_LOCK = 7077302


@contextmanager
def storage(postgres: Postgres) -> Iterator["optuna.storages.BaseStorage"]:
    """Optuna's tables in schema `plumbline_search`, made if absent.

    Raises:
        DatabaseUnreachable: the server does not answer.
    """
    optuna = _optuna()

    def connect() -> psycopg.Connection[Any]:
        connection = postgres.connect()
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(SCHEMA)))
        connection.commit()
        return connection

    with postgres.connect() as admin:
        # Until the tables stand: two first searches must not both make them.
        admin.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        admin.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(SCHEMA)))
        admin.commit()
        kept = optuna.storages.RDBStorage(
            "postgresql+psycopg://",  # the address, with its password, stays with `connect`
            engine_kwargs={"creator": connect, "poolclass": sa.pool.QueuePool, "pool_size": 1}
            | {"pool_pre_ping": True},
        )
    try:
        yield kept
    finally:
        kept.scoped_session.remove()
        kept.engine.dispose()


def _optuna() -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line per trial comes from here
    return optuna


@dataclass(frozen=True, kw_only=True)
class Study:
    """The trials of one search."""

    optuna: "optuna.Study"
    space: Space
    seed: int

    @classmethod
    def open(
        cls,
        name: str,
        space: Space,
        *,
        seed: int,
        maximize: bool,
        prune: bool,
        max_epochs: int,
        storage: "optuna.storages.BaseStorage | None" = None,
    ) -> "Study":
        """The study of that name, made if absent. Without a storage it lives in memory.

        A trial that was under way when its process died is closed, to be drawn again.
        """
        optuna = _optuna()
        spared = max(FULL_EPOCHS, round(FULL_SHARE * max_epochs))
        pruner = optuna.pruners.MedianPruner(n_startup_trials=FULL_TRIALS, n_warmup_steps=spared)
        opened = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize" if maximize else "minimize",
            pruner=pruner if prune else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        running = opened.get_trials(states=[optuna.trial.TrialState.RUNNING])
        for trial in running:
            opened.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if running:
            log.info("search: a trial was interrupted; it is done again")
        return cls(optuna=opened, space=space, seed=seed)

    def finished(self) -> list["optuna.trial.FrozenTrial"]:
        """Trials that count, in order: ended, pruned, or failed by themselves.

        A trial that failed has its error among the attributes; one that was interrupted has not.
        """
        from optuna.trial import TrialState

        ended = self.optuna.get_trials(
            states=[TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]
        )
        return [one for one in ended if one.state != TrialState.FAIL or "error" in one.user_attrs]

    def draw(self, number: int, start: Mapping[str, Any]) -> tuple["optuna.Trial", dict[str, Any]]:
        """The next trial and its values; the first one has those of `start`.

        The sampler is seeded by the search's seed and `number`, the count of finished trials,
        and looks at those only: what is drawn does not depend on interruptions.
        """
        import optuna

        self.optuna.sampler = optuna.samplers.TPESampler(
            n_startup_trials=RANDOM_TRIALS, seed=_seed(self.seed, number), constant_liar=False
        )
        if number == 0 and not self.optuna.get_trials(states=[optuna.trial.TrialState.WAITING]):
            self.optuna.enqueue_trial({name: stored(value) for name, value in start.items()})
        trial = self.optuna.ask(distributions(self.space))
        return trial, restored(self.space, trial.params)

    def importances(self) -> dict[str, float]:
        """Share of each option in how the trials differ, greatest first; they add up to 1.

        Of ended trials (PED-ANOVA, Watanabe et al. 2023). Empty where they do not differ.
        """
        import optuna
        from optuna.trial import TrialState

        ended = self.optuna.get_trials(states=[TrialState.COMPLETE])
        values = {one.value for one in ended}
        varied = [n for n in self.space if len({one.params[n] for one in ended}) > 1]
        if len(values) < 2 or not varied:
            return {}
        found = optuna.importance.get_param_importances(self.optuna, params=varied)
        return {name: float(share) for name, share in found.items()}


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
