"""Asks a server on port 8000 for the golden rows of /bundle, and compares with what is expected."""

import os
import urllib.request
from pathlib import Path

import numpy as np
import pyarrow as pa

from plumbline.release import golden

ARROW = "application/vnd.apache.arrow.stream"
TOLERANCE = 1e-6  # of networks; trees are exact

known = golden.load(Path("/bundle"))
sink = pa.BufferOutputStream()
with pa.ipc.new_stream(sink, known.rows.schema) as writer:
    writer.write_batch(known.rows)
request = urllib.request.Request(
    "http://127.0.0.1:8000/predict",
    data=sink.getvalue().to_pybytes(),
    headers={"Content-Type": ARROW, "Authorization": f"Bearer {os.environ['PLUMBLINE_API_KEY']}"},
)
with urllib.request.urlopen(request) as answer:
    scored = pa.ipc.open_stream(answer.read()).read_all()
for name, expected in zip(known.answers.schema.names, known.answers.columns, strict=True):
    found = scored[name].to_pylist()
    if pa.types.is_floating(expected.type) or name == "scores":
        np.testing.assert_allclose(found, expected.to_pylist(), rtol=0, atol=TOLERANCE)
    else:
        assert found == expected.to_pylist(), name
print(f"{scored.num_rows} golden rows over HTTP: {', '.join(scored.column_names)}")
