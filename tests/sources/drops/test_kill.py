"""An import that is killed in the middle of a large object goes on where it was."""

import signal
from pathlib import Path

import pytest

from door import furnish
from source_consumer import NAME
from source_street import GIVE_UP_SECONDS, Street
from sources.directory.conftest import DirectoryRig
from tollbook.flow.capture.objects import store
from tollbook.sdk.source_conformance import bodies
from tollbook.storage.database import Database

ROWS = 50_000


@pytest.mark.parametrize("die_in", ["transaction", "settle"])
def test_each_row_of_a_large_object_is_in_once_after_kills(
    tmp_path: Path, database: Database, die_in: str
) -> None:
    furnish(database)
    rig, street = DirectoryRig(tmp_path, database), Street(database)
    rig.put(bodies(ROWS))

    for _ in range(2):
        killed = street.start(rig, die_in=die_in, at=4, records_max=4_000)
        assert killed.wait(GIVE_UP_SECONDS) == -signal.SIGKILL
        assert 0 < len(street.numbers()) < ROWS
    assert street.start(rig, records_max=20_000).wait(GIVE_UP_SECONDS) == 0

    assert street.numbers() == list(range(ROWS))
    with database.transaction() as connection:
        (found,) = store.list_objects(connection, NAME)
    assert (found.state, found.rows, found.accepted, found.duplicates) == ("done", ROWS, ROWS, 0)
