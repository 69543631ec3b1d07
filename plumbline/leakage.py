"""Which side of the split rows are from, asked again where they are used."""

from plumbline.errors import LeakageError


def require_side(rows: object, side: type, use: str) -> None:
    """Raises LeakageError unless `rows` are of `side`: a class of `plumbline.split.rows`.

    use: what they were about to be, in the message.
    """
    if not isinstance(rows, side):
        raise LeakageError(
            f"{type(rows).__name__} were about to be {use}",
            expected=side.__name__,
            remedy="take the rows from Split.train() and Split.validation()",
        )
