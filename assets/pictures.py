"""Figures of a materialization: drawn from what its stage stored, and never a reason to fail."""

import base64
import logging
from collections.abc import Callable, Mapping

import dagster as dg

log = logging.getLogger(__name__)

Draw = Callable[[], bytes | None]
"""Gives a PNG or an SVG; None where there is nothing to show."""


def pictures(draws: Mapping[str, Draw]) -> dict[str, dg.MetadataValue]:
    """Metadata that the UI shows inline, by name.

    A figure that cannot be drawn says why in its place: what a stage made is sound without it.
    """
    found = {name: _drawn(name, draw) for name, draw in draws.items()}
    return {name: dg.MetadataValue.md(text) for name, text in found.items() if text}


def _drawn(name: str, draw: Draw) -> str:
    try:
        image = draw()
    except Exception as error:
        log.exception("the figure %s could not be drawn", name)
        return f"not drawn: {type(error).__name__}: {error}"
    return _inline(image) if image else ""


def _inline(image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    return f"![](data:image/{kind};base64,{base64.b64encode(image).decode()})"
