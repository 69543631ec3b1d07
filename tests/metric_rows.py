"""Rows of labels, scores and weights that metrics are tried on."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def rows(draw: st.DrawFn, columns: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Scores, labels and perhaps weights; scores of few values, so that they repeat."""
    count = draw(st.integers(8, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = draw(st.sampled_from([3, 20, 10_000]))
    scores = (generator.integers(1, values, (count, columns)) / values).astype(np.float64)
    weights = draw(st.sampled_from(["none", "ones", "drawn", "some zero"]))
    drawn = generator.uniform(0.1, 4, count)
    chosen = {
        "none": None,
        "ones": np.ones(count),
        "drawn": drawn,
        "some zero": np.where(np.arange(count) % 5 == 4, 0, drawn),
    }[weights]
    return scores, generator.integers(0, 2, (count, columns)), chosen
