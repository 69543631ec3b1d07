"""Pages that are made from the code: `python -m docs.generator`, compared by a test."""
