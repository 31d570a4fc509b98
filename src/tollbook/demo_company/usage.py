"""A month of the demo company's usage, the same for the same seed, and the faults of a real feed."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, Final

from tollbook.values.period import Month

Event = dict[str, Any]

DEMO_MONTH: Final = Month(2023, 11)
REQUESTS: Final = 12_800

CUSTOMERS: Final = tuple(f"cus_{number:03d}" for number in range(1, 41))
STORING: Final = CUSTOMERS[::4]

# The n-th customer makes about 1/n of the requests of the first.
_CUSTOMER_WEIGHTS: Final = tuple(2520 // number for number in range(1, 41))
_HOUR_WEIGHTS: Final = (
    1,
    1,
    1,
    1,
    2,
    3,
    5,
    8,
    11,
    13,
    14,
    13,
    12,
    13,
    14,
    14,
    13,
    11,
    8,
    6,
    4,
    3,
    2,
    1,
)

_INPUT_TOKENS_MAX: Final = 200_000
_OUTPUT_TOKENS_MAX: Final = 8_000

DUPLICATES_PER_THOUSAND: Final = 10
REFUSED_PER_CLASS: Final = 9
CONFLICTS: Final = 6
# How many lines later, at most, a feed repeats itself.
_REPEAT_DISTANCE: Final = 500


@dataclass(frozen=True, slots=True)
class Expected:
    """What a correct product makes of a feed, counted while the feed was made.

    `refused` counts lines by class of fault; `events_by_customer` and the totals are those of the
    accepted events: a duplicate adds nothing, and of two bodies for one id the first stands.
    """

    lines: int
    accepted: int
    duplicates: int
    conflicts: int
    refused: Mapping[str, int]
    input_tokens: int
    output_tokens: int
    gb_hours: Decimal
    events_by_customer: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Feed:
    """The lines of a JSONL feed, faults included, and what is to be made of them."""

    lines: tuple[str, ...]
    expected: Expected


def events(
    month: Month = DEMO_MONTH, *, seed: int = 1, requests: int = REQUESTS
) -> Iterator[Event]:
    """Yield the month's usage events without any fault, as CloudEvents, in order of time."""
    rng = Random(seed)
    made = [_request(rng, month) for _ in range(requests)]
    for customer in STORING:
        made.extend(_samples(rng, month, customer))
    made.sort(key=itemgetter("time", "subject", "type"))
    for number, event in enumerate(made, start=1):
        yield {"specversion": "1.0", "id": f"demo-{number:06d}", **event}


def feed(month: Month = DEMO_MONTH, *, seed: int = 1, requests: int = REQUESTS) -> Feed:
    """Return the month as a feed that repeats itself and is wrong now and then."""
    clean = list(events(month, seed=seed, requests=requests))
    rng = Random(seed + 1)
    late: dict[int, list[str]] = {}
    duplicates = len(clean) * DUPLICATES_PER_THOUSAND // 1000
    for at in rng.sample(range(len(clean)), duplicates):
        _put(late, at + rng.randrange(_REPEAT_DISTANCE), _line(clean[at]))
    for at in rng.sample(range(len(clean)), CONFLICTS):
        _put(late, at + rng.randrange(_REPEAT_DISTANCE), _line(_other_body(clean[at])))
    number = 0
    for fault in _FAULTS.values():
        for at in rng.sample(range(len(clean)), REFUSED_PER_CLASS):
            number += 1
            _put(late, at, fault({**clean[at], "id": f"demo-bad-{number:04d}"}))
    lines = tuple(_woven(clean, late))
    return Feed(lines, _expected(clean, lines=len(lines), duplicates=duplicates))


def write_jsonl(
    path: Path, month: Month = DEMO_MONTH, *, seed: int = 1, requests: int = REQUESTS
) -> Expected:
    """Write the feed to a file, one event a line, and return what is to be made of it."""
    made = feed(month, seed=seed, requests=requests)
    path.write_text("".join(f"{line}\n" for line in made.lines), encoding="utf-8")
    return made.expected


def _request(rng: Random, month: Month) -> Event:
    (customer,) = rng.choices(CUSTOMERS, _CUSTOMER_WEIGHTS)
    (model,) = rng.choices(("code-small", "code-large"), (3, 2))
    (region,) = rng.choices(("us", "eu"), (2, 1))
    (hour,) = rng.choices(range(24), _HOUR_WEIGHTS)
    moment = timedelta(
        days=rng.randrange(month.period.days), hours=hour, milliseconds=rng.randrange(3_600_000)
    )
    return {
        "source": f"/inference/{region}",
        "type": "llm.request",
        "subject": customer,
        "time": _time(month.period.start + moment),
        "data": {
            "model": model,
            "region": region,
            "input_tokens": min(rng.randrange(2_000, 8_000) << _doublings(rng), _INPUT_TOKENS_MAX),
            "output_tokens": min(rng.randrange(50, 400) << _doublings(rng), _OUTPUT_TOKENS_MAX),
        },
    }


def _doublings(rng: Random) -> int:
    """Return n with probability 1 in 2**(n+1): sizes get a heavy tail, in whole numbers."""
    bits = rng.getrandbits(16) | 1 << 16
    return (bits & -bits).bit_length() - 1


def _samples(rng: Random, month: Month, customer: str) -> Iterator[Event]:
    """Yield what a customer's bucket held in each hour; it only grows."""
    milli = rng.randrange(20_000, 400_000)
    for hour in range(month.period.days * 24):
        milli += rng.randrange(0, 900)
        yield {
            "source": "/storage",
            "type": "storage.measured",
            "subject": customer,
            "time": _time(month.period.start + timedelta(hours=hour, minutes=59)),
            "data": {
                "bucket": f"{customer}-archive",
                "gb_hours": f"{milli // 1000}.{milli % 1000:03d}",
            },
        }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _line(event: Event) -> str:
    return json.dumps(event, separators=(",", ":"))


def _put(late: dict[int, list[str]], at: int, line: str) -> None:
    late.setdefault(at, []).append(line)


def _woven(clean: list[Event], late: Mapping[int, list[str]]) -> Iterator[str]:
    for at, event in enumerate(clean):
        yield _line(event)
        yield from late.get(at, ())
    for at in sorted(late):
        if at >= len(clean):
            yield from late[at]


def _other_body(event: Event) -> Event:
    """Return an event with the same id, time and type whose data says something else."""
    data = dict(event["data"])
    if "input_tokens" in data:
        data["input_tokens"] += 1
    else:
        data["bucket"] += "-moved"
    return {**event, "data": data}


def _without_subject(event: Event) -> str:
    return _line({key: value for key, value in event.items() if key != "subject"})


def _with_data(event: Event, field: str, value: object) -> str:
    # The wrong field alone is wrong: the rest stays as the type of the event wants it.
    name = field if field in event["data"] else "gb_hours"
    return _line({**event, "data": {**event["data"], name: value}})


# Class of fault -> how an otherwise good event gets it.
_FAULTS: Final[Mapping[str, Callable[[Event], str]]] = {
    "no_subject": _without_subject,
    "unknown_customer": lambda event: _line({**event, "subject": "cus_999"}),
    "unknown_type": lambda event: _line({**event, "type": "llm.requst"}),
    "bad_time": lambda event: _line({**event, "time": "yesterday"}),
    "bad_quantity": lambda event: _with_data(event, "input_tokens", "many"),
    "negative_quantity": lambda event: _with_data(event, "input_tokens", -5),
    "wrong_specversion": lambda event: _line({**event, "specversion": "0.3"}),
    "truncated_json": lambda event: _line(event)[:-25],
}


def _expected(clean: list[Event], *, lines: int, duplicates: int) -> Expected:
    data = [event["data"] for event in clean]
    return Expected(
        lines=lines,
        accepted=len(clean),
        duplicates=duplicates,
        conflicts=CONFLICTS,
        refused=dict.fromkeys(_FAULTS, REFUSED_PER_CLASS),
        input_tokens=sum(one.get("input_tokens", 0) for one in data),
        output_tokens=sum(one.get("output_tokens", 0) for one in data),
        gb_hours=sum((Decimal(one.get("gb_hours", 0)) for one in data), Decimal(0)),
        events_by_customer=dict(sorted(Counter(event["subject"] for event in clean).items())),
    )
