"""Seals or restores a day in a process of its own, which is killed at a point it is told."""

import json
import os
import signal
import sys
from datetime import UTC, date, datetime

from tollbook.flow.capture.sealing.fields import Fields
from tollbook.flow.capture.sealing.step import Sealing, seal_day
from tollbook.storage.database import Database


def main() -> None:
    given = json.loads(sys.argv[1])

    def die_at(point: str) -> None:
        if point == given["point"]:
            os.kill(os.getpid(), signal.SIGKILL)

    database = Database(given["dsn"], session={"tollbook.archive": given["archive"]})
    fields = Fields(("model",), ("tokens",))
    at = datetime(2023, 12, 1, 9, tzinfo=UTC)
    sealing = Sealing(fields, by="torture", at=at, events_per_segment=given["events_per_segment"])
    seal_day(database, date.fromisoformat(given["day"]), sealing, on_point=die_at)


if __name__ == "__main__":
    main()
