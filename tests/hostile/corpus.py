"""Makes more than two thousand hostile requests, always the same ones, out of seeds.json."""

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zstandard

SEEDS: dict[str, list[str]] = json.loads((Path(__file__).parent / "seeds.json").read_text())
SEED = 20_231_116
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data")
IDENTIFYING = ("id", "source", "type", "subject")
FIELDS = ("input_tokens", "minutes", "unknown")
FLIPS = 400
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Case:
    """A request; `events` is how many it holds, where that is certain."""

    name: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("content-type", STRUCTURED),)
    events: int | None = None


def corpus() -> Iterator[Case]:
    """Yield every hostile request, each with an identity of its own."""
    for number, case in enumerate(_cases()):
        own = f"h-{number}"
        headers = tuple((name, value.replace("@ID@", own)) for name, value in case.headers)
        yield replace(case, body=case.body.replace(b"@ID@", own.encode()), headers=headers)


def _cases() -> Iterator[Case]:
    yield from _texts()
    yield from _numbers()
    yield from _values()
    yield from _times()
    yield from _repeated()
    yield from _bytes()
    yield from _nested()
    yield from _cut()
    yield from _shapes()
    yield from _content_types()
    yield from _packed()
    yield from _binary()
    yield from _large()
    yield from _flipped()


def event(**members: bytes) -> bytes:
    """Write an event; members are JSON text, in place of the right ones or beside them."""
    whole = {
        "specversion": b'"1.0"',
        "id": b'"@ID@"',
        "source": b'"/hostile"',
        "type": b'"llm.request"',
        "subject": b'"cus_001"',
        "time": b'"2023-11-16T18:17:03Z"',
        "data": data(),
    } | members
    return (
        b"{" + b",".join(b'"%b":%b' % (name.encode(), text) for name, text in whole.items()) + b"}"
    )


def data(**members: bytes) -> bytes:
    """Write the data of an event, likewise."""
    whole = {
        "model": b'"m"',
        "region": b'"us"',
        "input_tokens": b"1",
        "output_tokens": b"2",
    } | members
    return (
        b"{" + b",".join(b'"%b":%b' % (name.encode(), text) for name, text in whole.items()) + b"}"
    )


def gzipped(content: bytes) -> bytes:
    """Pack without the time of packing, so that the corpus is always the same."""
    return gzip.compress(content, mtime=0)


def typed(content_type: str) -> tuple[tuple[str, str], ...]:
    return (("content-type", content_type),)


def both(name: str, one: bytes) -> Iterator[Case]:
    """Yield an event alone, and between two others that are right."""
    yield Case(name, one, events=1)
    first, last = event(id=b'"@ID@-a"'), event(id=b'"@ID@-z"')
    yield Case(f"{name} in a batch", b"[" + b",".join([first, one, last]) + b"]", typed(BATCH), 3)


def _texts() -> Iterator[Case]:
    for number, text in enumerate(SEEDS["texts"]):
        written = json.dumps(text).encode()
        plain = json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")
        for name in IDENTIFYING:
            # Its own identity, so that a text that is right is no conflict with another case.
            own = {} if name == "id" else {"id": b'"@ID@"'}
            yield Case(f"text {number} as {name}", event(**own, **{name: written}), events=1)
            yield Case(f"plain text {number} as {name}", event(**own, **{name: plain}), events=None)
        yield from both(f"text {number} in data", event(data=data(model=written)))
        yield Case(f"text {number} as a name", event(data=data()[:-1] + b"," + written + b":1}"))


def _numbers() -> Iterator[Case]:
    for number, text in enumerate(SEEDS["numbers"]):
        for field in FIELDS:
            one = event(data=data(**{field: text.encode()}))
            yield Case(f"number {number} as {field}", one, events=1)
        quoted = b'"' + text.encode() + b'"'
        yield Case(f"quoted number {number}", event(data=data(minutes=quoted)), events=1)
        yield from both(f"number {number}", event(data=data(input_tokens=text.encode())))


def _values() -> Iterator[Case]:
    for number, text in enumerate(SEEDS["values"]):
        for name in ATTRIBUTES:
            yield Case(f"value {number} as {name}", event(**{name: text.encode()}), events=1)
        yield Case(f"value {number} as base64", event(data_base64=text.encode()), events=1)
        yield Case(f"value {number} as tokens", event(data=data(input_tokens=text.encode())))
    for number, text in enumerate(SEEDS["sampled"]):
        yield Case(f"sampled {number}", event(sampledrate=text.encode()), events=1)


def _times() -> Iterator[Case]:
    for number, text in enumerate(SEEDS["times"]):
        yield from both(f"time {number}", event(time=json.dumps(text).encode()))


def _repeated() -> Iterator[Case]:
    escaped = {"source": b"s\\u006furce", "id": b"\\u0069d", "subject": b"sub\\u006aect"}
    for name in ATTRIBUTES:
        again = b'"%b":"other"' % escaped.get(name, name.encode())
        yield Case(f"{name} twice, first", b"{" + again + b"," + event()[1:], events=1)
        yield Case(f"{name} twice, last", event()[:-1] + b"," + again + b"}", events=1)
        yield Case(f"{name} in capitals", event()[:-1] + b',"%b":1}' % name.upper().encode())
    for member in (b"model", b"mod\\u0065l", b"input_tokens", b"input_\\u0074okens"):
        twice = data()[:-1] + b',"%b":3}' % member
        yield from both(f"data {member!r} twice", event(data=twice))


def _bytes() -> Iterator[Case]:
    for number, hexadecimal in enumerate(SEEDS["bad_utf8"]):
        bad = bytes.fromhex(hexadecimal)
        for name in IDENTIFYING:
            yield Case(f"bytes {number} in {name}", event(**{name: b'"@ID@' + bad + b'"'}))
        yield from both(f"bytes {number} in data", event(data=data(model=b'"' + bad + b'"')))
        yield Case(f"bytes {number} before", bad + event())
        yield Case(f"bytes {number} after", event() + bad)
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "utf-8-sig", "cp037"):
        text = event(subject='"cus_001ä"'.encode()).decode()
        for content_type in (STRUCTURED, BATCH, LINES, "application/json"):
            yield Case(f"{encoding} {content_type}", text.encode(encoding), typed(content_type))


def _nested() -> Iterator[Case]:
    for depth in (2, 61, 62, 63, 64, 65, 500, 1000, 5000, 100_000):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")):
            inner = opening * depth + b"1" + closing * depth
            name = f"{depth} times {opening!r}"
            yield Case(f"{name} as a body", inner)
            yield Case(f"{name} as a batch", inner, typed(BATCH))
            yield from both(name, event(data=data(deep=inner)))
            yield Case(f"{name} not closed", event(data=data(deep=opening * depth)))
            yield Case(f"{name} in an attribute", event(subject=inner), events=1)


def _cut() -> Iterator[Case]:
    whole = event()
    for at in range(len(whole)):
        yield Case(f"cut at {at}", whole[:at])
    for at in range(0, len(whole), 4):
        yield Case(
            f"batch cut at {at}", b"[" + event(id=b'"@ID@-a"') + b"," + whole[:at], typed(BATCH)
        )


def _shapes() -> Iterator[Case]:
    for number, text in enumerate(SEEDS["shapes"]):
        for content_type in (STRUCTURED, BATCH, LINES, "application/json"):
            yield Case(f"shape {number} {content_type}", text.encode(), typed(content_type))
    lines = [event(id=b'"@ID@-%d"' % number) for number in range(3)]
    for number, end in enumerate((b"\n", b"\r\n", b"\r", b"\n\n", b"\0", b"\x0b", b"\x1e", b",\n")):
        yield Case(f"line end {number}", end.join(lines), typed(LINES))


def _content_types() -> Iterator[Case]:
    for number, content_type in enumerate(SEEDS["content_types"]):
        for name, body in (("event", event()), ("batch", b"[" + event() + b"]")):
            yield Case(f"content type {number} {name}", body, typed(content_type))
    yield Case("no content type", event(), ())
    yield Case("two content types", event(), (*typed(STRUCTURED), *typed("text/plain")))


def _packed() -> Iterator[Case]:
    batch = b"[" + event() + b"]"
    compress = zstandard.ZstdCompressor().compress
    blanks = b"[" + b" " * (300 * MEGABYTE)
    bombs = {"gzip": gzipped(blanks), "zstd": compress(blanks)}
    for encoding, pack in (("gzip", gzipped), ("zstd", compress)):
        packed = pack(batch)
        headers = (*typed(BATCH), ("content-encoding", encoding))
        yield Case(f"{encoding}", packed, headers, 1)
        yield Case(f"{encoding} bomb", bombs[encoding], headers)
        yield Case(f"{encoding} twice", pack(packed), headers)
        yield Case(f"{encoding} bomb in a bomb", pack(bombs[encoding]), headers)
        yield Case(f"{encoding} of nothing", pack(b""), headers)
        yield Case(f"{encoding} in many parts", pack(b" ") * 500, headers)
        yield Case(f"{encoding} not at all", batch, headers)
        for at in range(0, len(packed), 3):
            yield Case(f"{encoding} cut at {at}", packed[:at], headers)
            changed = packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :]
            yield Case(f"{encoding} changed at {at}", changed, headers)
    for encoding in (
        "br",
        "deflate",
        "gzip, gzip",
        "gzip,zstd",
        "x" * 3000,
        "",
        "identity",
        "GZIP",
    ):
        yield Case(
            f"encoding {encoding[:9]}", batch, (*typed(BATCH), ("content-encoding", encoding))
        )


def _binary() -> Iterator[Case]:
    right = {
        "ce-specversion": "1.0",
        "ce-id": "@ID@",
        "ce-source": "/hostile",
        "ce-type": "llm.request",
        "ce-subject": "cus_001",
        "ce-time": "2023-11-16T18:17:03Z",
        "content-type": "application/json",
    }
    odd = [
        *("", " ", '"', '""', '"a', "%", "%zz", "%00", "%ff", "%ED%A0%80", "%E2%80%8B", "%0D%0A"),
        *("\\", '"\\', "a" * 1025, "=1+1", "\x7f", "\xe4", "%25%32%35", "null", "1.0", "0.3"),
    ]
    for name in right:
        others = {other: value for other, value in right.items() if other != name}
        for number, value in enumerate(odd):
            yield Case(f"{name} is {number}", data(), tuple((others | {name: value}).items()))
        yield Case(f"no {name}", data(), tuple(others.items()))
        yield Case(f"two {name}", data(), (*right.items(), (name, "other")))
    for name in ("ce-data", "ce-data_base64", "ce-", "ce-sampledrate", "ce-x y", "ce-source2"):
        yield Case(f"with {name}", data(), (*right.items(), (name.replace(" ", "-"), "7")))
    both_modes = {**right, "content-type": STRUCTURED, "ce-id": "another"}
    yield Case("headers of another event", event(), tuple(both_modes.items()), 1)
    many = {f"ce-x{number}": "v" * 500 for number in range(63)}
    yield Case("large headers", data(), tuple((right | many).items()))
    for body in (b"", b"{", b"[]", b"\xff", b'{},"subject":"cus_002"', data() * 2):
        yield Case(f"binary body {body[:9]!r}", body, tuple(right.items()))


def _large() -> Iterator[Case]:
    for size in (999_000, 1_000_001, 5 * MEGABYTE):
        yield from both(f"text of {size}", event(data=data(model=b'"' + b"x" * size + b'"')))
        yield Case(f"id of {size}", event(id=b'"' + b"x" * size + b'"'), events=1)
        yield Case(f"blanks of {size}", b" " * size + event())
    names = b",".join(b'"n%d":1' % number for number in range(50_000))
    yield Case("many names", event(data=data()[:-1] + b"," + names + b"}"), events=1)
    yield Case("many empty events", b"[" + b",".join([b"{}"] * 20_000) + b"]", typed(BATCH), 20_000)
    yield Case("too many events", b"[" + b",".join([b"1"] * 100_001) + b"]", typed(BATCH))
    yield Case("too many lines", b"1\n" * 100_001, typed(LINES))
    yield Case("a great many values", b"[" + b"1," * (30 * MEGABYTE) + b"1]", typed(BATCH))
    yield Case("a great many lines", b"1\n" * (30 * MEGABYTE), typed(LINES))
    yield Case("endlessly deep, and broken", b"[" + b"{" * (30 * MEGABYTE), typed(BATCH))
    yield Case("too large", b" " * (64 * MEGABYTE + 1), typed(BATCH))


def _flipped() -> Iterator[Case]:
    chance = random.Random(SEED)
    whole = event()
    for number in range(FLIPS):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        one = bytes(changed)
        content_type: Any = STRUCTURED if number % 2 else BATCH
        yield Case(f"flip {number}", one if number % 2 else b"[" + one + b"]", typed(content_type))
