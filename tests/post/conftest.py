"""Fixtures of the posting stage: an ERP in memory, a database whose client dies, a queue."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from fake_erp import FakeErp, MortalDatabase, sample
from tollbook.flow.post import store
from tollbook.flow.post.posting import Candidate, Posting, new_posting
from tollbook.storage.database import Database
from tollbook.values.clock import FixedClock
from tollbook.values.codec import content_hash


@pytest.fixture
def mortal(dsn: str) -> Iterator[MortalDatabase]:
    database = MortalDatabase(dsn, size=2)
    yield database
    database.close()


@pytest.fixture
def queue(database: Database, clock: FixedClock) -> Callable[..., Posting]:
    """Put a posting with a frozen payload into the queue of target `erp`."""

    def put(document_id: str, **changes: Any) -> Posting:
        candidate = Candidate(document_id, "invoice", "us", "2023-11", date(2023, 11, 30))
        posting = new_posting(candidate, target="erp", at=clock.now())
        document = sample(posting.key)
        posting = replace(
            posting, payload=document, payload_sha256=content_hash(document), **changes
        )
        with database.transaction() as connection:
            store.insert(connection, posting)
        return posting

    return put


@pytest.fixture
def erp(clock: FixedClock) -> FakeErp:
    return FakeErp(clock)
