"""The registry's schema, in order. Each revision under versions/ runs one SQL file here."""

from pathlib import Path

FOLDER = Path(__file__).parent


def statements(file: str) -> str:
    return (FOLDER / file).read_text("utf-8")
