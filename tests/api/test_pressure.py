"""A burst against a slow database: nothing is lost, memory stays flat, and the door says so."""

import http.client
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from api_server import Server, serving
from door import data, event, furnish
from tollbook.storage.database import Database

SENDERS, BATCHES, SIZE = 32, 256, 1000
GROWTH_MEGABYTES_MAX = 250
HEADERS = {"content-type": "application/cloudevents-batch+json", "prefer": "return=minimal"}
SLOWER = """
    create function slower() returns trigger language plpgsql as $$
    begin perform pg_sleep(0.3); return new; end $$;
    create trigger slower before insert on intake_receipt execute function slower()"""


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[Server]:
    furnish(database)
    with serving(
        database.dsn,
        tmp_path,
        TOLLBOOK_INFLIGHT_MEGABYTES="130",
        TOLLBOOK_WAIT_MILLISECONDS_MAX="200",
    ) as running:
        yield running


def batch(number: int) -> bytes:
    first = number * SIZE
    return msgspec.json.encode(
        [event(one, data=data(1, model="m" * 400)) for one in range(first, first + SIZE)]
    )


def send(port: int, number: int) -> tuple[int, str]:
    """Send one batch once and return the status, and what was said about trying again."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/v1/events", batch(number), HEADERS)
    response = connection.getresponse()
    answer = msgspec.json.decode(response.read())
    connection.close()
    if response.status == 200:
        assert (answer["accepted"] + answer["duplicates"], answer["rejected"]) == (SIZE, 0)
    else:
        assert answer["code"] in {"capture.behind", "capture.busy", "api.busy"}, answer
    return response.status, response.getheader("retry-after", "")


def stored(database: Database) -> int:
    with database.transaction() as connection:
        row = connection.execute("select count(*) from usage_event").fetchone()
    assert row is not None
    return int(row[0])


def test_a_burst_that_the_database_cannot_take_is_refused_in_time_and_taken_later(
    server: Server, database: Database
) -> None:
    assert send(server.port, 0) == (200, "")
    before = server.peak_megabytes()
    with database.transaction() as connection:
        connection.execute(SLOWER)

    with ThreadPoolExecutor(SENDERS) as senders:
        answers = list(senders.map(lambda number: send(server.port, number), range(BATCHES)))
    acknowledged = {number for number, (status, _) in enumerate(answers) if status == 200}
    in_the_burst = stored(database)
    grown = server.peak_megabytes() - before
    with database.transaction() as connection:
        connection.execute("drop trigger slower on intake_receipt")
    left = [number for number in range(BATCHES) if number not in acknowledged]
    while left:
        left = [number for number in left if send(server.port, number)[0] != 200]

    statuses = Counter(status for status, _ in answers)
    assert set(statuses) - {503} == {200, 429}
    assert statuses[429] > SENDERS, "the burst was none"
    assert all(int(again) >= 1 for status, again in answers if status != 200)
    assert in_the_burst == len(acknowledged | {0}) * SIZE
    assert stored(database) == BATCHES * SIZE
    assert grown < GROWTH_MEGABYTES_MAX
    assert server.is_well()
