"""Every command of the console script, with its arguments and options."""

from collections.abc import Iterator

import click

from docs.generator.markdown import MADE, code, table
from pipelines.cli import main

_INTRODUCTION = """# Commands

`.venv/bin/plumbline COMMAND --help` says the same in the terminal.
"""


def page() -> str:
    return "\n".join([MADE, _INTRODUCTION, *_commands(main, "plumbline")])


def _commands(group: click.Group, called: str) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        path = f"{called} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, path)
        else:
            yield _section(path, command)


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    told = " ".join((command.help or "").split())
    options = [
        (", ".join(map(code, one.opts + one.secondary_opts)), _meaning(one), _default(one, context))
        for one in command.params
        if isinstance(one, click.Option) and not one.hidden
    ]
    listed = "\n" + table(["option", "meaning", "default"], options) if options else ""
    return f"## {code(path)}\n\n{told}\n\n```text\n{usage}\n```\n{listed}"


def _meaning(option: click.Option) -> str:
    choices = option.type.choices if isinstance(option.type, click.Choice) else ()
    return " ".join(filter(None, [option.help, ", ".join(code(str(one)) for one in choices)]))


def _default(option: click.Option, context: click.Context) -> str:
    if option.required:
        return "required"
    found = option.get_default(context)
    known = isinstance(found, str | int | float) and not isinstance(found, bool)
    return code(str(found)) if known else ""
