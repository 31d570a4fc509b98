"""Master data as it is known now, read again only when it has changed."""

import threading
from collections.abc import Callable
from datetime import datetime

from tollbook.flow.capture.store import master_data_state
from tollbook.flow.meter.current import View, view_of
from tollbook.masterdata.by_customer import ByCustomer, by_customer
from tollbook.masterdata.catalog import Catalog
from tollbook.storage.database import Connection

CatalogOf = Callable[[Connection], Catalog]


class Known:
    """Keeps what was worked out from master data; any number of threads may ask."""

    def __init__(self, catalog_of: CatalogOf) -> None:
        self._catalog_of = catalog_of
        self._lock = threading.Lock()
        self._state: tuple[int, datetime | None] | None = None
        self._view: View | None = None
        self._by_customer: ByCustomer | None = None

    def view(self, connection: Connection) -> View:
        """Return what is known in this transaction."""
        state = master_data_state(connection)
        with self._lock:
            if self._view is None or state != self._state:
                self._view = view_of(self._catalog_of(connection))
                self._state = state
                self._by_customer = None
            return self._view

    def catalog(self, connection: Connection) -> Catalog:
        """Return all master data as known in this transaction."""
        return self.view(connection).catalog

    def by_customer(self, connection: Connection) -> ByCustomer:
        """Return master data by customer as known in this transaction; the same while it is."""
        catalog = self.catalog(connection)
        with self._lock:
            if self._by_customer is None or self._by_customer.catalog is not catalog:
                self._by_customer = by_customer(catalog)
            return self._by_customer
