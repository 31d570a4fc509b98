"""The advisory locks of the database, all in one list so that no two share a number."""

from enum import IntEnum

from tollbook.storage.database import Connection


class Lock(IntEnum):
    """What one transaction (or session) at a time may do."""

    MIGRATE = 7_022_511_001
    APPEND_AUDIT = 7_022_511_002
    APPLY_MASTER_DATA = 7_022_511_003
    MAKE_PARTITIONS = 7_022_511_004
    SUMMARIZE = 7_022_511_005
    DECIDE_CHARGES = 7_022_511_006
    SWEEP_IDENTITIES = 7_022_511_007
    WATCH_CUSTOMERS = 7_022_511_018
    MANAGE_KEYS = 7_022_511_012
    # One process at a time writes segments; and readers of events share what sealing a day excludes.
    WRITE_SEGMENTS = 7_022_511_014
    SEAL_DAY = 7_022_511_015


def hold_lock(connection: Connection, lock: Lock) -> None:
    """Wait for a lock and hold it until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(%s)", [int(lock)])


def share_lock(connection: Connection, lock: Lock) -> None:
    """Hold a lock together with others that share it, until the transaction ends."""
    connection.execute("select pg_advisory_xact_lock_shared(%s)", [int(lock)])


def try_lock(connection: Connection, lock: Lock) -> bool:
    """Hold a lock until the transaction ends, if nobody else does; tell whether it is ours."""
    row = connection.execute("select pg_try_advisory_xact_lock(%s)", [int(lock)]).fetchone()
    return row is not None and bool(row[0])
