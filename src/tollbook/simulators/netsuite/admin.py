"""The admin door under /_sim/: not NetSuite, but the way tests look in and change the weather."""

import threading
from collections import Counter
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from tollbook.simulators.netsuite import demo
from tollbook.simulators.netsuite.amounts import decimals_of, rounded
from tollbook.simulators.netsuite.auth import credentials_from
from tollbook.simulators.netsuite.catalog import MASTER_KINDS
from tollbook.simulators.netsuite.faults import described, settings_from
from tollbook.simulators.netsuite.records import settle
from tollbook.simulators.netsuite.service import Service
from tollbook.simulators.netsuite.state import Document, Store
from tollbook.simulators.netsuite.wire import (
    PLAIN_JSON,
    JsonObject,
    Reply,
    Request,
    json_reply,
    parse,
    plain,
)

PREFIX: Final = "/_sim/"


class Mistake(Exception):
    """A request to the admin door that makes no sense."""

    def __init__(self, status: int, text: str) -> None:
        """Hold the status and what is wrong."""
        super().__init__(text)
        self.status = status


class Admin:
    """Answers the admin door; one change at a time."""

    def __init__(self, service: Service) -> None:
        """Stand beside this service."""
        self._service = service
        self._store = service.store
        self._lock = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """Answer one request to /_sim/."""
        parts = tuple(unquote(part) for part in request.path.removeprefix(PREFIX).split("/"))
        try:
            with self._lock:
                body = _body(request)
                shown = self._act(request, parts, body)
        except Mistake as mistake:
            return json_reply({"error": str(mistake)}, PLAIN_JSON, mistake.status)
        except ValueError as mistake:
            return json_reply({"error": str(mistake)}, PLAIN_JSON, 400)
        return json_reply(shown, PLAIN_JSON)

    def _act(self, request: Request, parts: tuple[str, ...], body: JsonObject) -> JsonObject:
        shown: JsonObject
        match (request.method, *parts):
            case ("GET", name):
                shown = self._look(name, request)
            case ("PUT" | "PATCH" as method, "faults"):
                shown = self._set_faults(body, is_patch=method == "PATCH")
            case ("PUT", "master"):
                with self._store.transaction():
                    shown = put_master(self._store, body)
            case ("PUT", "credentials"):
                self._service.gate.credentials = credentials_from(body)
                self._store.put_setting("credentials", body)
                shown = {"account": body["account"]}
            case ("POST", "periods", name, ("open" | "close") as verb):
                shown = self._set_period(name, is_closed=verb == "close")
            case ("POST", "payments"):
                shown = self._pay(body)
            case ("POST", "reset"):
                self._store.clear()
                self._service.traffic.clear()
                shown = {"reset": True}
            case _:
                raise Mistake(404, f"no {request.method} {request.path} here")
        return shown

    def _look(self, name: str, request: Request) -> JsonObject:
        match name:
            case "health":
                return {"ready": True}
            case "documents":
                return documents(self._store, request)
            case "counters":
                shown = self._service.traffic.shown()
                logins = self._service.gate.audit_trail()
                return {"faults": self._store.fault_counts(), "failedLogins": logins, **shown}
            case "faults":
                return described(self._service.weather.settings)
            case "master":
                plurals = MASTER_KINDS.items()
                return {p: [row.body for row in self._store.rows(kind)] for p, kind in plurals}
            case _:
                raise Mistake(404, f"no GET {request.path} here")

    def _set_faults(self, body: JsonObject, *, is_patch: bool) -> JsonObject:
        before = self._store.setting("faults") or {}
        config = {**before, **body} if is_patch else body
        self._service.weather.set(settings_from(config))
        self._store.put_setting("faults", config)
        return described(self._service.weather.settings)

    def _set_period(self, name: str, *, is_closed: bool) -> JsonObject:
        for row in self._store.rows("accountingPeriod"):
            if name in (row.id, row.name):
                with self._store.transaction():
                    self._store.put_row("accountingPeriod", {**row.body, "closed": is_closed})
                return {"id": row.id, "periodName": row.name, "closed": is_closed}
        raise Mistake(404, f"no period {name}")

    def _pay(self, body: JsonObject) -> JsonObject:
        key = str(body.get("invoice", ""))
        with self._store.transaction():
            invoice = self._store.document_by("invoice", key, is_external=True)
            invoice = invoice or self._store.document_by("invoice", key, is_external=False)
            if invoice is None:
                raise Mistake(404, f"no invoice {key}")
            amount = invoice.amount_remaining
            if body.get("amount") is not None:
                given = body["amount"]
                is_number = isinstance(given, str | Decimal) or type(given) is int
                if not is_number:
                    raise Mistake(400, "amount must be a decimal")
                try:
                    amount = Decimal(given)
                except ArithmeticError:
                    raise Mistake(400, "amount must be a decimal") from None
            decimals = decimals_of(self._store, {"id": invoice.currency})
            is_payable = amount.is_finite() and 0 < amount <= invoice.amount_remaining
            if not is_payable or amount != rounded(amount, decimals):
                raise Mistake(400, f"cannot pay {amount} of {invoice.amount_remaining}")
            paid = settle(self._store, invoice, amount)
        return {"id": paid.id, "amountRemaining": plain(paid.amount_remaining)}


def _body(request: Request) -> JsonObject:
    value = parse(request.body) if request.body.strip() else {}
    if not isinstance(value, dict):
        raise Mistake(400, "an object is expected")
    return value


def put_master(store: Store, body: JsonObject) -> JsonObject:
    """Insert or merge master data; return the ids by plural name."""
    ids: dict[str, list[str]] = {}
    for plural, rows in body.items():
        kind = MASTER_KINDS.get(plural)
        if kind is None or not isinstance(rows, list):
            raise ValueError(f"unknown master data: {plural}")
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"{plural} must be a list of objects")
        ids[plural] = [store.put_row(kind, row) for row in rows]
    return {"ids": ids}


def fill_master(store: Store, master: JsonObject | None) -> None:
    """Fill an empty state with the given master data, or with the demo company."""
    if not store.setting("seeded"):
        with store.transaction():
            put_master(store, demo.master() if master is None else master)
            store.put_setting("seeded", value=True)
    elif master is not None:
        with store.transaction():
            put_master(store, master)


def documents(store: Store, request: Request) -> JsonObject:
    """Return what was committed, and how often each external id was."""
    record, key = request.parameter("record"), request.parameter("externalId")
    created: Counter[tuple[str, str | None]] = Counter()
    updated: Counter[str] = Counter()
    customers: list[JsonObject] = []
    for kind, external_id, id_, action in store.commits():
        if action == "create":
            created[kind, external_id] += 1
            if kind == "customer":
                customers.append({"record": kind, "externalId": external_id, "id": id_})
        else:
            updated[f"{kind}/{id_}"] += 1
    shown: list[JsonObject] = [
        *({**each, "commits": _commits(created, each)} for each in customers),
        *(_shown(document, created, updated) for document in store.documents()),
    ]
    chosen = [
        each
        for each in shown
        if record in (None, each["record"]) and key in (None, each["externalId"])
    ]
    duplicates = [
        {"record": kind, "externalId": external_id, "commits": count}
        for (kind, external_id), count in created.items()
        if external_id is not None and count > 1
    ]
    return {"count": len(chosen), "documents": chosen, "duplicates": duplicates}


def _commits(created: Counter[tuple[str, str | None]], each: JsonObject) -> int:
    external_id: Any = each["externalId"]
    return 1 if external_id is None else created[each["record"], external_id]


def _shown(
    document: Document,
    created: Counter[tuple[str, str | None]],
    updated: Counter[str],
) -> JsonObject:
    shown: JsonObject = {
        "record": document.record,
        "id": document.id,
        "externalId": document.external_id,
        "tranId": document.tran_id,
        "tranDate": document.tran_date,
        "postingPeriod": document.posting_period,
        "entity": document.entity,
        "currency": document.currency,
        "subsidiary": document.subsidiary,
        "total": plain(document.total),
        "taxTotal": plain(Decimal(document.body.get("taxTotal", 0))),
        "amountRemaining": plain(document.amount_remaining),
        "createdDate": document.created_date,
    }
    shown["commits"] = _commits(created, shown)
    shown["updates"] = updated[f"{document.record}/{document.id}"]
    return shown
