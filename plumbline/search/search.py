"""The search: networks trained one after the other, all of the same seed; the best one's options.

What a trial draws depends on the search's seed, its number and the trials before it; what it
reaches, on the network's seed. So a search that was killed and goes on ends as if it had not been.
"""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.errors import SpecError, TrainingError
from plumbline.network import feeding
from plumbline.network.fitting import goal_of, require_sides
from plumbline.network.table import Table
from plumbline.normalization.parameters import Normalization
from plumbline.postgres import Postgres
from plumbline.search import trial
from plumbline.search.problem import Problem
from plumbline.search.result import SearchResult, Trial
from plumbline.search.space import start
from plumbline.search.study import Study, storage
from plumbline.spec import NetworkSpec
from plumbline.split.rows import TrainRows, ValRows

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

log = logging.getLogger(__name__)


def build(
    train: TrainRows,
    val: ValRows,
    normalization: Normalization,
    options: NetworkSpec,
    folder: Path,
    *,
    postgres: Postgres,
    name: str,
    memory: int | None = None,
) -> None:
    """Search, and write what was found; trials that the study `name` holds already are kept.

    memory: as `feeding.loaded`.

    Raises:
        LeakageError: `train` is anything but training rows, or `val` but validation rows.
        TrainingError: every trial failed.
        SplitError: the validation rows hold one label only.
        SpecError: no search is declared.
        DatabaseUnreachable: the server that keeps the trials does not answer.
    """
    require_sides(train, val)
    if options.search is None:
        raise SpecError("network.search is not declared", expected="a budget of trials")
    # Named after the draft, so that the store sweeps both away should this process die.
    work = folder.with_name(f"{folder.name}.trials")
    try:
        examples, watched, _ = feeding.loaded(train, val, normalization, options, work, memory)
        problem = Problem(
            train=examples,
            val=watched,
            table=Table.of(examples.matrix, normalization),
            goal=lambda chosen: goal_of(train, chosen),
            options=options,
            budget=options.search,
        )
        with storage(postgres) as kept:
            search(problem, name, kept).save(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def search(problem: Problem, name: str, kept: "BaseStorage | None" = None) -> SearchResult:
    """Train until the budget of trials is spent.

    kept: where trials are stored, and found again by the study's name. None: in memory.

    Raises:
        TrainingError: every trial failed.
    """
    study = Study.open(
        name,
        problem.space,
        seed=problem.budget.seed,
        maximize=problem.maximize,
        prune=problem.budget.prune,
        max_epochs=problem.recipe.max_epochs,
        storage=kept,
    )
    first = start(problem.space, problem.base, problem.recipe)
    while (number := len(study.finished())) < problem.budget.trials:
        trial.run(problem, study.optuna, *study.draw(number, first))
        _tell(problem, _trials(problem, study))
    return _result(problem, study, name)


def _trials(problem: Problem, study: Study) -> tuple[Trial, ...]:
    return tuple(trial.recorded(problem, *one) for one in enumerate(study.finished()))


def _best(problem: Problem, trials: tuple[Trial, ...]) -> Trial | None:
    """The first of the best that ended."""
    ended = [(one.value, one) for one in trials if one.state == "done" and one.value is not None]
    value = (max if problem.maximize else min)((value for value, _ in ended), default=None)
    return next((one for found, one in ended if found == value), None)


def _tell(problem: Problem, trials: tuple[Trial, ...]) -> None:
    last, best, budget = trials[-1], _best(problem, trials), problem.budget.trials
    left = sum(one.seconds for one in trials) / len(trials) * (budget - len(trials))
    log.info(
        "search: trial %d of %d: %s%s, %d epochs in %.1f s; %s; about %.0f s left",
        *(len(trials), budget),
        "no value" if last.value is None else f"val_{problem.metric} {last.value:.5g}",
        {"done": "", "pruned": " (pruned)", "failed": f" (failed: {last.error})"}[last.state],
        *(last.epochs, last.seconds),
        f"best {best.value:.5g} of trial {best.number + 1}" if best else "none has ended yet",
        left,
    )


def _result(problem: Problem, study: Study, name: str) -> SearchResult:
    trials = _trials(problem, study)
    best = _best(problem, trials)
    if best is None:
        raise _all_failed(trials)
    return SearchResult(
        study=name,
        metric=problem.metric,
        maximize=problem.maximize,
        space=problem.space,
        trials=trials,
        best=best.number,
        options=problem.chosen(best.values),
        importances=study.importances(),
    )


def _all_failed(trials: tuple[Trial, ...]) -> TrainingError:
    errors = list(dict.fromkeys(one.error for one in trials if one.error))
    others = f"; {len(errors) - 1} others failed otherwise" if errors[1:] else ""
    return TrainingError(
        f"none of {len(trials)} trials ended: {errors[0]}{others}",
        expected="at least one network that trains to its end",
        remedy="narrow network.search.space, above all learning_rate; or leave network.search out "
        "and see whether what is declared trains",
        errors=errors,
    )
