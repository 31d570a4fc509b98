"""The composition root: settings in, a wired application out."""

import importlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import Final, TypeVar

from tollbook.config import Settings, SystemSettings, load
from tollbook.connectors.netsuite.target import connect as connect_netsuite
from tollbook.connectors.tryton.target import connect as connect_tryton
from tollbook.errors import Blocked, Rejected
from tollbook.flow.capture.admit import Admission
from tollbook.flow.post.policy import DeliveryPolicy
from tollbook.masterdata.catalog import Catalog
from tollbook.masterdata.store import load_catalog
from tollbook.runtime.entitlements import Entitlements
from tollbook.runtime.intake import Desk, current_admission
from tollbook.runtime.known import Known
from tollbook.runtime.object_register import ObjectRegister
from tollbook.runtime.preview import Previewed, preview
from tollbook.runtime.pump import Pump
from tollbook.runtime.replay import Replayer
from tollbook.runtime.street import Street
from tollbook.sdk.drops.register import KeepsRegister
from tollbook.sdk.source import Source
from tollbook.sdk.target import Target
from tollbook.storage.database import Connection, Database
from tollbook.storage.migrate import migrate
from tollbook.storage.shared import shared_server
from tollbook.values.clock import Clock, SystemClock

T = TypeVar("T")

CONNECTORS: Final[Mapping[str, Callable[[Mapping[str, str], Clock], Target]]] = {
    "netsuite": connect_netsuite,
    "tryton": connect_tryton,
}

# Connector -> the module whose `connect(options, clock)` makes the source, imported when a source
# of that name is used: their client libraries are extras.
SOURCES: Final[Mapping[str, str]] = {
    "kafka": "tollbook.connectors.kafka.source",
    "event_hubs": "tollbook.connectors.kafka.event_hubs",
    "mqtt": "tollbook.connectors.mqtt.source",
    "nats": "tollbook.connectors.nats.source",
    "pubsub": "tollbook.connectors.pubsub.source",
    "directory": "tollbook.connectors.directory.source",
    "sftp": "tollbook.connectors.sftp.source",
    "s3": "tollbook.connectors.s3.source",
    "azure_blob": "tollbook.connectors.azure_blob.source",
}
# Sources that send to the API by themselves; nothing reads them.
DELIVERED: Final = frozenset({"webhook"})
# Which extra brings the client library, where it is not the connector's own name.
EXTRAS: Final[Mapping[str, str]] = {
    "event_hubs": "kafka",
    "pubsub": "gcp",
    "directory": "parquet",
    "s3": "aws",
    "azure_blob": "azure",
}


class App:
    """Settings, clock, database and targets of one running process."""

    def __init__(self, settings: Settings, clock: Clock, database: Database) -> None:
        self.settings = settings
        self.clock = clock
        self.database = database
        self._targets: dict[str, Target] = {}
        # Requests come in several threads; each ERP is connected once.
        self._connecting = threading.Lock()
        self.known = Known(self.catalog)
        self.entitlements = Entitlements(database, self.known, clock)

    def catalog(self, connection: Connection) -> Catalog:
        """Return all master data as known now."""
        return load_catalog(connection, known_at=self.clock.now())

    def targets(self) -> dict[str, Target]:
        """Return the configured ERPs, connected on first use."""
        with self._connecting:
            for name, target in self.settings.targets.items():
                if name not in self._targets:
                    self._targets[name] = self._connect(target)
            return dict(self._targets)

    def _connect(self, target: SystemSettings) -> Target:
        if target.connector not in CONNECTORS:
            raise Rejected(
                "config.unknown_connector",
                f"Target {target.name} uses connector {target.connector!r}; there are "
                f"{', '.join(sorted(CONNECTORS))}.",
            )
        if target.missing:
            raise Rejected(
                "config.secret_missing",
                f"Target {target.name} needs {', '.join(target.missing)}: set it where Tollbook "
                "runs.",
            )
        return CONNECTORS[target.connector](target.options, self.clock)

    def connect_source(self, name: str) -> Source:
        """Make the source of that name, not open yet.

        Rejected when it is not configured or names an unknown connector; Blocked when the client
        library of its connector is not installed.
        """
        source = self.source_settings(name)
        if source.connector not in SOURCES:
            raise Rejected(
                "config.unknown_connector",
                f"Source {name} uses connector {source.connector!r}; there are "
                f"{', '.join(sorted(SOURCES))}.",
            )
        if source.missing:
            raise Rejected(
                "config.secret_missing",
                f"Source {name} needs {', '.join(source.missing)}: set it where Tollbook runs.",
            )
        try:
            module = importlib.import_module(SOURCES[source.connector])
        except ImportError as error:
            extra = EXTRAS.get(source.connector, source.connector)
            raise Blocked(
                "config.extra_missing",
                f"Source {name} needs a package that is not installed ({error}): "
                f"pip install tollbook[{extra}].",
            ) from error
        connected: Source = module.connect(source.options, self.clock)
        if isinstance(connected, KeepsRegister):
            connected.use_register(ObjectRegister(name, self.database, self.clock))
        return connected

    def source_settings(self, name: str) -> SystemSettings:
        """Return how a source is configured; Rejected when it is not."""
        if name not in self.settings.sources:
            raise Rejected(
                "config.no_such_source",
                f"There is no source {name}: [sources.{name}] would configure it.",
            )
        return self.settings.sources[name]

    def pump(self, name: str, desk: Desk | None = None) -> Pump:
        """Return what reads a source and stores its events."""
        self.source_settings(name)
        return Pump(
            name,
            lambda: self.connect_source(name),
            desk or self.desk(),
            self.database,
            self.clock,
            process=f"{os.getpid()} since {self.clock.now():%Y-%m-%dT%H:%M:%SZ}",
            mapping=self.source_settings(name).options.get("mapping"),
        )

    def pumps(self) -> list[Pump]:
        """Return a pump for each configured source that is read; they share a desk."""
        desk = self.desk()
        return [
            self.pump(name, desk)
            for name, source in self.settings.sources.items()
            if source.connector not in DELIVERED
        ]

    def desk(self) -> Desk:
        """Return a desk that takes events into this database."""
        return Desk(self.database, self.clock, future_hours_max=self.settings.future_hours_max)

    def backfill_desk(self) -> Desk:
        """Return a desk that takes events of any age, for what a person imports on purpose."""
        return Desk(
            self.database,
            self.clock,
            future_hours_max=self.settings.future_hours_max,
            takes_any_age=True,
        )

    def admission(self, connection: Connection, *, takes_any_age: bool = False) -> Admission:
        """Return what events are judged by, as known now."""
        return current_admission(
            connection,
            at=self.clock.now(),
            future_hours_max=self.settings.future_hours_max,
            takes_any_age=takes_any_age,
        )

    def preview(self, act: Callable[[Connection], tuple[T, Iterable[date]]]) -> Previewed[T]:
        """Do an act for real, tell what it does to the money, and undo it."""
        return preview(self.database, act, catalog_of=self.catalog, clock=self.clock)

    def replayer(self) -> Replayer:
        """Return what tries again what waits."""
        return Replayer(
            self.database,
            self.desk(),
            tuple(self.settings.targets),
            catalog_of=self.catalog,
            clock=self.clock,
        )

    def street(self, policy: DeliveryPolicy | None = None) -> Street:
        """Return the stages of this database, wired to the configured ERPs."""
        return Street(
            self.database,
            self.targets(),
            catalog_of=self.catalog,
            clock=self.clock,
            policy=policy,
        )

    def close_targets(self) -> None:
        """Release connections to ERPs."""
        for target in self._targets.values():
            target.close()
        self._targets.clear()

    def close(self) -> None:
        """Release connections to ERPs and the database."""
        self.close_targets()
        self.database.close()


@contextmanager
def open_app(settings: Settings | None = None, clock: Clock | None = None) -> Iterator[App]:
    """Open the application on its database, migrated; start the embedded server if none is named."""
    chosen = settings or load()
    with database_url(chosen) as dsn:
        migrate(dsn)
        database = Database(dsn, size=chosen.pool_size, session=chosen.session)
        app = App(chosen, clock or SystemClock(), database)
        try:
            yield app
        finally:
            app.close()


@contextmanager
def database_url(settings: Settings, *, patience_seconds: int = 0) -> Iterator[str]:
    """Give the connection string: the configured one, or that of the embedded server.

    Who leaves an embedded server waits `patience_seconds` for others that are about to.
    """
    if settings.database_url:
        yield settings.database_url
        return
    with shared_server(settings.home, patience_seconds=patience_seconds) as server:
        yield server.dsn
