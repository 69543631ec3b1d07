"""Alerts, delivered to a real HTTP and a real SMTP server of this process, or not."""

import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest

from pipelines.automation.alerts import alerts
from plumbline.automation.champions import changes
from plumbline.automation.delivery import deliver
from plumbline.automation.messages import run_failed

SECRET = "/hooks/T0K3N"
MESSAGE = run_failed(job="visits", run_id="r1", dataset_version="v1", problems=["split: too few"])


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    """The port of `server`, which answers until the end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Hook(BaseHTTPRequestHandler):
    received: list[tuple[str, Any]]
    answers: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, json.loads(body)))
        self.send_response(self.answers.pop(0))
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


class Mailbox(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client without encryption asks for."""

    received: list[dict[str, str]]

    def handle(self) -> None:
        self._say("220 ready")
        for line in self.rfile:
            match line.split()[0].upper():
                case b"DATA":
                    self._say("354 go on")
                    self.received.append(self._mail())
                    self._say("250 taken")
                case b"QUIT":
                    self._say("221 bye")
                    break
                case _:
                    self._say("250 fine")

    def _mail(self) -> dict[str, str]:
        text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
        mail = message_from_string(text)
        return {**dict(mail.items()), "text": mail.get_payload()}

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALERT_WEBHOOK", "ALERT_EMAIL", "ALERT_SENDER", "SMTP_URL"):
        monkeypatch.delenv(f"PLUMBLINE_{name}", raising=False)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hook]]:
    handler = type("Here", (Hook,), {"received": [], "answers": [204] * 9})
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as port:
        monkeypatch.setenv("PLUMBLINE_ALERT_WEBHOOK", f"http://127.0.0.1:{port}{SECRET}")
        yield handler


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mailbox]]:
    handler = type("Here", (Mailbox,), {"received": []})
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)) as port:
        monkeypatch.setenv("PLUMBLINE_SMTP_URL", f"smtp://127.0.0.1:{port}")
        monkeypatch.setenv("PLUMBLINE_ALERT_EMAIL", "ann@example.org, bob@example.org")
        yield handler


def test_nobody_is_told_where_nothing_is_set():
    assert deliver(MESSAGE) == []
    assert {sensor.default_status for sensor in alerts([])} == {dg.DefaultSensorStatus.STOPPED}


def test_webhook_and_mail_say_what_failed(hook, mailbox):
    assert deliver(MESSAGE) == []
    ((path, body),) = hook.received
    assert path == SECRET
    assert (body["kind"], body["run_id"], body["problems"]) == (
        "run_failed",
        "r1",
        ["split: too few"],
    )
    (mail,) = mailbox.received
    assert mail["Subject"] == "Plumbline: a run of visits failed on v1"
    assert mail["To"] == "ann@example.org, bob@example.org"
    assert mail["From"] == "ann@example.org"
    assert "split: too few" in mail["text"]


def test_a_webhook_that_recovers_is_tried_again(hook):
    hook.answers[:2] = [503, 500]
    pauses: list[float] = []
    assert deliver(MESSAGE, pauses.append) == []
    assert (len(hook.received), pauses) == (3, [1.0, 4.0])


def test_one_that_does_not_is_given_up_and_said_without_its_address(hook, mailbox, caplog):
    hook.answers[:3] = [503] * 3
    with caplog.at_level(logging.WARNING):
        (problem,) = deliver(MESSAGE, lambda _: None)
    assert "Refused 503, 3 times" in problem
    assert problem in caplog.text
    assert "T0K3N" not in caplog.text
    assert len(mailbox.received) == 1  # the other channel is not held up


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ALERT_WEBHOOK", "https://127.0.0.1:1/T0K3N", "ConnectionRefusedError"),
        (
            "ALERT_WEBHOOK",
            "slack.example.org/T0K3N",
            "WEBHOOK is not set, or is no address",
        ),
        ("ALERT_WEBHOOK", "https://x.example.org:T0K3N/", "or is no address"),
        ("ALERT_EMAIL", "ann@example.org", "PLUMBLINE_SMTP_URL is not set"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_without_it(monkeypatch, name, value, told):
    monkeypatch.setenv(f"PLUMBLINE_{name}", value)
    (problem,) = deliver(MESSAGE, lambda _: None)
    assert told in problem
    assert "T0K3N" not in problem


def test_a_password_is_not_sent_without_encryption(monkeypatch, mailbox):
    from os import environ

    open_server = environ["PLUMBLINE_SMTP_URL"].replace("smtp://", "smtp://ann:T0K3N@")
    monkeypatch.setenv("PLUMBLINE_SMTP_URL", open_server)
    (problem,) = deliver(MESSAGE, lambda _: None)
    assert "offers no encryption" in problem
    assert "T0K3N" not in problem
    assert mailbox.received == []


def test_a_run_that_failed_is_told_of_with_its_reason(hook):
    @dg.op
    def split() -> None:
        raise dg.Failure("the split came out empty; to fix: move val_from")

    @dg.job
    def visits() -> None:
        split()

    (sensor, _) = alerts([])
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        result = visits.execute_in_process(
            instance=instance, raise_on_error=False, tags={"dagster/partition": "v1"}
        )
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        )
        sensor(context.for_run_failure())
    ((_, body),) = hook.received
    assert (body["job"], body["dataset_version"], body["run_id"]) == ("visits", "v1", result.run_id)
    assert body["problems"] == ["split: the split came out empty; to fix: move val_from"]


def test_only_a_change_between_baseline_and_network_is_told_of():
    def champion(kind: str) -> dict[str, dict[str, str]]:
        facts = {"bundle_version": "b" * 64, "dataset_version": "v2", "reason": "it is better"}
        return {"visits": {"kind": kind, **facts}}

    assert not list(changes({}, champion("network")))
    assert not list(changes(champion("xgboost"), {}))
    assert not list(changes(champion("xgboost"), champion("random_forest")))
    (up,) = changes(champion("xgboost"), champion("network"))
    assert up.subject == "Plumbline: the champion of visits went from BASELINE to NETWORK"
    (down,) = changes(champion("network"), champion("random_forest"))
    assert down.subject.endswith("from NETWORK to BASELINE")
    assert down.facts["before"] == "network"


def test_the_sensor_reads_the_registry_and_remembers(hook, postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    (_, sensor) = alerts(["visits"])
    context = dg.build_sensor_context()
    assert sensor.evaluate_tick(context).skip_message == "the champions are as before"
    assert json.loads(str(context.cursor)) == {}
    assert hook.received == []
