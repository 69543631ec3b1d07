"""Write the demo's numbers into README.md, from the registry. Run `make demo` first."""

import re
import subprocess
import sys
from pathlib import Path

from pipelines.cli import DEMO_VERSIONS

PROJECT = Path(__file__).parents[1]
COMMANDS = {
    "demo": [
        *(sys.executable, "-m", "pipelines", "show", "flights"),
        *("--dataset-version", DEMO_VERSIONS["flights"]),
    ],
    "optimism": [sys.executable, "benchmarks/optimism.py"],
}


def main() -> None:
    readme = PROJECT / "README.md"
    text = readme.read_text("utf-8")
    for name, command in COMMANDS.items():
        ran = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
        lines = [line.rstrip().replace(f"{PROJECT}/", "") for line in ran.stdout.splitlines()]
        block = "\n".join(
            (f"<!-- {name}:begin -->", "```text", *lines, "```", f"<!-- {name}:end -->")
        )
        pattern = rf"<!-- {name}:begin -->.*?<!-- {name}:end -->"
        text = re.sub(pattern, lambda _, block=block: block, text, flags=re.DOTALL)
    readme.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
