"""The documentation builds, its generated pages are the code's, and what it shows is valid."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import sqlglot
import yaml
from pydantic import TypeAdapter

from docs.generator.__main__ import PAGES
from pipelines.cli import main
from plumbline.spec import PipelineSpec

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
NEEDED = {"sql": "sql/x.sql", "key": ["k"], "label": "l"}
"""Of a source; pages that show some of its options leave them out."""


def _blocks(language: str) -> list:
    """Fenced blocks of a language, each with its page for a name."""
    pages = [*sorted(DOCS.glob("*.md")), PROJECT / "README.md"]
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in pages
        for number, block in enumerate(
            re.findall(rf"^ *```{language}\n(.*?)^ *```", page.read_text("utf-8"), re.M | re.S), 1
        )
    ]


def test_the_pages_build_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-b", "html"]
    built = subprocess.run(
        [*command, str(DOCS), str(tmp_path / "site")], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "site" / "index.html").is_file()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_what_the_code_says(name):
    assert (DOCS / name).read_text("utf-8") == PAGES[name](), "make docs writes it anew"


@pytest.mark.parametrize("block", _blocks("yaml"))
def test_options_in_yaml_are_valid(block):
    declared = yaml.safe_load(block)
    declared = declared.get("attributes", declared)
    fields = PipelineSpec.model_fields
    if not declared.keys() <= fields.keys():
        pytest.skip("not of a defs.yaml")
    if {"name", "source"} <= declared.keys():
        PipelineSpec.model_validate(declared)
    for name, value in declared.items():
        whole = {**NEEDED, **value} if name == "source" else value
        TypeAdapter(fields[name].rebuild_annotation()).validate_python(whole)


@pytest.mark.parametrize("block", _blocks("sql"))
def test_sql_can_be_parsed(block):
    assert sqlglot.parse(re.sub(r"\$\w+", "'x'", block), dialect="postgres")


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_can_be_parsed(block):
    assert ast.parse(block).body


@pytest.mark.parametrize("block", _blocks("bash"))
def test_commands_exist_with_their_options(block):
    lines = block.replace("\\\n", " ").splitlines()
    for line in filter(None, (one.split("  #")[0].strip() for one in lines)):
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        program = Path(words[0]).name if words else ""
        if program == "plumbline":
            _require_command(main, words[1:])
        elif program == "make":
            _require_target(words[1:])


def _require_command(command: click.Command, words: list[str]) -> None:
    context = click.Context(command)
    while isinstance(command, click.Group):
        assert words[0] in command.commands, words[0]
        command, words = command.commands[words[0]], words[1:]
        context = click.Context(command, parent=context)
    known = {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}
    used = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert used <= known | {"--help"}


def _require_target(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.M)
    assert {word for word in words if "=" not in word and not word.startswith("-")} <= set(targets)
