"""docs/network.md tells the recipes that networks are made by."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plumbline.network import recipe
from plumbline.network.recipe import chosen
from plumbline.spec.network import ARCHITECTURES

DOCUMENT = Path(__file__).parents[3] / "docs" / "network.md"


def table() -> list[str]:
    lines = [
        "| option | all | " + " | ".join(recipe.RECIPES) + " |",
        "|---|---|" + "---|" * len(recipe.RECIPES),
    ]
    options = {one: None for own in (recipe._COMMON, *recipe.RECIPES.values()) for one in own}
    for option in options:
        cells = [told(own.get(option)) for own in (recipe._COMMON, *recipe.RECIPES.values())]
        lines.append(f"| `{option}` | " + " | ".join(cells) + " |")
    return lines


def exceptions() -> list[str]:
    rules = {
        "regression": recipe.OF_NUMBERS,
        f"multiclass or regression, from {recipe.MANY_ROWS:,} training rows on": (
            recipe.OF_MANY_ROWS
        ),
    }
    return [
        "| where | architecture | otherwise |",
        "|---|---|---|",
        *(
            f"| {where} | {architecture} | "
            + ", ".join(f"`{name}` {told(value)}" for name, value in own.items())
            + " |"
            for where, rule in rules.items()
            for architecture, own in rule.items()
        ),
    ]


def told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_recipes_are_those_of_the_code():
    text = DOCUMENT.read_text("utf-8")
    assert "\n".join(table()) in text
    assert "\n".join(exceptions()) in text


def test_every_architecture_is_told():
    text = DOCUMENT.read_text("utf-8")
    assert all(f"`{name}`" in text for name in ARCHITECTURES)
    assert isinstance(recipe.RECIPES, Mapping)
    assert set(recipe.RECIPES) == set(ARCHITECTURES) - {"auto"}


def test_auto_is_what_the_document_says():
    assert [chosen(rows, "cpu") for rows in (1, 1_000_000, 1_000_001)] == [
        "tabm_mini",
        "tabm_mini",
        "dense",
    ]
    assert chosen(10_000_000, "gpu") == "tabm_mini"
    assert "tables of more than 1,000,000 training rows" in DOCUMENT.read_text("utf-8")
