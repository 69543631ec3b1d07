"""An artifact into a bucket and back, beside pyarrow.fs.copy_files, on a real S3 server here.

    python benchmarks/object_store.py [--mib 256] [--rounds 3]

Eight files of random bytes. Plumbline hashes them, writes them and their list, and reads them
back hashed; the peer only copies. They take turns, and share this machine with the server. Then
the requests that one artifact of three files costs, counted by a proxy before the server.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from pyarrow import fs  # noqa: E402
from s3_server import KEYS, Server, environment, proxy  # noqa: E402

from plumbline.store import ArtifactStore, bucket  # noqa: E402

FILES = 8


def timed(do: Callable[[], object]) -> float:
    begun = time.perf_counter()
    do()
    return time.perf_counter() - begun


def opened(url: str, cache: Path) -> ArtifactStore:
    os.environ["PLUMBLINE_STORE_CACHE"] = str(cache)
    return ArtifactStore.at(url)


def speeds(server: Server, folder: Path, mib: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by what was done; and the process's `peak` (MiB)."""
    key, secret = KEYS["writer"]
    peer = fs.S3FileSystem(
        access_key=key,
        secret_key=secret,
        endpoint_override=server.address,
        scheme="http",
        region="us-east-1",
    )
    local = fs.LocalFileSystem()
    source = folder / "source"
    source.mkdir()
    for number in range(FILES):
        (source / f"{number}").write_bytes(os.urandom(mib * 2**20 // FILES))

    def write(draft: Path) -> None:
        for path in source.iterdir():
            (draft / path.name).hardlink_to(path)

    found: dict[str, list[float]] = {
        name: [] for name in ("store in", "peer in", "store out", "peer out", "path in", "peak")
    }
    for number in range(rounds):
        place = "p", "split", f"{number:064}"
        a, b = (opened("s3://bucket/store", folder / f"cache {number} {one}") for one in "ab")
        into, back = f"bucket/peer/{number}", folder / f"peer {number}"
        back.mkdir()
        on_path = ArtifactStore.at(folder / "path")
        found["store in"].append(timed(partial(a.publish, *place, write)))
        found["store out"].append(timed(partial(b.get, *place)))
        found["peak"] = found["peak"] or [_peak()]  # before the peer has its own
        found["peer in"].append(timed(partial(fs.copy_files, str(source), into, local, peer)))
        found["peer out"].append(timed(partial(fs.copy_files, into, str(back), peer, local)))
        found["path in"].append(timed(partial(on_path.publish, *place, write)))
    return found


def _peak() -> float:
    """Memory that this process held at most (MiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def requests(server: Server, folder: Path) -> dict[str, Counter[str]]:
    """Requests by method, by what was done with an artifact of three small files."""

    def write(draft: Path) -> None:
        for name in "abc":
            (draft / name).write_text(name)

    place = "p", "split", "f" * 64
    found: dict[str, Counter[str]] = {}
    with proxy(server.address) as counted:
        os.environ |= environment(counted.address)
        bucket._client.cache_clear()
        one, two = (opened("s3://bucket/counted", folder / f"counted {name}") for name in "ab")
        for told, do in {
            "published": lambda: one.publish(*place, write),
            "another one": lambda: one.publish("p", "split", "e" * 64, write),
            "found, with its copy here": lambda: one.find(*place),
            "found, with no copy here": lambda: two.find(*place),
            "absent": lambda: one.find("p", "split", "d" * 64),
        }.items():
            counted.requests.clear()
            do()
            found[told] = Counter(
                "LIST" if "list-type" in line else line.split()[0] for line in counted.requests
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        server = Server(folder / "server")
        server.start()
        try:
            server.make_bucket("bucket")
            os.environ |= environment(server.address)
            before = _peak()
            found = speeds(server, folder, asked.mib, asked.rounds)
            grown = found.pop("peak")[0] - before
            counted = requests(server, folder)
        finally:
            server.stop()
    median = {name: statistics.median(seconds) for name, seconds in found.items()}
    for name, seconds in median.items():
        print(f"{name:10} {seconds:6.2f} s  {asked.mib / seconds:7.1f} MiB/s")
    for way in ("in", "out"):
        ratio = median[f"store {way}"] / median[f"peer {way}"]
        print(f"store / pyarrow.fs.copy_files, {way}: {ratio:.2f}")
    print(f"peak memory of the store: {grown:.0f} MiB")
    for told, methods in counted.items():
        print(f"{told}: {', '.join(f'{count} {method}' for method, count in methods.items())}")


if __name__ == "__main__":
    main()
