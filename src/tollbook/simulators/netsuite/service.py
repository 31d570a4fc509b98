"""What happens to one request, from the gate to the answer, with the faults in between."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

from tollbook.simulators.netsuite import records, suiteql
from tollbook.simulators.netsuite.auth import Gate, bearer_token
from tollbook.simulators.netsuite.catalog import MASTER_KINDS, WRITABLE
from tollbook.simulators.netsuite.faults import (
    CREATE,
    LOOKUP,
    QUERY,
    TOKEN,
    UPSERT,
    WRITES,
    Aim,
    Firing,
    Weather,
)
from tollbook.simulators.netsuite.records import Outcome, Target
from tollbook.simulators.netsuite.rules import CLOSED_PERIOD
from tollbook.simulators.netsuite.state import Store
from tollbook.simulators.netsuite.wire import (
    PLAIN_JSON,
    RECORD_PATH,
    SUITEQL_PATH,
    TOKEN_PATH,
    Drop,
    JsonObject,
    Refusal,
    Reply,
    Request,
    parse,
    problem,
    user_error,
)

STOP_SECONDS: Final = 5.0
GATEWAY_PAGE: Final = b"<html><head><title>502 Bad Gateway</title></head><body></body></html>"
BROKEN_JSON: Final = b'{"links":[{"rel":"self","href":"http'
_READABLE: Final = frozenset({*WRITABLE, *MASTER_KINDS.values()})


class Traffic:
    """Counts requests and holds the concurrency limit."""

    def __init__(self) -> None:
        """Start at zero."""
        self._lock = threading.Condition()
        self._open = 0
        self._running = 0
        self.clear()

    def clear(self) -> None:
        """Start again at zero; requests under way stay counted as such."""
        with self._lock:
            self._counts: Counter[str] = Counter()
            self._ignored: Counter[str] = Counter()
            self._open_peak = self._open
            self._running_peak = self._running

    def note(self, name: str) -> None:
        """Add one to a named count."""
        with self._lock:
            self._counts[name] += 1

    def note_ignored(self, outcome: Outcome) -> None:
        """Count properties that were silently dropped."""
        with self._lock:
            self._ignored.update(outcome.ignored)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Count a request from its arrival to its answer."""
        with self._lock:
            self._counts["requests"] += 1
            self._open += 1
            self._open_peak = max(self._open_peak, self._open)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                self._lock.notify_all()

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until no request is under way, but not for ever."""
        with self._lock:
            self._lock.wait_for(lambda: self._open == 0, seconds)

    @contextmanager
    def slot(self, limit: int) -> Iterator[None]:
        """Occupy one of the account's concurrent requests, or refuse."""
        with self._lock:
            is_free = self._running < limit
            self._running += is_free
            self._running_peak = max(self._running_peak, self._running)
            self._counts["concurrency_refused"] += not is_free
        if not is_free:
            raise too_many()
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def shown(self) -> JsonObject:
        """Return all counts."""
        with self._lock:
            return {
                "requests": self._counts["requests"],
                "concurrencyRefused": self._counts["concurrency_refused"],
                "openPeak": self._open_peak,
                "runningPeak": self._running_peak,
                "simulatorErrors": self._counts["simulator_errors"],
                "responses": {
                    name.removeprefix("status_"): count
                    for name, count in sorted(self._counts.items())
                    if name.startswith("status_")
                },
                "late": {
                    name: self._counts[f"late_{name}"]
                    for name in ("scheduled", "committed", "refused", "abandoned")
                },
                "ignoredProperties": dict(sorted(self._ignored.items())),
            }


def too_many() -> Refusal:
    """Make the refusal for too many requests at once; NetSuite sends no Retry-After."""
    detail = "Concurrent request limit exceeded. Request blocked."
    return Refusal(429, "CONCURRENCY_LIMIT_EXCEEDED", detail)


class Service:
    """The simulated REST service, without its sockets."""

    def __init__(self, store: Store, weather: Weather, gate: Gate) -> None:
        """Serve this state, under this weather, behind this gate."""
        self.store = store
        self.weather = weather
        self.gate = gate
        self.traffic = Traffic()
        self._stopping = threading.Event()
        self._late: list[threading.Thread] = []

    def stop(self) -> None:
        """End waiting requests, abandon commits that have not happened yet, finish the rest."""
        self._stopping.set()
        for thread in self._late:
            thread.join()
        self.traffic.wait_until_idle(STOP_SECONDS)

    def answer(self, request: Request) -> Reply | Drop:
        """Answer one request, or decide to drop its connection."""
        with self.traffic.entered():
            try:
                answer = self._answer(request)
            except Refusal as refusal:
                answer = problem(refusal)
        status = "dropped" if isinstance(answer, Drop) else str(answer.status)
        self.traffic.note(f"status_{status}")
        return answer

    def _answer(self, request: Request) -> Reply | Drop:
        aim, target = routed(request)
        early = self._before(aim)
        if early is not None:
            return early
        if aim.operation == TOKEN:
            return self.gate.grant(request, self.weather.switches.bearer_seconds)
        if bearer_token(request) and self._fires("expire_token", aim):
            self.gate.expire(request)
        self.gate.check(request)
        with self.traffic.slot(self.weather.switches.concurrency_limit):
            slow = self._fires("slow", aim)
            if slow:
                self._stopping.wait(slow.seconds)
            late = self._fires("commit_late", aim)
            if late is None:
                return self._after(aim, self._execute(aim, target, request))
        return self._schedule(late, (aim, target, request))

    def _fires(self, name: str, aim: Aim, *, committed: bool = False) -> Firing | None:
        return self.weather.draw(name, aim, committed=committed)

    def _before(self, aim: Aim) -> Reply | Drop | None:
        """Play the faults of the network and the gateway, where nothing has been carried out."""
        if self._fires("refuse_connection_reset_before_commit", aim):
            return Drop(is_reset=True)
        hang = self._fires("hang", aim)
        if hang:
            self._stopping.wait(hang.seconds)
            return Drop()
        if self._fires("http_503", aim):
            raise Refusal(503, "SERVICE_UNAVAILABLE", "The service is temporarily unavailable.")
        if self._fires("http_429", aim):
            raise too_many()
        return self._mangled(aim, committed=False)

    def _mangled(self, aim: Aim, *, committed: bool) -> Reply | None:
        if self._fires("html_502", aim, committed=committed):
            return Reply(502, GATEWAY_PAGE, "text/html")
        if self._fires("garbage_json_200", aim, committed=committed):
            return Reply(200, BROKEN_JSON, PLAIN_JSON)
        return None

    def _after(self, aim: Aim, outcome: Outcome) -> Reply | Drop:
        """Play the faults that hide a write that did happen."""
        if not outcome.is_committed:
            return outcome.reply
        if self._fires("lose_reply_after_commit", aim, committed=True):
            return Drop()
        if self._fires("http_500_after_commit", aim, committed=True):
            detail = f"An unexpected error occurred. Error ID: {aim.key or 'none'}"
            raise Refusal(500, "UNEXPECTED_ERROR", detail)
        return self._mangled(aim, committed=True) or outcome.reply

    def _execute(self, aim: Aim, target: Target, request: Request) -> Outcome:
        if self._fires("closed_period", aim):
            raise user_error(CLOSED_PERIOD, "postingPeriod")
        if aim.operation == QUERY:
            return Outcome(suiteql.run(self.store, request))
        if aim.operation == LOOKUP:
            return records.read(self.store, target, request)
        carry_out = records.create if aim.operation == CREATE else records.upsert
        outcome = carry_out(self.store, self.weather.switches, target, request)
        self.traffic.note_ignored(outcome)
        return outcome

    def _schedule(self, firing: Firing, work: tuple[Aim, Target, Request]) -> Drop:
        """Lose the reply now and commit later: the zombie of a client that gave up waiting."""
        self.traffic.note("late_scheduled")
        done = threading.Event()

        def commit() -> None:
            if self._stopping.wait(firing.seconds):
                self.traffic.note("late_abandoned")
                done.set()
                return
            try:
                self._execute(*work)
                self.traffic.note("late_committed")
            except Refusal:
                self.traffic.note("late_refused")
            finally:
                done.set()

        thread = threading.Thread(target=commit, name="late-commit", daemon=True)
        self._late = [each for each in self._late if each.is_alive()] + [thread]
        thread.start()
        if firing.hold:
            done.wait()
        return Drop()


def routed(request: Request) -> tuple[Aim, Target]:
    """Find out what a request is about."""
    if request.path == TOKEN_PATH and request.method == "POST":
        return Aim(TOKEN, "", ""), Target("")
    if request.path == SUITEQL_PATH and request.method == "POST":
        return Aim(QUERY, "", request.body.decode(errors="replace")), Target("")
    if not request.path.startswith(RECORD_PATH):
        raise Refusal(404, "NOT_FOUND", "The requested resource was not found.")
    parts = request.path.removeprefix(RECORD_PATH).split("/")
    target = Target(*[unquote(part) for part in parts[: records.PARTS_MAX]])
    if target.record not in _READABLE or len(parts) > records.PARTS_MAX:
        raise Refusal(404, "NOT_FOUND", f"The record type {target.record} was not found.")
    if "respond-async" in request.header("prefer"):
        detail = "The simulator does not model asynchronous requests."
        raise Refusal(400, "INVALID_HEADER", detail, where={"o:errorHeader": "Prefer"})
    operation = _operation(request.method, target)
    key = target.external_id or target.key
    if operation in WRITES and not key:
        key = external_id_of(request.body)
    return Aim(operation, target.record, key), target


def _operation(method: str, target: Target) -> str:
    if method == "GET" and target.key:
        return LOOKUP
    if target.record in WRITABLE and method == "POST" and not target.key:
        return CREATE
    if target.record in WRITABLE and method == "PUT" and target.key and not target.sublist:
        return UPSERT
    raise Refusal(405, "METHOD_NOT_ALLOWED", f"{method} is not allowed here.")


def external_id_of(body: bytes) -> str:
    """Return the external id in a body, for choosing faults; nothing if it cannot be read."""
    try:
        found: Any = parse(body)
    except ValueError:
        return ""
    return str(found.get("externalId", "")) if isinstance(found, dict) else ""
