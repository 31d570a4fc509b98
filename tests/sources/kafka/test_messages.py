"""What Kafka messages become: both CloudEvents modes, Avro, foreign JSON, and what none can read."""

import io
import json
import struct
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fastavro
import pytest

from door import raw
from kafka_broker import SASL_PASSWORD, SASL_USER
from kafka_rig import KafkaRig
from source_street import GIVE_UP_SECONDS, Street
from tollbook.connectors.kafka.event_hubs import kafka_options
from tollbook.connectors.kafka.options import read_options
from tollbook.connectors.kafka.source import connect
from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.flow.capture.store import list_quarantine
from tollbook.sdk.source import SourceRecord
from tollbook.sdk.source_conformance import Book, read_once
from tollbook.values.clock import SystemClock

SCHEMA = {
    "type": "record",
    "name": "Usage",
    "fields": [
        {"name": "specversion", "type": "string"},
        {"name": "id", "type": "string"},
        {"name": "source", "type": "string"},
        {"name": "type", "type": "string"},
        {"name": "subject", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {
            "name": "data",
            "type": {
                "type": "record",
                "name": "Data",
                "fields": [
                    {"name": "model", "type": "string"},
                    {"name": "region", "type": ["null", "string"]},
                    {"name": "input_tokens", "type": "long"},
                    {"name": "output_tokens", "type": "int"},
                    {
                        "name": "minutes",
                        "type": {
                            "type": "bytes",
                            "logicalType": "decimal",
                            "precision": 30,
                            "scale": 12,
                        },
                    },
                ],
            },
        },
    ],
}
MINUTES = Decimal("123456789012345678.000000000001")
HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"e-7"),
    ("ce_source", b"/inference/us"),
    ("ce_type", b"llm.request"),
    ("ce_subject", b"cus_001"),
    ("ce_time", b"2023-11-16T18:17:03Z"),
    ("content-type", b"application/json"),
]
DATA = b'{"model":"m","region":"us","input_tokens":7,"output_tokens":2}'


class _Registry(BaseHTTPRequestHandler):
    """A schema registry that has schema 7 and a Protobuf schema 8, and asks for a password."""

    def do_GET(self) -> None:
        answers: dict[str, tuple[int, Any]] = {
            "/schemas/ids/7": (200, {"schema": json.dumps(SCHEMA)}),
            "/schemas/ids/8": (200, {"schema": "...", "schemaType": "PROTOBUF"}),
            "/schemas/ids/500": (500, {}),
        }
        status, body = answers.get(self.path, (404, {"error_code": 40403}))
        if self.headers.get("authorization") != "Basic cmVhZGVyOnNlY3JldA==":
            status, body = 401, {}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def avro(number: int, **changes: Any) -> bytes:
    record = {
        "specversion": "1.0",
        "id": f"a-{number}",
        "source": "/inference/us",
        "type": "llm.request",
        "subject": "cus_001",
        "time": 1_700_000_000_123_456 + number,
        "data": {
            "model": "m",
            "region": "us",
            "input_tokens": number,
            "output_tokens": 2,
            "minutes": MINUTES,
        },
    }
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(SCHEMA), record | changes)
    return stream.getvalue()


def framed(schema_id: int, body: bytes) -> bytes:
    return struct.pack(">bI", 0, schema_id) + body


def read_all(rig: KafkaRig, count: int) -> Sequence[SourceRecord]:
    source = rig.connect()
    found: list[SourceRecord] = []
    source.open(Book().positions_of)
    try:
        while len(found) < count:
            found += [record for chunk in read_once(source) for record in chunk.records]
    finally:
        source.close()
    return found


def failure_of(rig: KafkaRig) -> Failure:
    source = rig.connect()
    try:
        source.open(Book().positions_of)
        read_once(source)
    except Failure as failure:
        return failure
    finally:
        source.close()
    raise AssertionError("nothing failed")


def reasons(street: Street) -> list[tuple[str, bytes]]:
    with street.database.transaction() as connection:
        return sorted((held.code, held.raw) for held in list_quarantine(connection))


def stored(street: Street) -> list[tuple[Any, ...]]:
    with street.database.transaction() as connection:
        return connection.execute(
            "select event_id, subject, occurred_at::text, data::jsonb from usage_event order by event_id"
        ).fetchall()


def test_an_event_in_binary_mode_is_the_event_in_structured_mode(
    rig: KafkaRig, street: Street
) -> None:
    rig.broker.put(rig.topic, [DATA], headers=HEADERS)
    structured = raw(7, time="2023-11-16T18:17:03Z", data=json.loads(DATA))
    content_type = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    rig.broker.put(rig.topic, [structured], headers=content_type)

    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    assert street.answers() == {"accepted": 1, "duplicate": 1}
    assert stored(street)[0][:2] == ("e-7", "cus_001")


def test_header_values_are_text_without_the_escapes_of_http(rig: KafkaRig) -> None:
    headers = [*HEADERS[:4], ("ce_subject", "cüs_%41 1".encode()), ("CE_Region", b"eu")]
    rig.broker.put(rig.topic, [DATA], headers=headers)

    found = read_all(rig, 1)[0]

    assert found.attributes["subject"] == "cüs_%41 1"
    assert found.attributes["region"] == "eu"


def test_messages_that_nobody_can_read_are_kept_with_the_reason(
    rig: KafkaRig, street: Street
) -> None:
    rig.broker.put(rig.topic, [b"x"], headers=[("ce_id", b"\xff")])
    rig.broker.put(rig.topic, [b"y"], headers=[("ce_id", b"1"), ("ce_id", b"2")])
    rig.broker.put(rig.topic, [b""], partition=1)
    rig.put([raw(1)])

    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    assert street.numbers() == [1]
    assert reasons(street) == [
        ("capture.empty_record", b""),
        ("capture.unreadable_record", b"x"),
        ("capture.unreadable_record", b"y"),
    ]


def test_avro_by_a_registry_keeps_every_digit_and_what_it_cannot_read_aside(
    rig: KafkaRig, street: Street, registry: str
) -> None:
    rig.options = {
        **rig.options,
        "format": "avro",
        "schema_registry": registry,
        "schema_registry_user": "reader",
        "schema_registry_password": "secret",
    }
    bad = [framed(9, avro(2)), framed(8, avro(3)), framed(7, avro(4) + b"\0"), b"\1\0\0\0\7", b"{}"]
    rig.put([framed(7, avro(1)), *bad, framed(7, avro(5))])

    assert street.start(rig).wait(GIVE_UP_SECONDS) == 0

    found = stored(street)
    assert [(row[0], row[1], row[2]) for row in found] == [
        ("a-1", "cus_001", "2023-11-14 22:13:20.123457+00"),
        ("a-5", "cus_001", "2023-11-14 22:13:20.123461+00"),
    ]
    assert found[0][3]["minutes"] == MINUTES
    assert reasons(street) == sorted(
        [
            ("capture.unknown_schema", bad[0]),
            ("capture.unknown_schema", bad[1]),
            ("capture.unreadable_record", bad[2]),
            ("capture.unreadable_record", bad[3]),
            ("capture.unreadable_record", bad[4]),
        ]
    )


def test_avro_of_a_schema_file_is_read_bare_or_framed(rig: KafkaRig, tmp_path: Path) -> None:
    file = tmp_path / "usage.avsc"
    file.write_text(json.dumps(SCHEMA))
    rig.options = {**rig.options, "format": "avro", "schema_file": str(file)}
    rig.put([framed(1, avro(1))])

    by_number = read_all(rig, 1)
    rig.options = {**rig.options, "avro_framing": "bare"}
    bare = KafkaRig(rig.broker)
    bare.options = {**rig.options, "topics": bare.topic}
    bare.put([avro(1)])

    assert by_number[0].body == read_all(bare, 1)[0].body
    assert b'"minutes":123456789012345678.000000000001' in by_number[0].body


def test_a_number_that_is_none_is_refused_and_not_made_null(rig: KafkaRig, tmp_path: Path) -> None:
    file = tmp_path / "reading.avsc"
    fields = [{"name": "value", "type": "double"}]
    schema = {"type": "record", "name": "Reading", "fields": fields}
    file.write_text(json.dumps(schema))
    rig.options = {
        **rig.options,
        "format": "avro",
        "schema_file": str(file),
        "avro_framing": "bare",
    }
    rig.put([struct.pack("<d", float("nan")), struct.pack("<d", 0.5)])

    refusals = {record.body: record.refusal for record in read_all(rig, 2)}

    assert refusals[b'{"value":0.5}'] is None
    refused = refusals[struct.pack("<d", float("nan"))]
    assert refused is not None
    assert refused.code == "capture.unreadable_record"


def test_a_registry_that_is_away_or_denies_us_skips_nothing(rig: KafkaRig, registry: str) -> None:
    rig.put([framed(500, avro(1))])
    rig.options = {**rig.options, "format": "avro", "schema_registry": registry}

    denied = failure_of(rig)
    rig.options = {
        **rig.options,
        "schema_registry_user": "reader",
        "schema_registry_password": "secret",
    }
    away = failure_of(rig)

    assert isinstance(denied, Blocked)
    assert denied.code == "capture.source_denied"
    assert isinstance(away, Transient)
    source = rig.connect()
    source.open(Book().positions_of)
    for _ in range(2):
        with pytest.raises(Transient):
            read_once(source)
    source.close()


def test_a_mapped_source_tells_where_a_record_came_from(rig: KafkaRig) -> None:
    rig.options = {**rig.options, "format": "json", "mapping": "meters"}
    rig.broker.put(rig.topic, [b'{"a":1}'], partition=2, headers=[("site", b"north")])

    found = read_all(rig, 1)[0]

    assert found.body == b'{"a":1}'
    assert found.attributes == {}
    assert found.metadata["topic"] == rig.topic
    assert (found.metadata["partition"], found.metadata["offset"]) == ("2", "0")
    assert found.metadata["header.site"] == "north"


def test_a_broker_that_asks_for_a_password_lets_only_the_right_one_in(rig: KafkaRig) -> None:
    if not rig.broker.sasl:
        pytest.skip("the mock cluster asks for none")
    rig.put([raw(1)])
    rig.options = {
        **rig.options,
        "bootstrap_servers": rig.broker.sasl,
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "username": SASL_USER,
        "password": SASL_PASSWORD,
    }

    let_in = read_all(rig, 1)
    rig.options = {**rig.options, "password": "wrong"}
    refused = failure_of(rig)

    assert let_in[0].body == raw(1)
    assert isinstance(refused, Blocked)
    assert refused.code == "capture.source_denied"


def test_a_topic_that_is_not_there_is_told(rig: KafkaRig) -> None:
    if rig.broker.kind != "Apache Kafka":
        pytest.skip("the mock cluster makes every topic")
    rig.options = {**rig.options, "topics": f"{rig.topic},nowhere"}

    refused = failure_of(rig)

    assert isinstance(refused, Blocked)
    assert refused.code == "capture.no_such_topic"


def test_a_broker_that_is_not_there_is_tried_again(rig: KafkaRig) -> None:
    rig.options = {**rig.options, "bootstrap_servers": "127.0.0.1:9"}

    assert isinstance(failure_of(rig), Transient)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"topics": ""}, "config.option_missing"),
        ({"group": ""}, "config.option_missing"),
        ({"bootstrap_server": "x"}, "config.unknown_option"),
        ({"enable.auto.commit": "true"}, "config.fixed_option"),
        ({"format": "xml"}, "config.not_an_option"),
        ({"format": "avro"}, "config.option_missing"),
    ],
)
def test_options_that_are_wrong_are_refused(changes: dict[str, str], code: str) -> None:
    right = {"bootstrap_servers": "127.0.0.1:9", "topics": "usage", "group": "tollbook"}

    with pytest.raises(Rejected) as refused:
        read_options(right | changes)

    assert refused.value.code == code


def test_a_setting_that_the_client_does_not_know_is_refused() -> None:
    options = {"bootstrap_servers": "127.0.0.1:9", "topics": "u", "group": "g", "no.such": "1"}

    with pytest.raises(Rejected, match=r"no\.such"):
        connect(options, SystemClock()).open(Book().positions_of)


def test_event_hubs_is_kafka_with_what_azure_asks_for() -> None:
    given = {
        "namespace": "meters",
        "hubs": "usage",
        "group": "tollbook",
        "connection_string": "Endpoint=sb://meters.servicebus.windows.net/;...",
    }

    client = read_options(kafka_options(given)).client

    assert client["bootstrap.servers"] == "meters.servicebus.windows.net:9093"
    assert client["security.protocol"] == "SASL_SSL"
    assert (client["sasl.mechanism"], client["sasl.username"]) == ("PLAIN", "$ConnectionString")
    assert client["sasl.password"] == given["connection_string"]
    assert client["metadata.max.age.ms"] == client["connections.max.idle.ms"] == "180000"


def test_event_hubs_without_a_way_in_is_refused() -> None:
    with pytest.raises(Rejected, match="connection_string"):
        kafka_options({"namespace": "meters", "hubs": "usage"})
