"""An instant on the command line, with its offset from UTC."""

from datetime import UTC, datetime
from typing import Any

import click


class InstantType(click.ParamType[datetime]):
    """An instant written as 2023-11-16T18:00:00Z or with another offset."""

    name = "INSTANT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the instant; one without an offset is an error of usage."""
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found.tzinfo is None:
            self.fail("an instant needs its offset, such as 2023-11-16T18:00:00Z", param, ctx)
        return found.astimezone(UTC)


INSTANT = InstantType()
