"""`plumbline serve BUNDLE`: HTTP scoring of a released bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.commands.bundle import public_key
from pipelines.commands.shared import BundlePath, told_plainly

if TYPE_CHECKING:
    import pyarrow as pa

    from plumbline.serving.inference_log import Sink


@click.command(context_settings={"show_default": True})
@click.argument("bundle", type=BundlePath())
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=8000, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--max-body", default=16, type=click.IntRange(1), help="MiB of a request's body.")
@click.option("--max-rows", default=100_000, type=click.IntRange(1), help="Rows of a request.")
@click.option("--timeout", default=30.0, type=click.FloatRange(0.1), help="Seconds per request.")
@click.option("--max-requests", default=32, type=click.IntRange(1), help="Answered at a time.")
@click.option("--batch-rows", default=16_384, type=click.IntRange(1), help="Scored together.")
@click.option("--batch-wait", default=0.0, type=click.FloatRange(0), help="Seconds for others.")
@click.option("--drain", default=1.0, type=click.FloatRange(0), help="Seconds after SIGTERM.")
@click.option("--log-to", type=click.Path(path_type=Path), help="Folder of the inference log.")
@click.option("--log-table", help="schema.table of the inference log, at DATABASE_URL.")
@public_key
@click.option("--without-key", is_flag=True, help="Answer anybody, also from elsewhere.")
def serve(bundle: Path, host: str, port: int, **options: Any) -> None:
    """Answer HTTP requests with BUNDLE, until SIGTERM.

    Requests need the key in PLUMBLINE_API_KEY. docs/serving.md has the rest.
    """
    from pipelines.screen import show_progress
    from plumbline.serving.inference_log import layout
    from plumbline.serving.scorer import Scorer
    from plumbline.serving.server import listen, serve
    from plumbline.serving.service import Service
    from plumbline.serving.settings import MIB, Limits, key_from_environment

    show_progress()
    with told_plainly():
        limits = Limits(
            body_bytes=options["max_body"] * MIB,
            rows=options["max_rows"],
            seconds=options["timeout"],
            requests=options["max_requests"],
            batch_rows=options["batch_rows"],
            batch_seconds=options["batch_wait"],
            log_rows=2 * max(options["max_rows"], 100_000),
        )
        key = key_from_environment(host, without=options["without_key"])
        scorer = Scorer.load(bundle, public_key=options["public_key"])
        sink = _sink(options["log_to"], options["log_table"], layout(scorer.answers))
        listening = listen(host, port)
        service = Service(scorer, limits, key=key, sink=sink)
        place = f"http://{host}:{listening.getsockname()[1]}"
        versions = scorer.versions
        click.echo(f"model {versions['model_version'][:12]} answers on {place}")
        serve(service, listening, drain_seconds=options["drain"])


def _sink(folder: Path | None, table: str | None, rows: "pa.Schema") -> "Sink | None":
    from plumbline.serving.log_sinks import ParquetParts, PostgresTable

    if folder and table:
        raise click.UsageError("--log-to and --log-table: choose one")
    if folder:
        return ParquetParts(folder, rows)
    return PostgresTable(_database(), table, rows) if table else None


def _database() -> Any:
    import os

    from plumbline.errors import ServingError
    from plumbline.postgres import postgres

    if not os.environ.get("DATABASE_URL"):
        raise ServingError(
            "--log-table needs a server, and DATABASE_URL is not set",
            expected="postgresql://user:password@host:5432/database",
            remedy="set DATABASE_URL, or log to files with --log-to",
        )
    return postgres()
