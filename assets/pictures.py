"""Figures of a materialization: drawn from what its stage stored, and never a reason to fail.

A drawn figure is kept in the store under `.pictures`, by the content of the artifacts that it
shows and by the code that drew it; a stage that has nothing to do shows it again. What lies
there may be deleted at any time.
"""

import base64
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import dagster as dg

from assets.workbench import Workbench
from plumbline.store import MANIFEST, flush, sha256_of
from plumbline.versions import code_version, fingerprint

log = logging.getLogger(__name__)

Draw = Callable[[], bytes | None]
"""Gives a PNG or an SVG; None where there is nothing to show."""

FOLDER = ".pictures"
_NOTHING = b"nothing to show"
_STYLE = "plumbline.evaluation.figures"


def pictures(
    bench: Workbench, shown: Sequence[Path], draws: Mapping[str, Draw]
) -> dict[str, dg.MetadataValue]:
    """Metadata that the UI shows inline, by name. `shown` are the artifacts that the figures
    are drawn from.

    A figure that cannot be drawn says why in its place: what a stage made is sound without it.
    """
    contents = [sha256_of(folder / MANIFEST) for folder in shown]
    place = bench.store.root / FOLDER / fingerprint(shown=contents)
    found = {name: _shown(place, name, draw) for name, draw in draws.items()}
    return {name: dg.MetadataValue.md(text) for name, text in found.items() if text}


def _shown(place: Path, name: str, draw: Draw) -> str:
    code = fingerprint(code=[code_version(_STYLE), code_version(draw.__module__)])
    file = place / f"{name}.{code}"
    try:
        image = _kept(file) or _drawn(file, draw)
    except Exception as error:
        log.exception("the figure %s could not be drawn", name)
        return f"not drawn: {type(error).__name__}: {error}"
    return "" if image == _NOTHING else _inline(image)


def _kept(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _drawn(file: Path, draw: Draw) -> bytes:
    image = draw() or _NOTHING
    try:
        _keep(file, image)
    except OSError as error:
        log.warning("the figure is not kept at %s: %s", file, error.strerror)
    return image


def _keep(file: Path, image: bytes) -> None:
    """Whole or not at all; what earlier code drew goes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{uuid.uuid4().hex}")
    try:
        draft.write_bytes(image)
        flush(draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    for older in file.parent.glob(f"{file.stem}.*"):
        if older != file:
            with suppress(FileNotFoundError):
                older.unlink()


def _inline(image: bytes) -> str:
    kind = "png" if image.startswith(b"\x89PNG") else "svg+xml"
    return f"![](data:image/{kind};base64,{base64.b64encode(image).decode()})"
