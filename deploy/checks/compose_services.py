"""Starts Dagster's services of a compose.yaml (standard input) side by side, in one container.

They share an embedded PostgreSQL, and the host name `code` must be this one. Done when the health
check of each passes and the webserver has loaded the code location, whoever came first.
"""

import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import yaml

from plumbline.postgres import postgres

SECONDS = 240
NAMES = ("webserver", "daemon", "code")
QUERY = "{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {__typename}}}}}"
URL = "http://127.0.0.1:3000/graphql?query=" + urllib.parse.quote(QUERY)


def loaded() -> bool:
    with urllib.request.urlopen(URL, timeout=10) as answer:
        (entry,) = json.load(answer)["data"]["workspaceOrError"]["locationEntries"]
    return entry["locationOrLoadError"]["__typename"] == "RepositoryLocation"


def healthy(service: dict) -> bool:
    test = service["healthcheck"]["test"][1:]
    return subprocess.run(test, check=False, capture_output=True).returncode == 0


services = yaml.safe_load(sys.stdin)["services"]
os.environ |= {
    name: value for name, value in services["code"]["environment"].items() if "$" not in value
}
os.environ["DATABASE_URL"] = os.environ["DAGSTER_POSTGRES_URL"] = postgres().url
entrypoint = "/app/deploy/entrypoint.sh"
running = {name: subprocess.Popen([entrypoint, *services[name]["command"]]) for name in NAMES}
try:
    waiting, deadline = set(NAMES), time.monotonic() + SECONDS
    while waiting or not loaded():
        assert time.monotonic() < deadline, (
            f"not healthy after {SECONDS} s: {waiting or 'location'}"
        )
        for name, process in running.items():
            assert process.poll() is None, f"{name} ended with {process.returncode}"
        waiting = {name for name in waiting if not healthy(services[name])}
        time.sleep(1)
finally:
    for process in running.values():
        process.terminate()
    for process in running.values():
        process.wait(60)
