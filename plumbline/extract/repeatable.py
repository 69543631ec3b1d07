"""Whether a query says the same to each of several connections."""

from plumbline.errors import QueryFailed
from plumbline.extract.query import Query

_CLOCK = {
    "clock_timestamp", "current_date", "current_time", "current_timestamp", "localtime",
    "localtimestamp", "now", "statement_timestamp", "timeofday", "transaction_timestamp",
}  # fmt: skip
_CHANCE = {
    "gen_random_uuid", "nextval", "random", "random_normal", "uuid_generate_v1",
    "uuid_generate_v4", "uuidv4", "uuidv7",
}  # fmt: skip
_BARE = {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
"""Without brackets."""


def require_repeatable(query: Query, connections: int) -> None:
    """Raises QueryFailed where the query reads the clock or chance, and connections are several.

    Each has a transaction of its own, and therefore a now() of its own. What views and functions
    read is not seen here.
    """
    found = _unsteady(query)
    if connections > 1 and found:
        listed = ", ".join(f"{word} (line {line})" for word, line in found.items())
        raise QueryFailed(
            f"{query.file} reads {listed}, which differs between {connections} connections",
            expected="a query that says the same to each of them",
            remedy="give the moment as a parameter such as :as_of, take chance out, or set "
            "source.connections: 1",
            words=sorted(found),
        )


def _unsteady(query: Query) -> dict[str, int]:
    """What reads the clock or chance: the word, and the first line that it is on."""
    statement = query.statement
    words = statement.words()
    sampled = "tablesample" in words and "repeatable" not in words
    found: dict[str, int] = {}
    for token, word, following in zip(statement.tokens, words, [*words[1:], ""], strict=True):
        called = word in _CLOCK | _CHANCE and (word in _BARE or following == "(")
        if called or (sampled and word == "tablesample"):
            found.setdefault(word, statement.line_of(token.start))
    return found
