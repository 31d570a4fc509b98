"""One delivery worker as its own process, so that it can be killed: `worker.py '{...}'`."""

import json
import sys
import threading
from dataclasses import replace

from tollbook.connectors.netsuite.target import NetSuiteTarget, connect
from tollbook.flow.post.policy import DeliveryPolicy
from tollbook.masterdata.store import load_catalog
from tollbook.runtime.deliver import deliver
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock


def main() -> None:
    """Deliver until nothing is left to do."""
    given = json.loads(sys.argv[1])
    clock = SystemClock()
    target = connect({**given["options"], "url": given["url"]})
    capabilities = replace(
        target.capabilities,
        key_guard=given["key_guard"],
        request_life_seconds=given["request_life_seconds"],
    )
    database = Database(given["dsn"], size=4)
    deliver(
        database,
        {"erp": NetSuiteTarget(target._client, capabilities)},
        catalog_of=lambda connection: load_catalog(connection, known_at=clock.now()),
        clock=clock,
        until_idle=True,
        stop=threading.Event(),
        policy=DeliveryPolicy(**given["policy"]),
    )
    target.close()
    database.close()


if __name__ == "__main__":
    main()
