"""`plumbline bundle …`: a released bundle as one file, signed, or in another format."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.shared import told_plainly

if TYPE_CHECKING:
    from plumbline.exports.export import Format

PATH = click.Path(path_type=Path)

public_key = click.option(
    "--public-key",
    envvar="PLUMBLINE_BUNDLE_KEY",
    help="Refuse a bundle that this key did not sign (PLUMBLINE_BUNDLE_KEY).",
)


@click.group()
def bundle() -> None:
    """Pack, sign, verify and export a released bundle."""


@bundle.command()
@click.argument("folder", type=PATH)
@click.argument("file", type=PATH)
def pack(folder: Path, file: Path) -> None:
    """Write the bundle in FOLDER as one FILE; equal bundles give equal files."""
    from plumbline.release.archive import pack as packed

    with told_plainly():
        packed(folder, file)
    click.echo(f"{file}, {file.stat().st_size:,} bytes")


@bundle.command()
@click.argument("file", type=PATH)
@click.argument("folder", type=PATH)
def unpack(file: Path, folder: Path) -> None:
    """Write the bundle in FILE as a new FOLDER."""
    from plumbline.release.archive import unpack as unpacked

    with told_plainly():
        unpacked(file, folder)
    click.echo(f"{folder}")


@bundle.command()
@click.argument("file", type=PATH)
def keys(file: Path) -> None:
    """Write a new private key to FILE, and print the public key that belongs to it."""
    from plumbline.release.signature import new_key

    with told_plainly():
        click.echo(new_key(file))


@bundle.command()
@click.argument("bundle", type=PATH)
@click.option("--key", type=PATH, help="File of the private key (PLUMBLINE_BUNDLE_PRIVATE_KEY).")
def sign(bundle: Path, key: Path | None) -> None:
    """Sign BUNDLE, a folder or one file, with a private key."""
    from plumbline.release.archive import signed
    from plumbline.release.signature import private_key

    with told_plainly():
        public = signed(bundle, private_key(key))
    click.echo(f"signed by {public}")


@bundle.command()
@click.argument("bundle", type=PATH)
@public_key
def verify(bundle: Path, public_key: str | None) -> None:
    """Load BUNDLE as a server would, and say who signed it; exit code 1 if it is unsound."""
    from plumbline.release.archive import opened
    from plumbline.release.bundle import load_bundle
    from plumbline.release.signature import require

    with told_plainly(), opened(bundle, public_key=public_key) as folder:
        described = load_bundle(folder).manifest
        signer = require(folder)
    click.echo(f"{described.kind} {described.versions.model_version} verifies")
    click.echo(f"signed by {signer}" if signer else "not signed")


@bundle.command()
@click.argument("bundle", type=PATH)
@click.argument("target", type=PATH)
@click.option("--to", required=True, type=click.Choice(["saved_model", "onnx", "mlflow"]))
@public_key
def export(bundle: Path, target: Path, to: "Format", **given: Any) -> None:
    """Write BUNDLE to TARGET in another format, if that scores its golden rows alike."""
    if to != "mlflow":
        # Of this process alone: graphs are made of TensorFlow's operations, and a network's
        # file is read by either backend.
        os.environ["KERAS_BACKEND"] = "tensorflow"
    from plumbline.exports.export import export as exported

    with told_plainly():
        made = exported(bundle, to, target, public_key=given["public_key"])
    click.echo(
        f"{target}: {made.kind} as {to}; {made.rows} golden rows, {made.apart:.2g} apart at most"
    )
