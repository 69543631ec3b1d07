"""docs/split.md shows a certificate that the code makes, and explains all of it."""

import datetime as dt
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from snapshots import snapshot_of, spec_of, split_of

from plumbline.split.certificate import problems

PAGE = Path(__file__).parents[3] / "docs" / "split.md"
BLOCK = re.compile(r"(<!-- certificate:begin -->\n).*?(<!-- certificate:end -->)", re.DOTALL)


def orders() -> pa.Table:
    """400 orders from January to April. Some customers come back, and some orders are alike."""
    number = np.arange(400)
    made = [dt.datetime(2025, 1, 1) + dt.timedelta(hours=7 * int(at)) for at in number]
    return pa.table({
        "order_id": number,
        "customer": [f"customer {at // (5 if at % 20 else 10)}" for at in number],
        "ordered_at": pa.array(made, pa.timestamp("us", "UTC")),
        "amount": [19.9 if at % 30 == 7 else 100 + at / 10 for at in number.tolist()],
        "channel": [("web", "shop", "phone")[at % 3] for at in number],
        "returned": [at * 29 % 7 < 2 for at in number.tolist()],
    })  # fmt: skip


@pytest.fixture
def certificate(tmp_path: Path) -> dict:
    spec = spec_of(
        name="orders",
        key="order_id",
        label="returned",
        timestamp="ordered_at",
        group="customer",
        split={
            "policy": "temporal",
            "val_from": "2025-03-01",
            "test_from": "2025-04-01",
            "gap": "P7D",
        },
    )
    snapshot = snapshot_of(orders(), tmp_path, key="order_id", label="returned", pipeline="orders")
    return split_of(snapshot, spec).certificate


def test_the_example_is_what_the_code_makes(certificate, pytestconfig):
    shown = f"```json\n{json.dumps(certificate, indent=1)}\n```\n"
    text = PAGE.read_text("utf-8")
    if pytestconfig.getoption("--update-golden"):
        PAGE.write_text(BLOCK.sub(lambda found: found[1] + shown + found[2], text), "utf-8")
    (block,) = BLOCK.finditer(PAGE.read_text("utf-8"))
    assert block[0] == f"<!-- certificate:begin -->\n{shown}<!-- certificate:end -->"


def test_the_example_is_sound_and_shows_every_reason(certificate):
    assert problems(certificate) == ()
    reasons = certificate["excluded"]["reasons"]
    assert all(sum(counts.values()) for counts in reasons.values())
    assert set(reasons) == {"gap", "group", "duplicate"}


def test_every_field_is_explained(certificate):
    listed = set(
        re.findall(
            r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text("utf-8"), re.MULTILINE))
        )
    )
    assert set(certificate) - {"rows", "confidence"} <= listed
