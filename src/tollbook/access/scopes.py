"""The scopes: what a caller may do, all in one table."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tollbook.errors import Rejected


class Scope(StrEnum):
    """What a caller may do."""

    EVENTS_WRITE = "events:write"
    EVENTS_READ = "events:read"
    EVENTS_CORRECT = "events:correct"
    USAGE_READ = "usage:read"
    BILLING_READ = "billing:read"
    BILLING_RUN = "billing:run"
    BILLING_APPROVE = "billing:approve"
    MASTERDATA_READ = "masterdata:read"
    MASTERDATA_WRITE = "masterdata:write"
    POSTING_WRITE = "posting:write"
    WORKLIST_READ = "worklist:read"
    WORKLIST_WRITE = "worklist:write"
    METRICS_READ = "metrics:read"
    ACTOR_DELEGATE = "actor:delegate"
    ADMIN = "admin"


MEANINGS: Final[Mapping[Scope, str]] = MappingProxyType(
    {
        Scope.EVENTS_WRITE: "send usage events",
        Scope.EVENTS_READ: "read events, refused events and sources",
        Scope.EVENTS_CORRECT: "correct, replay, discard and void events",
        Scope.USAGE_READ: "read what was counted",
        Scope.BILLING_READ: "read charges, documents, revenue, postings, lineage",
        Scope.BILLING_RUN: "run and reconcile a month",
        Scope.BILLING_APPROVE: "approve drafts",
        Scope.MASTERDATA_READ: "read master data, try prices",
        Scope.MASTERDATA_WRITE: "apply master data",
        Scope.POSTING_WRITE: "hold, release and resend postings",
        Scope.WORKLIST_READ: "read the worklist",
        Scope.WORKLIST_WRITE: "replay what the worklist holds",
        Scope.METRICS_READ: "read /metrics",
        Scope.ACTOR_DELEGATE: "name in X-Actor the person on whose behalf it calls",
        Scope.ADMIN: "everything, keys too",
    }
)
assert set(MEANINGS) == set(Scope), "every scope says what it allows"


def known_scopes(names: Iterable[str]) -> tuple[Scope, ...]:
    """Return these scopes in the order of the table, each once; Rejected when one is unknown."""
    wanted = set(names)
    unknown = sorted(wanted - set(Scope))
    if unknown:
        raise Rejected(
            "api.unknown_scope",
            f"There is no scope {', '.join(unknown)}; there are {', '.join(Scope)}.",
        )
    return tuple(scope for scope in Scope if scope in wanted)
