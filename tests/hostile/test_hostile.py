"""Two thousand hostile requests to a real server: each is answered by a code, none by a crash."""

import contextlib
import http.client
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api_server import Server, serving
from docs.refusals import refusals
from door import furnish
from hostile.corpus import Case, corpus
from tollbook.storage.database import Database
from tollbook.values.ids import event_id
from tollbook.worklist.codes import CODES

RSS_MEGABYTES_MAX = 500
GONE = (ConnectionError, BrokenPipeError, http.client.HTTPException)


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[Server]:
    furnish(database)
    with serving(database.dsn, tmp_path, TOLLBOOK_BODY_SECONDS="2") as running:
        yield running


@dataclass
class Told:
    """What all answers together said about events."""

    accepted: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, case: Case, status: int, answer: Any) -> None:
        """Add one answer, which must add up."""
        if "results" not in answer:
            assert {"code", "detail", "status"} <= answer.keys(), (case.name, answer)
            assert answer["status"] == status
            self.codes[answer["code"]] += 1
            return
        results = answer["results"]
        counted = Counter(result["status"] for result in results)
        said = {
            "accepted": answer["accepted"],
            "duplicate": answer["duplicates"],
            "conflict": answer["conflicts"],
            "rejected": answer["rejected"],
        }
        assert counted == Counter(said), case.name
        assert [result["index"] for result in results] == list(range(len(results))), case.name
        assert case.events in {None, len(results)}, (case.name, answer)
        for result in results:
            if result["status"] == "accepted":
                assert result["event_id"] not in self.accepted, case.name
                self.accepted.add(result["event_id"])
            self.codes[result.get("code", result["status"])] += 1
        self.quarantined |= {one["quarantine_id"] for one in results if "quarantine_id" in one}
        self.conflicts |= {one["conflict_id"] for one in results if "conflict_id" in one}


def held(database: Database) -> tuple[set[str], set[str], set[str]]:
    with database.transaction() as connection:
        events = connection.execute("select source, event_id from usage_event").fetchall()
        quarantined = connection.execute("select quarantine_id from quarantine").fetchall()
        conflicts = connection.execute("select conflict_id from event_conflict").fetchall()
    return (
        {event_id(source, identifier) for source, identifier in events},
        {row[0] for row in quarantined},
        {row[0] for row in conflicts},
    )


def ask(connection: http.client.HTTPConnection, case: Case) -> tuple[int, bytes]:
    connection.putrequest("POST", "/v1/events")
    for name, value in case.headers:
        connection.putheader(name, value.encode())
    connection.putheader("content-length", str(len(case.body)))
    connection.endheaders()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # A body that is refused early need not be read to its end.
        connection.send(case.body)
    response = connection.getresponse()
    return response.status, response.read()


def test_the_corpus_is_large_and_always_the_same() -> None:
    def digests() -> list[bytes]:
        return [
            sha256(repr((case.name, case.headers, case.events)).encode() + case.body).digest()
            for case in corpus()
        ]

    first = digests()

    assert len(set(first)) >= 2000
    assert len(set(first)) == len(first)
    assert first == digests()


def test_every_hostile_request_is_answered_by_a_code(server: Server, database: Database) -> None:
    told = Told()
    registered = set(CODES) | {one.code for one in refusals()} | {"accepted", "duplicate"}
    processes = server.processes()
    connection = server.connect()
    refused_by_the_server = []

    for case in corpus():
        try:
            status, body = ask(connection, case)
        except (ValueError, *GONE):
            # A header that HTTP forbids: not sent by the client, or refused by closing.
            refused_by_the_server.append(case.name)
            connection.close()
            connection = server.connect()
            continue
        assert status < 500, (case.name, status, body[:300])
        if not body:
            assert status in {400, 431}, (case.name, status)
            refused_by_the_server.append(case.name)
            connection.close()
            connection = server.connect()
            continue
        told.add(case, status, msgspec.json.decode(body))
        if status in {408, 413}:
            connection.close()
            connection = server.connect()
    connection.close()

    assert (told.accepted, told.quarantined, told.conflicts) == held(database)
    assert set(told.codes) - registered == set()
    assert len(told.codes) > 25
    assert len(refused_by_the_server) < 40, refused_by_the_server
    assert server.is_well()
    assert server.processes() == processes, "a process of the server was lost"
    assert server.peak_megabytes() < RSS_MEGABYTES_MAX


EVENT = (
    b'{"specversion":"1.0","id":"%b","source":"/raw","type":"llm.request","subject":"cus_001",'
    b'"time":"2023-11-16T18:17:03Z",'
    b'"data":{"model":"m","region":"us","input_tokens":1,"output_tokens":2}}'
)
HEAD = b"POST /v1/events HTTP/1.1\r\nhost: a\r\ncontent-type: application/cloudevents+json\r\n"


def request(identifier: bytes, extra: bytes = b"") -> bytes:
    body = EVENT % identifier
    return HEAD + extra + b"content-length: %d\r\n\r\n" % len(body) + body


CHUNKED = HEAD + b"transfer-encoding: chunked\r\n"
# Bytes on a connection, and the events that they may leave behind.
RAW: dict[str, tuple[bytes, set[str]]] = {
    "a right request": (request(b"r-1"), {"r-1"}),
    "then garbage": (request(b"r-2") + b"\x00\xff\x16\x03garbage\r\n\r\n", {"r-2"}),
    "then half a request": (request(b"r-3") + request(b"r-4")[:-20], {"r-3"}),
    "two pipelined": (request(b"r-5") + request(b"r-6"), {"r-5", "r-6"}),
    "a shorter body than said": (request(b"r-7")[:-5], set()),
    "an early end of chunks": (CHUNKED + b"\r\nff\r\n" + EVENT % b"r-8", set()),
    "a chunk size that is none": (CHUNKED + b"\r\nzz\r\n" + EVENT % b"r-9", set()),
    "a huge chunk size": (CHUNKED + b"\r\nffffffffffffffffff\r\n" + EVENT % b"r-10", set()),
    "a negative length": (HEAD + b"content-length: -1\r\n\r\n" + EVENT % b"r-11", set()),
    "two lengths": (
        HEAD + b"content-length: 3\r\ncontent-length: 9\r\n\r\n" + EVENT % b"r-12",
        set(),
    ),
    "a length and chunks": (
        CHUNKED + b"content-length: 4\r\n\r\n0\r\n\r\n" + request(b"r-13"),
        {"r-13"},
    ),
    "a header with a line end": (request(b"r-14", b"ce-x: a\r\n b: c\r\n"), set()),
    "a header without a colon": (request(b"r-15", b"nonsense\r\n"), set()),
    "a header with NUL": (request(b"r-16", b"ce-x: a\x00b\r\n"), set()),
    "too many headers": (request(b"r-17", b"".join(b"x%d: y\r\n" % n for n in range(2000))), set()),
    "an endless header": (request(b"r-18", b"x: " + b"y" * 1_000_000 + b"\r\n"), set()),
    "an old protocol": (b"POST /v1/events\r\n\r\n", set()),
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, set()),
    "another method": (request(b"r-19").replace(b"POST", b"PUT"), set()),
    "a strange path": (request(b"r-20").replace(b"/v1/events", b"/v1/../v1/events\x01"), set()),
    "an absolute path": (request(b"r-21").replace(b"/v1/events", b"http://b/v1/events"), {"r-21"}),
    "half a head": (HEAD, set()),
    "nothing": (b"", set()),
}


def talk(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(OSError):
            while part := connection.recv(65_536):
                received += part
        return received


def test_whatever_comes_on_a_connection_the_server_goes_on(
    server: Server, database: Database
) -> None:
    allowed: set[str] = set()
    for name, (sent, events) in RAW.items():
        received = talk(server.port, sent)

        statuses = [line.split()[1] for line in received.split(b"\r\n") if line[:7] == b"HTTP/1."]
        assert all(status < b"500" for status in statuses), (name, received)
        allowed |= events

    with database.transaction() as connection:
        stored = {row[0] for row in connection.execute("select event_id from usage_event")}
    assert stored <= allowed
    assert {"r-1", "r-2", "r-3", "r-5"} <= stored
    assert server.is_well()


def test_a_body_that_drips_is_given_up_and_holds_nobody_up(server: Server) -> None:
    dripping = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for one in dripping:
        one.sendall(HEAD + b"content-length: 1000\r\n\r\n{")

    connection = server.connect()
    case = Case("meanwhile", EVENT % b"meanwhile")
    status, _ = ask(connection, case)
    connection.close()
    answers = []
    for one in dripping:
        one.settimeout(30)
        answers.append(one.recv(65_536))
        one.close()

    assert status == 200
    assert {answer.split()[1] for answer in answers} == {b"408"}
    assert all(b"capture.body_too_slow" in answer for answer in answers)
