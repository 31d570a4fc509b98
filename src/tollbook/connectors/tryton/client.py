"""Tryton's JSON-RPC: one session, every reply sorted by whether it can have taken effect."""

import base64
import itertools
import threading
from typing import Any, Final, Literal

from tollbook.connectors.tryton.mapping import from_wire, to_wire
from tollbook.errors import Failure
from tollbook.sdk.http import HttpClient, Reply, Request, encode
from tollbook.sdk.outcomes import not_executed, throttled, unavailable

# English, so that refusals can be told apart by their sentences.
LANGUAGE: Final = "en"
READING: Final = frozenset({"search_read", "search", "read", "search_count"})
TOLD_TO_A_PERSON: Final = frozenset({"UserError", "UserWarning"})

Effect = Literal["read", "write"]


class Refused(Exception):
    """What Tryton told a person instead of doing it; nothing was done."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class TrytonClient:
    """A session with one database of a Tryton server. Safe to share between threads."""

    def __init__(
        self, http: HttpClient, url: str, database: str, *, user: str, password: str
    ) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/{database}/rpc/"
        self._user = user
        self._password = password
        self._numbers = itertools.count(1)
        self._session = ""
        self._lock = threading.Lock()

    def call(self, company: int | None, model: str, method: str, *arguments: Any) -> Any:
        """Call a method of a model in the context of a company and return its result.

        Raises Refused when Tryton says no, Transient when nothing happened, Unknown when a write
        may have happened.
        """
        context = {"language": LANGUAGE, **({} if company is None else {"company": company})}
        effect: Effect = "read" if method in READING else "write"
        name = f"model.{model}.{method}"
        reply = self._ask(name, [*arguments, context], effect)
        if reply.status == 401:
            # The session was idle too long: the call was not executed, log in and say it again.
            self._log_in()
            reply = self._ask(name, [*arguments, context], effect)
        return _result(reply)

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def _ask(self, name: str, parameters: list[Any], effect: Effect) -> Reply:
        if not self._session:
            self._log_in()
        return self._send(name, parameters, effect, {"Authorization": f"Session {self._session}"})

    def _log_in(self) -> None:
        with self._lock:
            reply = self._send(
                "common.db.login", [self._user, {"password": self._password}], "read", {}
            )
            if reply.status in {401, 403}:
                raise unavailable(
                    f"Tryton refuses the password of user {self._user}: correct the target's "
                    "password in the settings."
                )
            user_id, token = _result(reply)[:2]
            session = f"{self._user}:{user_id}:{token}"
            self._session = base64.b64encode(session.encode()).decode()

    def _send(
        self, name: str, parameters: list[Any], effect: Effect, headers: dict[str, str]
    ) -> Reply:
        body = {"id": next(self._numbers), "method": name, "params": to_wire(parameters)}
        return self._http.call(
            Request(
                "POST",
                self._url,
                effect,
                {"Content-Type": "application/json", **headers},
                encode(body),
            )
        )


def _result(reply: Reply) -> Any:
    if reply.status == 503:
        # Tryton could not lock a number sequence and rolled the call back.
        raise not_executed(f"Tryton is busy: {reply.words}")
    if reply.status == 429:
        raise throttled(
            "Tryton takes no more log-ins now.", retry_after_seconds=reply.retry_after_seconds
        )
    if reply.status in {401, 403, 404}:
        raise unavailable(f"Tryton does not let us in (HTTP {reply.status}): {reply.words}")
    if reply.status != 200:
        raise reply.silence(reply.words)
    answer = reply.json()
    if not isinstance(answer, dict) or not answer.keys() & {"result", "error"}:
        raise reply.silence("the answer is neither a result nor an error")
    if answer.get("error") is not None:
        raise _refusal(answer["error"])
    return from_wire(answer["result"])


def _refusal(error: list[Any]) -> Failure | Refused:
    kind, detail = str(error[0]), error[1] if len(error) > 1 else ""
    if kind not in TOLD_TO_A_PERSON:
        # An exception inside the server, rolled back: a module is not there, or not loaded.
        return unavailable(
            f"Tryton failed with {kind}: is the module `tollbook` activated in the database, and "
            "was trytond started with the database's name (-d)?"
        )
    # A warning carries its name before its sentence.
    return Refused(str(detail[1 if kind == "UserWarning" else 0]))
