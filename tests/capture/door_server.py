"""A real server process with only the door, for tests that kill it: DSN and port as arguments."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels
from starlette.applications import Starlette

from tollbook.api.intake import intake_routes
from tollbook.runtime.intake import Desk, Intake
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock


def create() -> Starlette:
    """Build the application of the worker process."""
    database = Database(os.environ["DOOR_DSN"], size=4)
    intake = Intake(Desk(database, SystemClock(), future_hours_max=24))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        with intake:
            yield
        database.close()

    return Starlette(routes=intake_routes(intake), lifespan=lifespan)


if __name__ == "__main__":
    Granian(
        "door_server:create",
        address="127.0.0.1",
        port=int(sys.argv[1]),
        interface=Interfaces.ASGI,
        factory=True,
        workers=1,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()
