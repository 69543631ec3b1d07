"""Values of rows as JSON types, for people to read."""

import datetime as dt
import math
from typing import Any


def plain(value: Any) -> Any:
    """A value as JSON has it: moments in ISO format, NaN and infinities as words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.isoformat() if isinstance(value, dt.date) else value
