"""The SDK: signatures judged by an independent signer, answers sorted by what may have happened."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauthlib.oauth1 import Client  # type: ignore[import-untyped]

from tollbook.errors import Transient, Unknown
from tollbook.sdk.auth import TokenPair, signature_header
from tollbook.sdk.http import Effect, HttpClient, Reply, Request, decode, encode
from tollbook.sdk.limits import GROW_AFTER, Pace
from tollbook.sdk.manifest import read_capabilities
from tollbook.values.clock import SystemClock

AT = int(datetime(2023, 12, 1, tzinfo=UTC).timestamp())
# RFC 5849 leaves nothing to taste: secrets may hold anything, addresses any encoded query.
SECRETS = st.text("abc XYZ&=%~+/é", min_size=1, max_size=12)
QUERIES = st.sampled_from(
    [
        "",
        "?limit=1000&offset=0",
        "?q=a%20b%26c&empty=",
        "?x=%7E~&x=1",
        "?q=externalId%20IS%20%22x%22",
    ]
)


@given(SECRETS, SECRETS, QUERIES, st.sampled_from(["GET", "POST"]))
def test_a_signature_is_the_one_oauthlib_makes(
    consumer_secret: str, token_secret: str, query: str, method: str
) -> None:
    url = f"https://1234567-sb1.suitetalk.api.netsuite.com/services/rest/record/v1/invoice{query}"
    pair = TokenPair("1234567_SB1", "ck&1", consumer_secret, "tk~1", token_secret)
    theirs = Client(
        client_key=pair.consumer_key,
        client_secret=consumer_secret,
        resource_owner_key=pair.token,
        resource_owner_secret=token_secret,
        signature_method="HMAC-SHA256",
        realm=pair.realm,
        nonce="n1",
        timestamp=str(AT),
    )

    ours = signature_header(pair, method, url, timestamp=AT, nonce="n1")

    _, headers, _ = theirs.sign(url, http_method=method)
    assert parts(ours) == parts(headers["Authorization"])


def parts(header: str) -> set[str]:
    return {part.strip() for part in header.removeprefix("OAuth ").split(",")}


@contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve one connection in the given way, after its request has come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                behave(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def call(url: str, effect: Effect) -> Reply:
    client = HttpClient(SystemClock(), connect_seconds=0.5, answer_seconds=0.5)
    try:
        return client.call(Request("POST", url, effect))
    finally:
        client.close()


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def say_nothing(connection: socket.socket) -> None:
    connection.settimeout(2)
    connection.recv(1)


def break_off(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    for _ in range(30):
        try:
            connection.sendall(b"x")
        except OSError:
            return
        SystemClock().wait(0.05)


def talk_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


@pytest.mark.parametrize("behave", [hang_up, say_nothing, break_off, drip, talk_nonsense])
def test_a_write_whose_answer_does_not_come_whole_is_unknown_and_a_read_is_not(
    behave: Callable[[socket.socket], None],
) -> None:
    with server(behave) as url, pytest.raises(Unknown):
        call(url, "write")
    with server(behave) as url, pytest.raises(Transient):
        call(url, "read")


def test_a_write_that_could_not_connect_certainly_had_no_effect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(Transient):
        call(f"http://127.0.0.1:{port}/", "write")


@pytest.mark.parametrize(("effect", "kind"), [("write", Unknown), ("read", Transient)])
def test_an_answer_that_is_no_json_tells_nothing(effect: Effect, kind: type[Exception]) -> None:
    reply = Reply(200, {}, b"<html>Sign in</html>", effect)

    with pytest.raises(kind, match="Sign in"):
        reply.json()


def test_retry_after_is_taken_in_seconds_only() -> None:
    assert Reply(429, {"retry-after": "7"}, b"", "read").retry_after_seconds == 7
    date = {"retry-after": "Fri, 31 Dec 2027 23:59:59 GMT"}
    assert Reply(429, date, b"", "read").retry_after_seconds is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**15)))
def test_amounts_cross_the_wire_digit_for_digit(amount: Decimal) -> None:
    assert decode(encode({"amount": amount}))["amount"] == amount


def test_throttling_halves_the_pace_and_successes_earn_it_back() -> None:
    pace = Pace(4)

    pace.throttled(100.0, 5)
    paused = pace.enter(104.9)
    allowed = pace.allowed
    entered = [pace.enter(105.0) for _ in range(3)]
    for _ in range(GROW_AFTER):
        pace.succeeded()

    assert not paused
    assert allowed == 2
    assert entered == [True, True, False]
    assert pace.allowed == 3


@pytest.mark.parametrize("package", ["netsuite", "tryton"])
def test_every_connector_declares_what_it_can_do(package: str) -> None:
    capabilities = read_capabilities(f"tollbook.connectors.{package}")

    assert capabilities.concurrency > 0
    assert capabilities.request_life_seconds > 0
    assert capabilities.key_length_max >= 30
