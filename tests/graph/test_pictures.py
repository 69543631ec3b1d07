"""Pictures are drawn once for what they show, and never stop what they belong to."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assets import pictures as module
from assets.pictures import FOLDER, pictures
from plumbline.store import ArtifactStore

PNG = b"\x89PNG\r\n\x1a\n drawn"


class Pencil:
    """Counts how often it draws; functions of this module draw, as an asset's lambdas do."""

    def __init__(self, image: bytes | None = PNG):
        self.image, self.drawn = image, 0

    def draws(self) -> dict[str, Any]:
        def draw() -> bytes | None:
            self.drawn += 1
            return self.image

        return {"bars": draw}


@pytest.fixture
def bench(tmp_path) -> Any:
    return SimpleNamespace(store=ArtifactStore.at(tmp_path))


def artifact(bench: Any, content: str) -> Path:
    def write(folder: Path) -> None:
        (folder / "numbers.json").write_text(content, "utf-8")

    return bench.store.publish("visits", "split", content * 64, write)


def kept(bench: Any) -> list[Path]:
    return sorted(one for one in (bench.store.root / FOLDER).rglob("*") if one.is_file())


@pytest.mark.parametrize("image", [PNG, b"<svg/>", None])
def test_what_was_drawn_is_shown_again_without_drawing(bench, image):
    pencil, folder = Pencil(image), artifact(bench, "a")
    first = pictures(bench, [folder], pencil.draws())
    assert pictures(bench, [folder], pencil.draws()) == first
    assert pencil.drawn == 1
    assert bool(first) == (image is not None)


def test_another_content_is_drawn_anew(bench):
    pencil = Pencil()
    folders = artifact(bench, "a"), artifact(bench, "b")
    for shown in ([folders[0]], [folders[1]], [*folders]):
        pictures(bench, shown, pencil.draws())
    assert pencil.drawn == len(kept(bench)) == 3


def test_other_code_draws_anew_and_leaves_one_picture(bench, monkeypatch):
    pencil, folder = Pencil(), artifact(bench, "a")
    pictures(bench, [folder], pencil.draws())
    monkeypatch.setattr(module, "code_version", lambda name: f"changed {name}")
    pictures(bench, [folder], pencil.draws())
    assert pencil.drawn == 2
    assert len(kept(bench)) == 1


def test_what_cannot_be_drawn_says_why_and_is_tried_again(bench):
    def broken() -> bytes:
        raise ValueError("no such bar")

    folder, pencil = artifact(bench, "a"), Pencil()
    told = pictures(bench, [folder], {"bars": broken})
    assert told["bars"].value == "not drawn: ValueError: no such bar"
    pictures(bench, [folder], pencil.draws())
    assert pencil.drawn == 1


def test_a_place_that_cannot_be_written_is_no_reason_to_fail(bench, caplog):
    pencil, folder = Pencil(), artifact(bench, "a")
    (bench.store.root / FOLDER).write_text("a file where the folder would be", "utf-8")
    assert "bars" in pictures(bench, [folder], pencil.draws())
    assert "is not kept" in caplog.text
