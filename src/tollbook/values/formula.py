"""Expressions over the fields of an event, or of a price: read into a small tree, never run as code."""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import Final, Literal, get_args

from tollbook.values.quantity import EXACT, parse_quantity

TEXT_MAX: Final = 500
DEPTH_MAX: Final = 20
# Each factor has at most 38 digits: nine of them stay exact in every database we use.
MULTIPLICATIONS_MAX: Final = 8

Operator = Literal["+", "-", "*", "min", "max"]

# What the formula of a price has besides. `round` is to a number of decimals, half away from zero;
# `if` has a condition, what it comes to when that holds, and what else.
Function = Literal["ceil", "floor", "round", "if", "<", "<=", ">", ">=", "==", "!="]
_OPERANDS: Final = {"ceil": (1, 1), "floor": (1, 1), "round": (1, 2), "if": (3, 3)}
_COMPARISONS: Final = frozenset(get_args(Function)[4:])
ROUND_DECIMALS_MAX: Final = 12

# What the formula of a price may name.
PRICE_NAMES: Final = ("quantity", "events", "amount")

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)"
    r"|(?P<mark><=|>=|==|!=|[-+*/(),<>]))"
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


@dataclass(frozen=True, slots=True)
class Call:
    """A function that only the formula of a price has."""

    function: Function
    operands: tuple["Node", ...]


Node = Constant | Field | Apply | Call


def parse_formula(text: str) -> Node:
    """Read an expression; ValueError with a sentence when it is none.

    It has fields, decimal constants, + - *, parentheses, min(...) and max(...). `/` takes a
    constant behind it whose reciprocal is a finite decimal, such as 1000 or 8, so that no result
    is ever rounded.
    """
    node = _parse(text, is_price=False)
    if not any(isinstance(n, Field) for n in nodes(node)):
        raise ValueError("an expression names at least one field")
    return node


def parse_price_formula(text: str) -> Node:
    """Read the formula of a price; ValueError with a sentence when it is none.

    It names `quantity`, `events` and `amount`, and has also ceil(x), floor(x), round(x, decimals)
    and if(a < b, x, y), with <, <=, >, >=, == and != in conditions.
    """
    node = _parse(text, is_price=True)
    for name in fields_of(node):
        if name not in PRICE_NAMES:
            raise ValueError(f"{name!r} is not known: there are {', '.join(PRICE_NAMES)}")
    for found in nodes(node):
        if isinstance(found, Call):
            _check_call(found)
        is_condition = isinstance(found, Call) and found.function == "if"
        operands = found.operands if isinstance(found, Apply | Call) else ()
        for at, operand in enumerate(operands):
            if _is_comparison(operand) != (is_condition and at == 0):
                raise ValueError(
                    "a comparison is the condition of if(a < b, x, y) and nothing else"
                )
    if _is_comparison(node):
        raise ValueError("a comparison is the condition of if(a < b, x, y) and nothing else")
    return node


def _parse(text: str, *, is_price: bool) -> Node:
    if len(text) > TEXT_MAX:
        raise ValueError(f"an expression has at most {TEXT_MAX} characters")
    reader = _Reader(text, is_price=is_price)
    node = reader.sum(0)
    reader.expect("")
    if sum(isinstance(n, Apply) and n.operator == "*" for n in nodes(node)) > MULTIPLICATIONS_MAX:
        raise ValueError(f"an expression has at most {MULTIPLICATIONS_MAX} multiplications")
    return node


def _is_comparison(node: Node) -> bool:
    return isinstance(node, Call) and node.function in _COMPARISONS


def _check_call(call: Call) -> None:
    if call.function not in _OPERANDS:
        return
    fewest, most = _OPERANDS[call.function]
    if not fewest <= len(call.operands) <= most:
        raise ValueError(f"{call.function}() has {most} values, not {len(call.operands)}")
    if call.function == "round" and len(call.operands) == most:
        decimals = call.operands[1]
        is_whole = isinstance(decimals, Constant) and decimals.value == int(decimals.value)
        if not is_whole or not 0 <= decimals.value <= ROUND_DECIMALS_MAX:  # type: ignore[union-attr]
            raise ValueError(f"round() goes to 0 to {ROUND_DECIMALS_MAX} decimals, a constant")


def fields_of(node: Node) -> list[str]:
    """Return the paths of the fields that an expression reads, in order, each once."""
    return sorted({found.path for found in nodes(node) if isinstance(found, Field)})


def nodes(node: Node) -> Iterator[Node]:
    """Yield a tree's nodes, each before those below it."""
    yield node
    if isinstance(node, Apply | Call):
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
    if len(found) < len(values):
        return None
    if isinstance(node, Call):
        return _call(node.function, found)
    return _apply(node.operator, found)


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


def _call(function: Function, values: list[Decimal]) -> Decimal:
    first, *others = values
    match function:
        case "ceil":
            return Decimal(math.ceil(first))
        case "floor":
            return Decimal(math.floor(first))
        case "round":
            return _half_up(first, int(others[0]) if others else 0)
        case "if":
            return others[0] if first else others[1]
        case _:
            [second] = others
            holds = {
                "<": first < second,
                "<=": first <= second,
                ">": first > second,
                ">=": first >= second,
                "==": first == second,
                "!=": first != second,
            }
            return Decimal(holds[function])


def _half_up(value: Decimal, decimals: int) -> Decimal:
    size = math.floor(abs(Fraction(value)) * 10**decimals + Fraction(1, 2))
    return Decimal(size if value > 0 else -size).scaleb(-decimals, EXACT)


class _Reader:
    """Reads tokens from left to right, by precedence."""

    def __init__(self, text: str, *, is_price: bool) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._is_price = is_price

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
        """Read terms with + and - between them; in the formula of a price two may be compared."""
        if depth > DEPTH_MAX:
            raise ValueError(f"an expression is nested at most {DEPTH_MAX} deep")
        node = self._terms(depth)
        if self._is_price and self._next in _COMPARISONS:
            comparison: Function = self._take()  # type: ignore[assignment]
            node = Call(comparison, (node, self._terms(depth)))
        return node

    def _terms(self, depth: int) -> Node:
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
            return Apply("min" if taken == "min" else "max", self._operands(depth))
        if self._is_price and taken in _OPERANDS and self._next == "(":
            return Call(taken, self._operands(depth))  # type: ignore[arg-type]
        if taken[:1].isalpha() or taken[:1] == "_":
            return Field(taken)
        raise ValueError(
            f"{taken!r} is not expected here" if taken else "the expression ends too early"
        )

    def _operands(self, depth: int) -> tuple[Node, ...]:
        self.expect("(")
        operands = [self.sum(depth + 1)]
        while self._next == ",":
            self._take()
            operands.append(self.sum(depth + 1))
        self.expect(")")
        return tuple(operands)


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
