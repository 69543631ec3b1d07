"""Write the generated pages, or with --check say which are not as the code has them."""

import sys
from pathlib import Path

from docs.generator import checks, commands, errors, options

PAGES = {
    "options.md": options.page,
    "commands.md": commands.page,
    "checks.md": checks.page,
    "errors.md": errors.page,
}
FOLDER = Path(__file__).parents[1]


def main() -> int:
    stale = []
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if not path.is_file() or path.read_text("utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    print(", ".join(stale) or "nothing", "differs" if "--check" in sys.argv else "written")
    return int("--check" in sys.argv and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
