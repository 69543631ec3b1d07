"""docs/exports.md says what the commands, the formats and their refusals are."""

import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import click
from exported_bundles import KINDS

from pipelines.cli import main
from plumbline.exports.answers import NAMES
from plumbline.exports.checking import MANY
from plumbline.exports.export import FORMATS, TOLERANCE
from plumbline.exports.raw_rows import NULL
from plumbline.exports.saved_model import ABOUT, EXTRA, SIGNATURE
from plumbline.release.archive import MOST_BYTES
from plumbline.release.signature import PRIVATE, PUBLIC
from plumbline.release.signature import SIGNATURE as SIGNED

PROJECT = Path(__file__).parents[3]
TEXT = (PROJECT / "docs" / "exports.md").read_text("utf-8")


def test_the_commands_shown_can_be_given():
    (shown,) = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    lines = [shlex.split(line, comments=True)[1:] for line in shown.splitlines()]
    assert {line[1] for line in lines} == set(main.commands["bundle"].commands)
    for line in lines:
        command: click.Command = main.commands[line[0]].commands[line[1]]
        with click.Context(command) as context:
            command.parse_args(context, line[2:])


def test_the_key_is_asked_for_wherever_a_bundle_is_opened():
    group = main.commands["bundle"].commands
    for command in (
        main.commands["predict"],
        main.commands["serve"],
        group["verify"],
        group["export"],
    ):
        (option,) = [one for one in command.params if one.name == "public_key"]
        assert option.envvar == PUBLIC


def test_names_and_numbers_are_the_code_s():
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| \w+", TEXT, re.MULTILINE)
    assert tuple(name for name, _ in rows) == FORMATS
    assert set(rows[1][1].split(", ")) == {*KINDS, "network"}
    for said in (
        *(f"`{name}`" for name in NAMES.values()),
        f"`{NULL}`",
        f"`{SIGNED}`",
        f"`{PUBLIC}`",
        f"`{PRIVATE}`",
        f"`{SIGNATURE}`",
        f"`{(EXTRA / ABOUT).as_posix()}`",
        f"and {MANY:,} of them",
        f"more than {TOLERANCE:.0e}".replace("e-06", "e-6"),
        f"more than {MOST_BYTES // 2**30} GiB are refused",
    ):
        assert said in TEXT, said


def test_the_measured_forest_is_what_the_benchmark_writes():
    sys.path.insert(0, str(PROJECT / "benchmarks"))
    try:
        benchmark = import_module("bundle")
    finally:
        sys.path.remove(str(PROJECT / "benchmarks"))
    (block,) = benchmark.BLOCK.finditer(TEXT)
    rows = [line.split(" | ") for line in block[0].splitlines() if line.startswith("| ")]
    assert [row[0].removeprefix("| ") for row in rows[1:]] == list(benchmark.SIDES)
    assert rows[1][-1] == "to the bit |"
