"""What all trials of a search share: rows, the declaration, and what is compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from plumbline.network.examples import Examples
from plumbline.network.recipe import Recipe, resolve
from plumbline.network.table import Table
from plumbline.network.tasks import Objective
from plumbline.search.space import Space, applied, merged, space
from plumbline.spec import NetworkSpec, SearchSpec
from plumbline.spec.metrics import GREATER_IS_BETTER


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Rows that a network is searched for, and what is declared."""

    train: Examples
    """Rows of the training side only; the caller answers for it."""
    val: Examples
    table: Table
    goal: Callable[[NetworkSpec], Objective]
    """What a network minimizes."""
    options: NetworkSpec
    """As declared."""
    budget: SearchSpec
    """What the search may cost and vary."""

    @cached_property
    def base(self) -> NetworkSpec:
        """What is declared, bounded in epochs."""
        bound = self.budget.max_epochs
        return merged(self.options, {"max_epochs": bound} if bound else {})

    @cached_property
    def recipe(self) -> Recipe:
        """Of `base`."""
        return resolve(self.base, self.table, self.goal(self.base))

    @cached_property
    def space(self) -> Space:
        return space(self.options, self.budget, self.recipe)

    @property
    def metric(self) -> str:
        """What every trial is compared by, whatever it draws."""
        return self.recipe.monitor

    @property
    def maximize(self) -> bool:
        return self.metric in GREATER_IS_BETTER

    def chosen(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A draw as options of a network."""
        told = applied(values, self.base, self.recipe)
        # Another architecture might be stopped by another metric, and could not be compared.
        return {**told, "monitor": self.metric} if "architecture" in told else told

    def network(self, values: Mapping[str, Any]) -> NetworkSpec:
        """The network of a draw.

        Raises:
            ValidationError: what is drawn does not go together, or with what is declared.
        """
        told = {**self.chosen(values), "monitor": self.metric, "range_test": False}
        return merged(self.base, told)
