"""What all commands do alike: errors told plainly, `k=v` options, a bundle by its alias."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plumbline.errors import PlumblineError

if TYPE_CHECKING:
    from assets.workbench import Workbench


@contextmanager
def told_plainly() -> Iterator[None]:
    """Our own errors as one message and exit code 1, without a traceback."""
    try:
        yield
    except PlumblineError as error:
        raise click.ClickException(str(error)) from None


class BundlePath(click.ParamType):
    """A bundle's folder or archive, or PIPELINE@champion, @challenger or @VERSION for one."""

    name = "bundle"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None = None,  # noqa: ARG002
        ctx: click.Context | None = None,  # noqa: ARG002
    ) -> Path:
        path = Path(value)
        if "@" not in str(value) or path.exists():
            return path
        from plumbline.environment import store_location
        from plumbline.postgres import postgres
        from plumbline.promotion.aliases import bundle_location
        from plumbline.registry import Registry
        from plumbline.store import ArtifactStore

        with told_plainly():
            store = ArtifactStore.at(store_location())
            return bundle_location(Registry.open(postgres()), str(value), store)


def pairs(parameters: tuple[str, ...], option: str = "--param") -> dict[str, str]:
    split = [parameter.partition("=") for parameter in parameters]
    for name, equals, _ in split:
        if not (name and equals):
            raise click.BadParameter(f"{name!r} is not of the form k=v", param_hint=option)
    return {name: value for name, _, value in split}


def workbench(name: str, dataset_version: str | None) -> "Workbench":
    """What is there of a pipeline's dataset version; of the one frozen last where none is named.

    Raises:
        PlumblineError: there is no such pipeline or dataset version.
    """
    from assets.resources import PlumblineResource
    from pipelines.definitions import ROOT
    from pipelines.loading import pipeline
    from plumbline.postgres import postgres
    from plumbline.registry import Registry
    from plumbline.summary import frozen

    spec = pipeline(name)
    version = frozen(Registry.open(postgres()), name, dataset_version)["dataset_version"]
    return PlumblineResource().open(spec, ROOT, version)
