"""What every route needs: the application, a transaction, who is acting, exact JSON.

What only looks at the request is asynchronous: it waits for nothing, and a thread of its own would wait
for its turn while events are counted. Routes work on the database in threads.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request

from tollbook.access.scopes import Scope
from tollbook.api.permissions import caller_of
from tollbook.app import App
from tollbook.errors import Rejected
from tollbook.storage.database import Connection, decode_json
from tollbook.values.period import Month


async def the_app(request: Request) -> App:
    """Return the application that serves this request."""
    app = request.app.state.tollbook
    assert isinstance(app, App)
    return app


def transaction(app: Annotated[App, Depends(the_app)]) -> Iterator[Connection]:
    """Give a connection in a transaction that commits before the response is sent."""
    with app.database.transaction() as connection:
        yield connection


async def actor(
    request: Request,
    x_actor: Annotated[
        str | None,
        Header(description="Who acts, for the audit. A key needs `actor:delegate` to say so."),
    ] = None,
) -> str:
    """Return who acts: the caller, or whom it names and may name; without keys the API itself."""
    caller = caller_of(request.scope)
    if caller is None:
        return x_actor or "api"
    if x_actor and x_actor != caller.name:
        caller.require(Scope.ACTOR_DELEGATE)
        return x_actor
    return caller.name


async def month_in_query(
    month: Annotated[str, Query(description="Service month, YYYY-MM.", examples=["2023-11"])],
) -> Month:
    """Read the required service month of a query."""
    return parse_month(month)


async def optional_month(
    month: Annotated[
        str | None, Query(description="Only this service month, YYYY-MM.", examples=["2023-11"])
    ] = None,
) -> Month | None:
    """Read the optional service month of a query."""
    return None if month is None else parse_month(month)


def parse_month(text: str) -> Month:
    """Read a month; Rejected with a sentence when it is none."""
    try:
        return Month.parse(text)
    except ValueError as error:
        raise Rejected("api.invalid_month", f"{error}.") from error


async def raw_body(request: Request) -> bytes:
    """Read the body."""
    return await request.body()


def exact_json(raw: Annotated[bytes, Depends(raw_body)]) -> dict[str, Any]:
    """Read a body that is a JSON object with its numbers exact, as FastAPI would not."""
    try:
        body = decode_json(raw)
    except (ValueError, RecursionError) as error:
        raise Rejected("api.malformed_json", f"The body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise Rejected("api.not_an_object", "The body must be a JSON object.")
    return body


AppHere = Annotated[App, Depends(the_app)]
# scope "function": the commit happens before the answer goes out, so a 2xx is durable.
InTransaction = Annotated[Connection, Depends(transaction, scope="function")]
Actor = Annotated[str, Depends(actor)]
MonthHere = Annotated[Month, Depends(month_in_query)]
MonthMaybe = Annotated[Month | None, Depends(optional_month)]
ExactJson = Annotated[dict[str, Any], Depends(exact_json)]
Identifier = Annotated[str, Path(max_length=2048)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most this many.")]
Cursor = Annotated[
    str, Query(max_length=200, description="Where the page begins: `next` of the one before.")
]
