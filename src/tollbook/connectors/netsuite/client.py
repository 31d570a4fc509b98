"""NetSuite's wire: where things are, who we are, and what an answer means."""

import threading
from datetime import date
from typing import Final
from urllib.parse import quote

from tollbook.connectors.netsuite.mapping import Json, Period
from tollbook.connectors.netsuite.refusals import is_absent, refusal
from tollbook.records.posting import FinanceDocument
from tollbook.sdk.auth import Authorizer
from tollbook.sdk.http import Effect, HttpClient, Method, Reply, Request, encode
from tollbook.sdk.outcomes import closed_period, unavailable

RECORDS: Final = "/services/rest/record/v1"
SUITEQL: Final = "/services/rest/query/v1/suiteql"
PAGE: Final = 1000
PAGES_MAX: Final = 20

_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    # The default is Warning: a misspelt field would vanish without a word.
    "X-NetSuite-PropertyNameValidation": "Error",
    "X-NetSuite-PropertyValueValidation": "Error",
}


class NetSuiteClient:
    """One account. Remembers what does not change: its periods and its customers' names."""

    def __init__(self, base_url: str, http: HttpClient, authorizer: Authorizer) -> None:
        self._base = base_url.rstrip("/")
        self._http = http
        self._authorizer = authorizer
        self._lock = threading.Lock()
        self._periods: tuple[Period, ...] = ()
        self._customers: dict[str, str | None] = {}

    def create(self, record: str, body: Json, document: FinanceDocument) -> None:
        """Create a record. Raises the refusal, or Unknown when the fate was not heard."""
        reply = self._call("POST", f"{RECORDS}/{record}", effect="write", body=body)
        if reply.status == 204:
            return
        if reply.status < 300:
            # A gateway's page, or half an answer: no success of NetSuite looks like this.
            raise reply.silence(f"unexpected answer {reply.words}")
        raise refusal(reply, document)

    def find(self, record: str, external_id: str) -> Json | None:
        """Return the record with our key and its lines; None when NetSuite says it has none."""
        path = f"{RECORDS}/{record}/eid:{quote(external_id, safe='')}?expandSubResources=true"
        reply = self._call("GET", path)
        if is_absent(reply):
            return None
        return self._object(reply)

    def period_on(self, day: date, *, company: str) -> Period:
        """Return the accounting month of a day; Blocked when NetSuite has none."""
        for period in self._all_periods():
            if period.start <= day <= period.end:
                return period
        with self._lock:
            self._periods = ()  # somebody may be setting up the new year right now
        raise closed_period(f"{day:%Y-%m}", "no such accounting period", company=company)

    def month_of(self, period_id: str) -> str | None:
        """Return the month YYYY-MM of a period; None when it is not a month we know."""
        for period in self._all_periods():
            if period.period_id == period_id:
                return period.month
        return None

    def customer_key(self, customer_id: str) -> str | None:
        """Return the external id of a customer; None when it has none."""
        if customer_id not in self._customers:
            path = f"{RECORDS}/customer/{quote(customer_id, safe='')}"
            self._customers[customer_id] = self._object(self._call("GET", path)).get("externalId")
        return self._customers[customer_id]

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _all_periods(self) -> tuple[Period, ...]:
        with self._lock:
            if not self._periods:
                rows = self._query(
                    "SELECT id, startdate, enddate FROM accountingperiod "
                    "WHERE isquarter = 'F' AND isyear = 'F' ORDER BY startdate"
                )
                self._periods = tuple(_period(row) for row in rows)
            return self._periods

    def _query(self, text: str) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        for page in range(PAGES_MAX):
            path = f"{SUITEQL}?limit={PAGE}&offset={page * PAGE}"
            found = self._object(self._call("POST", path, body={"q": text}))
            rows += found["items"]
            if not found["hasMore"]:
                break
        return rows

    def _object(self, reply: Reply) -> Json:
        if reply.status != 200:
            raise refusal(reply)
        found = reply.json()
        if not isinstance(found, dict):
            raise reply.silence("an object was expected")
        return found

    def _call(
        self, method: Method, path: str, *, effect: Effect = "read", body: Json | None = None
    ) -> Reply:
        reply = self._once(method, path, effect=effect, body=body)
        # 401 is answered before anything is carried out, so a new token may try once more.
        if reply.status == 401 and self._authorizer.renew():
            reply = self._once(method, path, effect=effect, body=body)
        return reply

    def _once(self, method: Method, path: str, *, effect: Effect, body: Json | None) -> Reply:
        url = self._base + path
        headers = {**_HEADERS, "Authorization": self._authorizer.header(method, url)}
        if path.startswith(SUITEQL):
            headers["Prefer"] = "transient"
        content = b"" if body is None else encode(body)
        return self._http.call(Request(method, url, effect, headers, content))


def _period(row: dict[str, str]) -> Period:
    try:
        return Period(
            row["id"], date.fromisoformat(row["startdate"]), date.fromisoformat(row["enddate"])
        )
    except ValueError:
        raise unavailable(
            f"NetSuite writes dates like {row['startdate']}: set the date format of the "
            "integration's user to YYYY-MM-DD."
        ) from None
