"""Measures how fast an entitlement is answered over HTTP, on the embedded default, as usage comes in.

Ten thousand customers with a contract each: a third have included units, a third prepaid credits with
alerts, the rest neither. They have usage of this month. A worker folds and watches. Callers ask for random
customers on connections of their own, first while nothing else happens, then while events come in.
"""

import argparse
import http.client
import json
import multiprocessing
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import feed
import ingest

from tollbook.masterdata.catalog import SINCE_EVER, Record, Version
from tollbook.masterdata.store import insert_version
from tollbook.records.alert import Alert
from tollbook.records.charge import PriceVersion, Tier
from tollbook.records.commercial import Contract, ContractItem, CreditGrant, PriceBook, Product
from tollbook.records.parties import LegalEntity
from tollbook.storage.database import Database
from tollbook.values.codec import content_hash
from tollbook.values.ids import CustomerId, EntityId, MeterId

BATCH = 1000
PRODUCT = "tokens"


def price(included: int) -> PriceVersion:
    tier = Tier(None, Decimal(3))
    return PriceVersion(
        f"list/{PRODUCT}@1",
        "USD",
        (tier,),
        model="unit",
        per=Decimal(1_000_000),
        included=Decimal(included),
        product_id=PRODUCT,
    )


def contract(number: int) -> Contract:
    name = f"c{number:05}"
    granted = datetime.now(UTC).date().replace(day=1)
    grant = CreditGrant(f"{name}-grant", Decimal(100), granted)
    has_credits = number % 3 == 1
    return Contract(
        contract_id=f"{name}-1",
        version=1,
        customer_id=CustomerId(name),
        entity_id=EntityId("us"),
        currency="USD",
        price_book_id="list",
        effective_from=SINCE_EVER,
        items=(ContractItem(PRODUCT, price(5_000_000) if number % 3 == 0 else None),),
        credit_product_id="credits" if has_credits else "",
        credits=(grant,) if has_credits else (),
        alerts=(
            (
                Alert("low", "balance", amount=Decimal(10), action="warn"),
                Alert("empty", "balance", amount=Decimal(0), action="block"),
            )
            if has_credits
            else ()
        ),
    )


def furnish(database: Database) -> None:
    """Put products, prices and ten thousand contracts in place."""
    records: dict[tuple[str, str], Record] = {
        ("entity", "us"): LegalEntity(EntityId("us"), "Example", "USD", "US", "erp", "US"),
        ("product", PRODUCT): Product(PRODUCT, "Tokens", "usage", "saas", MeterId("input_tokens")),
        ("product", "credits"): Product("credits", "Credits", "on_drawdown", "none"),
        ("price_book", "list"): PriceBook("list", 1, "USD", SINCE_EVER, (price(0),)),
    }
    for number in range(feed.CUSTOMERS):
        made = contract(number)
        records["contract", made.contract_id] = made
    with database.transaction() as connection:
        for (kind, key), record in records.items():
            version = Version(kind, key, 1, SINCE_EVER, record, content_hash(record))
            insert_version(connection, version, decided_at=feed.DECIDED_AT, decided_by="bench")


def send(events: int, first: int, rate: int) -> None:
    """Send events that occurred moments ago, at a rate if there is one."""
    feed.START = datetime.now(UTC) - timedelta(milliseconds=first * 86_400_000 // feed.EVENTS_A_DAY)
    connection = http.client.HTTPConnection("127.0.0.1", ingest.PORT)
    began = time.perf_counter()
    for number in range(0, events, BATCH):
        lines = feed.lines(BATCH, seed=first + number, first=first + number)
        body = b"[" + b",".join(lines) + b"]"
        if rate:
            time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        connection.request("POST", "/v1/events", body, ingest.HEADERS)
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status


def ask_until(stop: threading.Event, seed: int, pause: float, seconds: list[float]) -> None:
    random = Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", ingest.PORT)
    while not stop.wait(pause):
        number = random.randrange(feed.CUSTOMERS)
        began = time.perf_counter()
        connection.request("GET", f"/v1/customers/c{number:05}/entitlements/{PRODUCT}")
        response = connection.getresponse()
        body = response.read()
        seconds.append(time.perf_counter() - began)
        assert response.status == 200, body
        assert json.loads(body)["contract_id"] == f"c{number:05}-1"


def measure(name: str, callers: int, seconds: float) -> None:
    """Ask on so many connections for so long, about a hundred times a second each."""
    stop, took = threading.Event(), list[float]()
    threads = [
        threading.Thread(target=ask_until, args=(stop, seed, 0.01, took)) for seed in range(callers)
    ]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    took.sort()
    p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
    rate = len(took) / seconds
    print(f"{name:44}{rate:>7,.0f} a second   p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rate", type=int, default=1000, help="events a second as they come in")
    parser.add_argument("--callers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    print(f"# {feed.machine()}")
    with tempfile.TemporaryDirectory(prefix="tollbook-bench-", ignore_cleanup_errors=True) as home:
        rig = ingest.Rig(home, worker=True, furnish=furnish)
        try:
            send(options.events, 0, 0)
            measure("before all is known", options.callers, 3)
            time.sleep(10)
            measure("entitlements", options.callers, options.seconds)
            coming = options.rate * (int(options.seconds) + 5)
            sender = multiprocessing.Process(
                target=send, args=(coming, 10 * options.events, options.rate)
            )
            sender.start()
            time.sleep(2)
            measure(
                f"entitlements, {options.rate:,} events a second come in",
                options.callers,
                options.seconds,
            )
            sender.join()
        finally:
            rig.close()


if __name__ == "__main__":
    main()
