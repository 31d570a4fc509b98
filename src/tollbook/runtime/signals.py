"""What the processes of the API say about themselves, kept where any of them can read it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, Final

from psycopg.types.json import Jsonb

from tollbook.storage.database import Connection

# Upper bounds, in seconds, of how long a request for events took to be answered.
LATENCY_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# A process that said nothing for this long is not there any more.
HEARD_SECONDS: Final = 15
FORGOTTEN_AFTER: Final = timedelta(days=1)
EARLIER: Final = "(earlier)"


@dataclass(frozen=True, slots=True)
class Signal:
    """What one process said: counts since it began, and what it holds now."""

    process: str
    at: datetime
    body: Mapping[str, Any]

    def is_heard(self, at: datetime) -> bool:
        """Tell whether the process still runs at an instant."""
        return self.process != EARLIER and at - self.at < timedelta(seconds=HEARD_SECONDS)


def say(connection: Connection, signal: Signal) -> None:
    """Keep what a process says, in place of what it said before."""
    connection.execute(
        """insert into process_signal (process, at, body) values (%s, %s, %s)
           on conflict (process) do update set at = excluded.at, body = excluded.body""",
        [signal.process, signal.at, Jsonb(dict(signal.body))],
    )


def heard(connection: Connection) -> list[Signal]:
    """Return what every process said last, those that are gone too."""
    rows = connection.execute("select process, at, body from process_signal order by process")
    return [Signal(*row) for row in rows]


def fold_earlier(connection: Connection, *, at: datetime) -> None:
    """Put the counts of processes that are long gone into one row, so that rows do not pile up."""
    rows = connection.execute(
        """delete from process_signal where at < %s or process = %s returning process, at, body""",
        [at - FORGOTTEN_AFTER, EARLIER],
    ).fetchall()
    if rows:
        say(connection, Signal(EARLIER, at, sum_of(Signal(*row) for row in rows)))


def sum_of(signals: Iterable[Signal]) -> dict[str, Any]:
    """Return the counts of many processes together."""
    refused: Counter[str] = Counter()
    latency: list[int] = [0] * (len(LATENCY_SECONDS) + 1)
    seconds = 0.0
    for signal in signals:
        refused.update({code: int(n) for code, n in signal.body.get("refused", {}).items()})
        pairs = zip_longest(latency, signal.body.get("latency", ()), fillvalue=0)
        latency = [first + int(second) for first, second in pairs]
        seconds += float(signal.body.get("latency_sum", 0))
    return {"refused": dict(sorted(refused.items())), "latency": latency, "latency_sum": seconds}
