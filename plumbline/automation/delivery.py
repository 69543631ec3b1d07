"""Messages on their way: a webhook and e-mail, whose addresses come from the environment only.

PLUMBLINE_ALERT_WEBHOOK   an http(s) URL that takes a POST of JSON
PLUMBLINE_ALERT_EMAIL     recipients, separated by commas
PLUMBLINE_ALERT_SENDER    who it is from; default: the first recipient
PLUMBLINE_SMTP_URL        smtp://user:password@host:port (STARTTLS where offered), or smtps://

None of them appears in a log or an error: a webhook's URL is its password.
"""

import http.client
import json
import logging
import os
import smtplib
import ssl
import time
from collections.abc import Callable
from email.message import EmailMessage
from urllib.parse import SplitResult, unquote, urlsplit

from plumbline.automation.messages import Message
from plumbline.errors import SpecError

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5
PAUSES = (1.0, 4.0)
"""Before the second and the third attempt, which is the last (seconds)."""

Channel = Callable[[Message], None]


def channels() -> dict[str, Channel]:
    """What the environment asks for, by name; empty where nobody is to be told."""
    found: dict[str, Channel] = {}
    if os.environ.get("PLUMBLINE_ALERT_WEBHOOK"):
        found["webhook"] = _webhook
    if os.environ.get("PLUMBLINE_ALERT_EMAIL"):
        found["e-mail"] = _email
    return found


def deliver(message: Message, pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Send `message` through every channel; what could not be sent is returned, and logged.

    A channel is tried three times. Nothing is raised: an alert must not fail what it tells of.
    """
    failures = []
    for name, channel in channels().items():
        problem = _attempted(channel, message, pause)
        if problem:
            failures.append(f"the {name} alert {message.subject!r} was not delivered: {problem}")
            log.warning(failures[-1])
    return failures


def _attempted(channel: Channel, message: Message, pause: Callable[[float], None]) -> str | None:
    problem = None
    for seconds in (*PAUSES, None):
        try:
            return channel(message)
        except SpecError as error:
            return str(error)
        except (OSError, http.client.HTTPException, smtplib.SMTPException) as error:
            problem = _told(error)
        if seconds is not None:
            pause(seconds)
    return f"{problem}, {len(PAUSES) + 1} times"


def _told(error: Exception) -> str:
    """Without what a server says: it may repeat the address."""
    number = getattr(error, "status", None) or getattr(error, "smtp_code", None)
    reason = error.strerror if isinstance(error, OSError) else None
    return " ".join(str(part) for part in (type(error).__name__, number, reason) if part)


class Refused(http.client.HTTPException):
    """The webhook answered, but not with success."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


def _webhook(message: Message) -> None:
    url = _address("PLUMBLINE_ALERT_WEBHOOK", {"http", "https"})
    secure = url.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    try:
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        body = json.dumps(message.body()).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise Refused(status)


def _email(message: Message) -> None:
    url = _address("PLUMBLINE_SMTP_URL", {"smtp", "smtps"})
    recipients = [one.strip() for one in os.environ["PLUMBLINE_ALERT_EMAIL"].split(",")]
    mail = EmailMessage()
    mail["Subject"] = message.subject
    mail["From"] = os.environ.get("PLUMBLINE_ALERT_SENDER") or recipients[0]
    mail["To"] = ", ".join(recipients)
    mail.set_content(message.text)
    with _server(url) as server:
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(mail)


def _server(url: SplitResult) -> smtplib.SMTP:
    host, port, context = url.hostname or "", url.port or 0, ssl.create_default_context()
    if url.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    server.ehlo()
    if server.has_extn("starttls"):
        server.starttls(context=context)
        server.ehlo()
    elif url.username:
        server.close()
        raise SpecError(
            "the mail server offers no encryption, and a password is set",
            expected="STARTTLS, or an smtps:// address",
            remedy="correct PLUMBLINE_SMTP_URL",
        )
    return server


def _address(variable: str, schemes: set[str]) -> SplitResult:
    url = urlsplit(os.environ.get(variable, ""))
    try:
        sound = url.scheme in schemes and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        allowed = " or ".join(f"{scheme}://" for scheme in sorted(schemes))
        raise SpecError(
            f"{variable} is not set, or is no address",
            expected=f"a URL that begins with {allowed}",
            remedy=f"correct {variable} in the environment of Dagster's daemon",
        )
    return url
