"""What all commands do alike: errors told plainly, `k=v` options."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from plumbline.errors import PlumblineError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Our own errors as one message and exit code 1, without a traceback."""
    try:
        yield
    except PlumblineError as error:
        raise click.ClickException(str(error)) from None


def pairs(parameters: tuple[str, ...]) -> dict[str, str]:
    split = [parameter.partition("=") for parameter in parameters]
    for name, equals, _ in split:
        if not (name and equals):
            raise click.BadParameter(f"{name!r} is not of the form k=v", param_hint="--param")
    return {name: value for name, _, value in split}
