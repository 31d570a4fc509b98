"""Expressions over the fields of an event: read into a small tree, never run as code."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from typing import Final, Literal

from tollbook.values.quantity import EXACT, parse_quantity

TEXT_MAX: Final = 500
DEPTH_MAX: Final = 20
# Each factor has at most 38 digits: nine of them stay exact in every database we use.
MULTIPLICATIONS_MAX: Final = 8

Operator = Literal["+", "-", "*", "min", "max"]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)"
    r"|(?P<mark>[-+*/(),]))"
)
_RECIPROCAL: Final = Context(prec=60, traps=[Inexact])


@dataclass(frozen=True, slots=True)
class Constant:
    """A decimal that is written in the expression."""

    value: Decimal


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the event's data, by its path: `usage.out` is the field out of the field usage."""

    path: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on two values or, for min and max, on several."""

    operator: Operator
    operands: tuple["Node", ...]


Node = Constant | Field | Apply


def parse_formula(text: str) -> Node:
    """Read an expression; ValueError with a sentence when it is none.

    It has fields, decimal constants, + - *, parentheses, min(...) and max(...). `/` takes a
    constant behind it whose reciprocal is a finite decimal, such as 1000 or 8, so that no result
    is ever rounded.
    """
    if len(text) > TEXT_MAX:
        raise ValueError(f"an expression has at most {TEXT_MAX} characters")
    reader = _Reader(text)
    node = reader.sum(0)
    reader.expect("")
    if sum(isinstance(n, Apply) and n.operator == "*" for n in nodes(node)) > MULTIPLICATIONS_MAX:
        raise ValueError(f"an expression has at most {MULTIPLICATIONS_MAX} multiplications")
    if not any(isinstance(n, Field) for n in nodes(node)):
        raise ValueError("an expression names at least one field")
    return node


def fields_of(node: Node) -> list[str]:
    """Return the paths of the fields that an expression reads, in order, each once."""
    return sorted({found.path for found in nodes(node) if isinstance(found, Field)})


def nodes(node: Node) -> Iterator[Node]:
    """Yield a tree's nodes, each before those below it."""
    yield node
    if isinstance(node, Apply):
        for operand in node.operands:
            yield from nodes(operand)


def evaluate(node: Node, read: Callable[[str], Decimal | None]) -> Decimal | None:
    """Compute an expression exactly; None when a field of it has no number.

    `read` gives the number at a path, or None.
    """
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Field):
        return read(node.path)
    values = [evaluate(operand, read) for operand in node.operands]
    found = [value for value in values if value is not None]
    return None if len(found) < len(values) else _apply(node.operator, found)


def _apply(operator: Operator, values: list[Decimal]) -> Decimal:
    match operator:
        case "+":
            return EXACT.add(values[0], values[1])
        case "-":
            return EXACT.subtract(values[0], values[1])
        case "*":
            return EXACT.multiply(values[0], values[1])
        case "min":
            return min(values)
        case "max":
            return max(values)


class _Reader:
    """Reads tokens from left to right, by precedence."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._next
        self._at += 1
        return token

    def expect(self, token: str) -> None:
        """Take this token, or refuse; the empty one is the end."""
        found = self._take()
        if found != token:
            raise ValueError(
                f"{found!r} is not expected here" if found else "the expression ends too early"
            )

    def sum(self, depth: int) -> Node:
        """Read terms with + and - between them."""
        if depth > DEPTH_MAX:
            raise ValueError(f"an expression is nested at most {DEPTH_MAX} deep")
        node = self._term(depth)
        while self._next in {"+", "-"}:
            operator: Operator = "+" if self._take() == "+" else "-"
            node = Apply(operator, (node, self._term(depth)))
        return node

    def _term(self, depth: int) -> Node:
        node = self._factor(depth)
        while self._next in {"*", "/"}:
            if self._take() == "*":
                node = Apply("*", (node, self._factor(depth)))
            else:
                node = Apply("*", (node, Constant(_reciprocal(self._take()))))
        return node

    def _factor(self, depth: int) -> Node:
        taken = self._take()
        if taken == "-":
            if depth > DEPTH_MAX:
                raise ValueError(f"an expression is nested at most {DEPTH_MAX} deep")
            return Apply("-", (Constant(Decimal(0)), self._factor(depth + 1)))
        if taken == "(":
            node = self.sum(depth + 1)
            self.expect(")")
            return node
        if taken[:1].isdigit():
            return Constant(parse_quantity(taken))
        if taken in {"min", "max"} and self._next == "(":
            return self._of_several("min" if taken == "min" else "max", depth)
        if taken[:1].isalpha() or taken[:1] == "_":
            return Field(taken)
        raise ValueError(
            f"{taken!r} is not expected here" if taken else "the expression ends too early"
        )

    def _of_several(self, operator: Operator, depth: int) -> Node:
        self.expect("(")
        operands = [self.sum(depth + 1)]
        while self._next == ",":
            self._take()
            operands.append(self.sum(depth + 1))
        self.expect(")")
        return Apply(operator, tuple(operands))


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at:].strip()[:20]!r} is not part of an expression")
        tokens.append(match[0].strip())
        at = match.end()
    return [*tokens, ""]


def _reciprocal(token: str) -> Decimal:
    if not token[:1].isdigit() or not parse_quantity(token):
        raise ValueError("only a constant other than 0 may stand behind /")
    try:
        return _RECIPROCAL.divide(Decimal(1), Decimal(token))
    except Inexact:
        raise ValueError(
            f"dividing by {token} is not exact: multiply in the price instead"
        ) from None
