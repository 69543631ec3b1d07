"""One trial: a network trained with drawn options, watched, and given up where it lags."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from plumbline.errors import SpecError, TrainingError
from plumbline.network.fitting import fit_examples
from plumbline.search.problem import Problem
from plumbline.search.result import State, Trial
from plumbline.search.space import restored
from plumbline.spec.search import first

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

FAILURES = (TrainingError, SpecError, ValidationError)
"""What speaks against a draw, and not against the search."""

_STATES: Mapping[str, State] = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}


def run(
    problem: Problem, study: "optuna.Study", trial: "optuna.Trial", values: Mapping[str, Any]
) -> None:
    """Train a network with `values`, and tell the study how it ended.

    Attributes are written before the state: what is found without a state was interrupted.
    """
    import optuna

    began = time.perf_counter()

    def end(**told: Any) -> None:
        trial.set_user_attr("seconds", time.perf_counter() - began)
        study.tell(trial, **told)

    try:
        value = _trained(problem, trial, values)
    except optuna.TrialPruned:
        end(state=optuna.trial.TrialState.PRUNED)
    except FAILURES as error:
        trial.set_user_attr("error", _said(error))
        end(state=optuna.trial.TrialState.FAIL)
    else:
        end(values=value)


def _trained(problem: Problem, trial: "optuna.Trial", values: Mapping[str, Any]) -> float:
    options = problem.network(values)
    fitted = fit_examples(
        problem.train,
        problem.val,
        problem.table,
        problem.goal(options),
        options,
        work=None,  # a trial that is killed is drawn and trained again
        extra=[_watch(trial, f"val_{problem.metric}")],
    )
    return fitted.history[f"val_{problem.metric}"][fitted.best_epoch - 1]


def _watch(trial: "optuna.Trial", metric: str) -> Any:
    """Tells Optuna the metric after each epoch."""
    import keras
    import optuna

    def epoch_ends(epoch: int, logs: dict[str, float]) -> None:
        trial.report(logs[metric], step=epoch + 1)
        if trial.should_prune():
            raise optuna.TrialPruned

    return keras.callbacks.LambdaCallback(on_epoch_end=epoch_ends)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return first(error)
    return error.found if isinstance(error, TrainingError | SpecError) else str(error)


def recorded(problem: Problem, number: int, one: "FrozenTrial") -> Trial:
    """What the study knows of the finished trial `number`."""
    seen = one.intermediate_values.values()
    return Trial(
        number=number,
        state=_STATES[one.state.name],
        values=restored(problem.space, one.params),
        value=(max if problem.maximize else min)(seen, default=None),
        epochs=len(seen),
        error=one.user_attrs.get("error"),
        seconds=one.user_attrs["seconds"],
    )
