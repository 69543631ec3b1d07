"""`python -m pipelines`: the console script, where it is not installed."""

from pipelines.cli import main

main()
