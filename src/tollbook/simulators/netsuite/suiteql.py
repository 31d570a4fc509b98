"""A small part of SuiteQL: SELECT from four tables with AND conditions, paged."""

import re
from dataclasses import dataclass
from typing import Any, Final

from tollbook.simulators.netsuite.state import Store
from tollbook.simulators.netsuite.wire import (
    COLLECTION,
    SUITEQL_PATH,
    JsonObject,
    Refusal,
    Reply,
    Request,
    json_reply,
    parse_object,
)

LIMIT_MAX: Final = 1000
VALUES_MAX: Final = 1000  # literals in one IN list, as in Oracle's SQL

_BODY: Final = "json_extract(body, '$.{}')"


def _flag(path: str) -> str:
    return f"case when {_BODY.format(path)} then 'T' else 'F' end"


# Column name -> SQL expression over our own tables; nothing else can be named.
_TABLES: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "transaction": (
        "document",
        {
            "id": "id",
            "externalid": "external_id",
            "tranid": "tran_id",
            "transactionnumber": "tran_id",
            "type": "type",
            "recordtype": "lower(record)",
            "trandate": "tran_date",
            "postingperiod": "posting_period",
            "entity": "entity",
            "currency": "currency",
            "subsidiary": "subsidiary",
            "total": "total",
            "foreigntotal": "total",
            "foreignamountpaid": "amount_paid",
            "foreignamountunpaid": "amount_remaining",
            "status": "status",
            "memo": "memo",
            "otherrefnum": _BODY.format("otherRefNum"),
            "createddate": "created_date",
            "lastmodifieddate": "modified_date",
        },
    ),
    "accountingperiod": (
        "(select * from master where kind = 'accountingPeriod')",
        {
            "id": "cast(id as integer)",
            "periodname": _BODY.format("periodName"),
            "startdate": _BODY.format("startDate"),
            "enddate": _BODY.format("endDate"),
            "closed": _flag("closed"),
            "alllocked": _flag("allLocked"),
            "arlocked": _flag("aRLocked"),
            "isquarter": "'F'",
            "isyear": "'F'",
        },
    ),
    "customer": (
        "(select * from master where kind = 'customer')",
        {
            "id": "cast(id as integer)",
            "externalid": "external_id",
            "entityid": _BODY.format("entityId"),
            "companyname": _BODY.format("companyName"),
            "email": _BODY.format("email"),
            "subsidiary": _BODY.format("subsidiary.id"),
            "currency": _BODY.format("currency.id"),
            "isinactive": _flag("isInactive"),
        },
    ),
    "account": (
        "(select * from master where kind = 'account')",
        {
            "id": "cast(id as integer)",
            "externalid": "external_id",
            "acctnumber": _BODY.format("acctNumber"),
            "accountsearchdisplayname": _BODY.format("acctName"),
            "fullname": _BODY.format("acctName"),
            "accttype": _BODY.format("acctType"),
            "isinactive": _flag("isInactive"),
        },
    ),
}
_ORDERED: Final = frozenset({"id", "trandate", "startdate", "enddate", "createddate", "tranid"})

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<word>[A-Za-z_][A-Za-z_0-9.]*)"
    r"|(?P<sign><=|>=|<>|!=|[=<>(),*]))"
)


@dataclass(frozen=True)
class Token:
    """One word, literal or sign of a query."""

    kind: str
    text: str


@dataclass
class Statement:
    """A query translated to SQL over the state file."""

    names: list[str]
    columns: dict[str, str]
    source: str
    conditions: list[str]
    values: list[Any]
    order: list[str]


def invalid(detail: str) -> Refusal:
    """Make the refusal for a query that cannot be run."""
    text = f"Invalid search query. Detailed unprocessed description follows. {detail}"
    return Refusal(400, "INVALID_PARAMETER", text, where={"o:errorPath": "q"})


class Parser:
    """Reads one statement, token by token."""

    def __init__(self, text: str) -> None:
        """Cut the text into tokens."""
        self._tokens: list[Token] = []
        self._columns: dict[str, str] = {}
        self._at = 0
        position, text = 0, text.strip().rstrip(";").rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise invalid(f"Unexpected text near {text[position : position + 20]!r}")
            self._tokens.append(Token(match.lastgroup, match.group(match.lastgroup)))
            position = match.end()

    def statement(self) -> Statement:
        """Read SELECT … FROM … [WHERE …] [ORDER BY …]."""
        self._expect("select")
        named = [self._take()]
        while self._accept(","):
            named.append(self._take())
        self._expect("from")
        table = self._take().text.lower()
        if table not in _TABLES:
            raise invalid(f"Record '{table}' was not found")
        source, self._columns = _TABLES[table]
        is_all = named == [Token("sign", "*")]
        names = list(self._columns) if is_all else [self._name(token) for token in named]
        statement = Statement(names, self._columns, source, [], [], [])
        if self._accept("where"):
            self._condition(statement)
            while self._accept("and"):
                self._condition(statement)
        if self._accept("order"):
            self._expect("by")
            self._ordering(statement)
            while self._accept(","):
                self._ordering(statement)
        if self._at < len(self._tokens):
            raise invalid(f"Unexpected {self._tokens[self._at].text}")
        return statement

    def _take(self) -> Token:
        if self._at >= len(self._tokens):
            raise invalid("The statement ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, word: str) -> bool:
        is_next = self._at < len(self._tokens) and self._tokens[self._at].text.lower() == word
        self._at += is_next
        return is_next

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise invalid(f"{word.upper()} is expected")

    def _name(self, token: Token) -> str:
        name = token.text.lower().rpartition(".")[2]
        if token.kind != "word" or name not in self._columns:
            raise invalid(f"Field '{token.text}' was not found")
        return name

    def _literal(self) -> str:
        token = self._take()
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if token.kind == "number":
            return token.text
        raise invalid(f"A value is expected, not {token.text}")

    def _condition(self, statement: Statement) -> None:
        name = self._name(self._take())
        column = self._columns[name]
        if self._accept("in"):
            self._expect("(")
            values = [self._literal()]
            while self._accept(","):
                values.append(self._literal())
            self._expect(")")
            if len(values) > VALUES_MAX:
                raise invalid("Too many values in a list")
            statement.conditions.append(f"{column} in ({', '.join('?' * len(values))})")
            statement.values.extend(values)
            return
        operator = self._take().text.lower()
        is_range = operator in ("<", "<=", ">", ">=") and name in _ORDERED
        if operator not in ("=", "!=", "<>", "like") and not is_range:
            raise invalid(f"The simulator does not know {operator} on {name}")
        statement.conditions.append(f"{column} {operator} ?")
        statement.values.append(self._literal())

    def _ordering(self, statement: Statement) -> None:
        column = self._columns[self._name(self._take())]
        direction = "desc" if self._accept("desc") else "asc"
        self._accept("asc")
        statement.order.append(f"{column} {direction}")


def run(store: Store, request: Request) -> Reply:
    """Answer POST /services/rest/query/v1/suiteql."""
    if "transient" not in request.header("prefer").lower():
        detail = "The required header Prefer: transient is missing."
        raise Refusal(400, "INVALID_HEADER", detail, where={"o:errorHeader": "Prefer"})
    limit = _page_number(request, "limit", LIMIT_MAX)
    offset = _page_number(request, "offset", 0)
    if not 1 <= limit <= LIMIT_MAX:
        raise _bad_parameter("limit", f"The limit must be between 1 and {LIMIT_MAX}.")
    if offset % limit:
        raise _bad_parameter("offset", "The offset must be divisible by the limit.")
    text = parse_object(request.body).get("q")
    if not isinstance(text, str):
        raise invalid("q must be a string")
    statement = Parser(text).statement()
    where = " where " + " and ".join(statement.conditions) if statement.conditions else ""
    source = f"from {statement.source}{where}"
    order = ", ".join([*statement.order, statement.columns["id"]])
    chosen = ", ".join(statement.columns[name] for name in statement.names)
    sql = f"select {chosen} {source} order by {order} limit ? offset ?"
    rows = store.query(sql, [*statement.values, limit, offset])
    total = store.query(f"select count(*) {source}", statement.values)[0][0]
    return _page(statement.names, rows, total, (limit, offset), request)


def _page(
    names: list[str],
    rows: list[tuple[Any, ...]],
    total: int,
    place: tuple[int, int],
    request: Request,
) -> Reply:
    limit, offset = place
    items: list[JsonObject] = [
        {
            "links": [],
            **{
                name: str(value)
                for name, value in zip(names, row, strict=True)
                if value is not None
            },
        }
        for row in rows
    ]
    has_more = offset + len(items) < total
    address = f"{request.origin}{SUITEQL_PATH}"
    links = [{"rel": "self", "href": f"{address}?limit={limit}&offset={offset}"}]
    if has_more:
        links.append({"rel": "next", "href": f"{address}?limit={limit}&offset={offset + limit}"})
    body = {
        "links": links,
        "count": len(items),
        "hasMore": has_more,
        "items": items,
        "offset": offset,
        "totalResults": total,
    }
    return json_reply(body, COLLECTION)


def _page_number(request: Request, name: str, default: int) -> int:
    text = request.parameter(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise _bad_parameter(name, f"The {name} must be a number.")
    return int(text)


def _bad_parameter(name: str, detail: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER", detail, where={"o:errorQueryParam": name})
