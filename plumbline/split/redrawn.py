"""A split dealt out anew at random, to see what the declared one is worth."""

from dataclasses import replace

import numpy as np

from plumbline.split.rows import NAMES, SIDES, TRAIN, VAL
from plumbline.split.split import Split
from plumbline.versions import SplitVersion, fingerprint


def redrawn(split: Split, seed: int) -> Split:
    """The rows of train and val dealt out at random, as many to each; the others stay.

    Test rows are still test rows, and what is on no side stays on none. It is never
    recorded, and nothing that is released may come from it.
    """
    rows = np.flatnonzero((split.assignment == TRAIN) | (split.assignment == VAL))
    val = int(np.count_nonzero(split.assignment == VAL))
    assignment = split.assignment.copy()
    assignment[rows] = TRAIN
    assignment[np.random.default_rng(seed).choice(rows, val, replace=False)] = VAL
    assignment.flags.writeable = False
    version = SplitVersion(fingerprint(redrawn=split.version, seed=seed))
    counts = np.bincount(assignment, minlength=len(NAMES))
    return replace(
        split,
        version=version,
        assignment=assignment,
        certificate={
            "policy": {"policy": "redrawn", "of": split.version, "seed": seed},
            "sides": {name: {"rows": int(counts[code])} for name, code in SIDES.items()},
        },
        assignment_digest=version,
    )
