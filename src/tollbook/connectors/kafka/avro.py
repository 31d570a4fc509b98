"""Decodes Avro to JSON text, exactly: decimals stay decimals and times carry their zone."""

import base64
import io
import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import fastavro
import msgspec

from tollbook.connectors.kafka.options import KafkaOptions
from tollbook.errors import Blocked, Rejected, Transient
from tollbook.sdk.http import HttpClient, Request
from tollbook.values.clock import Clock

SCHEMAS_MAX: Final = 1_000
UNKNOWN_SECONDS: Final = 30.0
_MAGIC: Final = 0
_HEADER: Final = struct.Struct(">bI")
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
# What fastavro raises on bytes that do not fit their schema.
_UNFIT: Final = (
    EOFError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    StopIteration,
)

Schema = Any
Decode = Callable[[bytes], bytes]


def make_decoder(options: KafkaOptions, clock: Clock) -> Decode:
    """Return what turns a message into JSON text; Rejected when the schema file is unusable.

    The decoder raises Rejected on a message it cannot read, Transient when the registry is away and
    Blocked when the registry denies us.
    """
    if options.schema_file:
        schema = _read_schema_file(options.schema_file)
        if options.avro_framing == "bare":
            return lambda body: decode(schema, body)
        return lambda body: decode(schema, _split(body)[1])
    registry = Registry(
        options.schema_registry,
        clock,
        user=options.schema_registry_user,
        password=options.schema_registry_password,
    )

    def decode_by_id(body: bytes) -> bytes:
        schema_id, rest = _split(body)
        return decode(registry.schema(schema_id), rest)

    return decode_by_id


def decode(schema: Schema, body: bytes) -> bytes:
    """Decode one record to JSON text; Rejected when the bytes do not fit the schema exactly."""
    stream = io.BytesIO(body)
    try:
        value = fastavro.schemaless_reader(stream, schema, None)
        if stream.read(1):
            raise ValueError("bytes are left over")
        return _ENCODER.encode(_plain(value))
    except _UNFIT as error:
        raise Rejected(
            "capture.unreadable_record",
            f"The message is no Avro of its schema ({type(error).__name__}: {error}).",
        ) from error


class Registry:
    """A schema registry; each schema is fetched once."""

    def __init__(self, url: str, clock: Clock, *, user: str = "", password: str = "") -> None:
        self._url = url
        self._http = HttpClient(clock)
        self._clock = clock
        self._schemas: dict[int, Schema] = {}
        self._unknown: dict[int, tuple[Rejected, float]] = {}
        self._headers: Mapping[str, str] = {}
        if user:
            secret = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers = {"authorization": f"Basic {secret}"}

    def schema(self, schema_id: int) -> Schema:
        """Return a schema; Rejected when the registry has none that we can read."""
        schema = self._schemas.get(schema_id)
        if schema is not None:
            return schema
        refusal, until = self._unknown.get(schema_id, (None, 0.0))
        if refusal is not None and self._clock.monotonic() < until:
            raise refusal
        if len(self._schemas) + len(self._unknown) >= SCHEMAS_MAX:
            self._schemas.clear()
            self._unknown.clear()
        try:
            schema = self._schemas[schema_id] = self._fetch(schema_id)
        except Rejected as unknown:
            # A schema that does not exist may exist soon, but is not asked for with each message.
            self._unknown[schema_id] = (unknown, self._clock.monotonic() + UNKNOWN_SECONDS)
            raise
        return schema

    def _fetch(self, schema_id: int) -> Schema:
        url = f"{self._url}/schemas/ids/{schema_id}"
        reply = self._http.call(Request("GET", url, "read", self._headers))
        if reply.status == 404:
            raise _unknown_schema(f"The schema registry has no schema {schema_id}.")
        if reply.status in {401, 403}:
            raise Blocked(
                "capture.source_denied",
                f"The schema registry at {self._url} denies us: correct its user and password.",
            )
        if reply.status != 200:
            raise Transient(
                "capture.source_unreachable",
                f"The schema registry at {self._url} answers HTTP {reply.status}.",
            )
        said = reply.json()
        if said.get("schemaType", "AVRO") != "AVRO" or said.get("references"):
            raise _unknown_schema(f"Schema {schema_id} is no Avro that stands alone.")
        try:
            return _parse(said["schema"])
        except (KeyError, *_UNPARSABLE) as error:
            raise _unknown_schema(f"Schema {schema_id} cannot be read ({error}).") from error


_UNPARSABLE: Final = (
    fastavro.schema.SchemaParseException,
    fastavro.schema.UnknownType,
    ValueError,
    TypeError,
)


def _unknown_schema(message: str) -> Rejected:
    return Rejected("capture.unknown_schema", message)


def _read_schema_file(name: str) -> Schema:
    try:
        return _parse(Path(name).read_text())
    except (OSError, KeyError, *_UNPARSABLE) as error:
        raise Rejected(
            "config.unusable_schema", f"{name} is no Avro schema that can be read ({error})."
        ) from error


def _parse(text: str) -> Schema:
    return fastavro.parse_schema(msgspec.json.decode(text))


def _split(body: bytes) -> tuple[int, bytes]:
    if len(body) < _HEADER.size or body[0] != _MAGIC:
        raise Rejected(
            "capture.unreadable_record",
            "The message does not begin with the number of its schema (magic byte 0).",
        )
    _, schema_id = _HEADER.unpack_from(body)
    return schema_id, body[_HEADER.size :]


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case bool() | int() | str() | None:
            return value
        case float() | Decimal():
            if not (isfinite(value) if isinstance(value, float) else value.is_finite()):
                raise ValueError(f"{value} is no number")
            return value
        case datetime() | date() | time() | UUID():
            # A time without a zone stays without one; admission asks for it where it matters.
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON")
