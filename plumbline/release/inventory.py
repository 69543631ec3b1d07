"""The files of a bundle: plain files inside its folder, and nothing else."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from plumbline.errors import BundleError
from plumbline.store import sha256_of


def inventory(folder: Path, *, without: str | Collection[str]) -> dict[str, str]:
    """SHA-256 by relative path of every file but `without`.

    Raises:
        BundleError: something in the folder is a link, or neither a file nor a folder.
    """
    paths = {path.relative_to(folder).as_posix(): path for path in _plain_files(folder)}
    left = {without} if isinstance(without, str) else set(without)
    return {name: sha256_of(paths[name]) for name in sorted(paths.keys() - left)}


def verify(folder: Path, recorded: Mapping[str, str], *, without: str | Collection[str]) -> None:
    """Hash the folder's files and compare them with those recorded.

    Raises:
        BundleError: a file is missing, added, changed, a link, or outside the folder.
    """
    _require_inside(folder, recorded)
    found = inventory(folder, without=without)
    problems = dict.fromkeys(recorded.keys() - found.keys(), "missing")
    problems |= dict.fromkeys(found.keys() - recorded.keys(), "not part of the bundle")
    for name in found.keys() & recorded.keys():
        if found[name] != recorded[name]:
            problems[name] = f"sha256 is {found[name][:12]}, was {recorded[name][:12]}"
    if problems:
        listed = ", ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
        raise BundleError(
            f"the bundle in {folder} is not the one that was released ({listed})",
            expected="exactly the files and bytes listed in its manifest",
            remedy="fetch the bundle again from where it was released",
            problems=problems,
        )


def require_plain_file(path: Path) -> None:
    """Refuse links, folders and devices, without opening them."""
    if path.is_symlink() or not path.is_file():
        raise BundleError(
            f"{path} is {'a link' if path.is_symlink() else 'not a file'}",
            expected="the folder of a bundle, with a plain file of that name",
            remedy="give the folder that the release stage wrote",
        )


def _plain_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise BundleError(
                    f"{path} is a link or a device",
                    expected="only plain files and folders in a bundle",
                    remedy="fetch the bundle again from where it was released",
                )
        yield from (Path(parent, name) for name in files)


def _require_inside(folder: Path, names: Mapping[str, str]) -> None:
    for name in names:
        parts = name.replace("\\", "/").split("/")
        if {"", ".", ".."} & set(parts) or ":" in parts[0]:
            raise BundleError(
                f"the bundle in {folder} lists the file {name!r}",
                expected="paths below the bundle's own folder",
                remedy="do not use this bundle; fetch it again from where it was released",
            )
