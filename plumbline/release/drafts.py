"""Files and folders that appear whole or not at all, where a person named the place."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plumbline.errors import BundleError
from plumbline.store import alive, flush


@contextmanager
def drafted(target: Path, *, replacing: bool = False) -> Iterator[Path]:
    """A path beside `target` to write a file or a folder to; it takes the name at the end.

    What somebody who was killed left of the same target is removed. replacing: a file that is
    there already is replaced; else it is refused, and nothing is written.

    Raises:
        BundleError: something is there already, or the place cannot be written.
    """
    with _writable(target):
        if not replacing:
            _require_absent(target)
        _sweep(target)
        draft = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex}")
        try:
            yield draft
            _flush(draft)
            if not replacing:
                _require_absent(target)
            draft.rename(target)
            flush(target.parent)
        finally:
            _remove(draft)


def _require_absent(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise BundleError(
            f"{target} is there already",
            expected="a name that nothing has yet",
            remedy="choose another name, or remove it first",
            path=str(target),
        )


def _sweep(target: Path) -> None:
    for left in target.parent.glob(f".{_literal(target.name)}.*.*"):
        writer = left.name.split(".")[-2]
        if writer.isdigit() and not alive(int(writer)):
            _remove(left)


def _literal(name: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    for one in [*path.rglob("*"), path] if path.is_dir() else [path]:
        flush(one)


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(
            f"{target} cannot be written: {error}",
            expected="a folder with room and rights",
            remedy="choose another place",
            path=str(target),
        ) from error
