"""The text of one SELECT, read token by token: its parameters, and what it may not be."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot.dialects import Postgres
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from plumbline.errors import QueryFailed

_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET)
_STARTS = (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN)
_LIMITS = (TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH)
_NAMING = (TokenType.ALIAS, TokenType.DOT)


@dataclass(frozen=True, kw_only=True)
class Placeholder:
    """A `:name` in the text: `text[start:end]`."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Statement:
    """A SQL text without its comments, whitespace and closing semicolon."""

    file: str
    text: str
    tokens: tuple[Token, ...]

    @classmethod
    def read(cls, file: str, text: str) -> "Statement":
        """The statement in `text`.

        Raises:
            QueryFailed: it is not one SELECT with its quotes and brackets closed, or its rows
                are left to chance by a LIMIT without an ORDER BY.
        """
        statement = cls(file, text, _tokens(file, text))
        statement._require_one_select()
        statement._require_balance()
        statement._require_order_with_limit()
        return statement

    @property
    def body(self) -> slice:
        """Where the statement lies in the text."""
        return slice(self.tokens[0].start, self.tokens[-1].end + 1)

    def line_of(self, offset: int) -> int:
        """The line, counted from 1, of a character of the text, counted from 0."""
        return self.text.count("\n", 0, offset) + 1

    def words(self) -> list[str]:
        """The tokens' text, with bare words in lower case, as PostgreSQL reads them."""
        words = [self._source(token) for token in self.tokens]
        return [word if re.search(r"['\"$]", word) else word.lower() for word in words]

    def placeholders(self) -> Iterator[Placeholder]:
        """The `:name`s outside quotes, comments and array subscripts, in order.

        In a subscript a colon makes a slice; `a[(:n)]` is a parameter there.
        """
        brackets = _brackets(self.tokens)
        for colon, word, opened in zip(self.tokens, self.tokens[1:], brackets, strict=False):
            name = self._source(word)
            adjacent = colon.token_type is TokenType.COLON and word.start == colon.end + 1
            if adjacent and re.fullmatch(r"[^\W\d]\w*", name) and not opened.endswith("["):
                yield Placeholder(name=name, start=colon.start, end=word.end + 1)

    def _source(self, token: Token) -> str:
        return self.text[token.start : token.end + 1]

    def _require_one_select(self) -> None:
        first = self.tokens[0] if self.tokens else None
        if first is None or first.token_type not in _STARTS:
            begins = f"begins with {self._source(first)!r}" if first else "holds no statement"
            raise self._refused(first, begins)
        for token, following in zip(self.tokens, self.tokens[1:], strict=False):
            if token.token_type is TokenType.SEMICOLON:
                raise self._refused(following, "holds a second statement")

    def _refused(self, token: Token | None, found: str) -> QueryFailed:
        place = f"{self.file}:{self.line_of(token.start)}" if token else self.file
        return QueryFailed(
            f"{place} {found}",
            expected="one SELECT, or WITH ... SELECT",
            remedy="keep only the SELECT whose rows are wanted; prepare tables elsewhere",
        )

    def _require_balance(self) -> None:
        opened: list[Token] = []
        for token in self.tokens:
            if token.token_type in _OPENING:
                opened.append(token)
            elif token.token_type in _CLOSING and not opened:
                raise self._unbalanced(token, "closes")
            elif token.token_type in _CLOSING:
                opened.pop()
        if opened:
            raise self._unbalanced(opened[-1], "opens")

    def _unbalanced(self, token: Token, verb: str) -> QueryFailed:
        return QueryFailed(
            f"{self.file}:{self.line_of(token.start)} {verb} a bracket that has no partner",
            expected="every bracket closed",
            remedy="balance the brackets in the file",
        )

    def _require_order_with_limit(self) -> None:
        outer = [token for token in self._clauses() if token.token_type in _LIMITS]
        ordered = any(token.token_type is TokenType.ORDER_BY for token in self._clauses())
        if outer and not ordered:
            raise QueryFailed(
                f"{self.file}:{self.line_of(outer[0].start)} has {outer[0].text.upper()} without "
                "ORDER BY, so that chance decides which rows are read",
                expected="rows that are the same at every reading",
                remedy="add an ORDER BY over the key before it, or take it out",
            )

    def _clauses(self) -> Iterator[Token]:
        """Tokens outside all brackets that are neither parameters nor names."""
        names = {placeholder.end for placeholder in self.placeholders()}
        before: TokenType | None = None
        for token, opened in zip(self.tokens, _brackets(self.tokens), strict=True):
            if not opened and token.end + 1 not in names and before not in _NAMING:
                yield token
            before = token.token_type


def _tokens(file: str, text: str) -> tuple[Token, ...]:
    try:
        found = Postgres().tokenize(text)
    except TokenError as error:
        raise QueryFailed(
            f"{file} cannot be read as SQL ({error})",
            expected="one SELECT with every quote and comment closed",
            remedy="close them in the file",
        ) from None
    while found and found[-1].token_type is TokenType.SEMICOLON:
        found.pop()
    return tuple(found)


def _brackets(tokens: Sequence[Token]) -> Iterator[str]:
    """The brackets open at each token: `(`, `[` of a subscript, `{` of an ARRAY[...]."""
    opened, before = "", None
    for token in tokens:
        if token.token_type in _CLOSING:
            opened = opened[:-1]
        yield opened
        if token.token_type is TokenType.L_PAREN:
            opened += "("
        elif token.token_type is TokenType.L_BRACKET:
            nested = opened.endswith("{") and before in (TokenType.L_BRACKET, TokenType.COMMA)
            opened += "{" if nested or before is TokenType.ARRAY else "["
        before = token.token_type
