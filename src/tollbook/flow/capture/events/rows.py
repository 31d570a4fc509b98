"""Admitted events as rows of PostgreSQL's binary COPY."""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from tollbook.flow.capture.admit import Admitted
from tollbook.flow.capture.identity import DAY_MICROSECONDS

# A header, then for each row the number of fields and, before each field, its length. Instants are
# microseconds and days are days since 2000-01-01.
HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"
COLUMNS: Final = (
    "h, day, f1, f2, receipt, ordinal, occurred_at, source, event_id, type, subject, data"
)
_FIXED: Final = struct.Struct(">hi16siiiqiqiqiiiq")
_LENGTH: Final = struct.Struct(">i")
_FIELDS: Final = 12


def copy_rows(events: Iterable[tuple[int, Admitted]], receipt: int) -> Iterator[bytes]:
    """Yield a row for each event, which comes with its position in its receipt."""
    fixed, length = _FIXED.pack, _LENGTH.pack
    texts = _Texts()
    for ordinal, event in events:
        at = event.occurred_us
        name = event.id.encode()
        data = event.data
        yield b"".join(
            (
                fixed(
                    _FIELDS,
                    16,
                    event.digest,
                    4,
                    at // DAY_MICROSECONDS,
                    8,
                    event.f1,
                    8,
                    event.f2,
                    8,
                    receipt,
                    4,
                    ordinal,
                    8,
                    at,
                ),
                texts[event.source],
                length(len(name)),
                name,
                texts[event.type],
                texts[event.subject],
                length(len(data)),
                data,
            )
        )


class _Texts(dict[str, bytes]):
    """Texts as fields, each made once: a group has few sources, types and subjects."""

    def __missing__(self, text: str) -> bytes:
        encoded = text.encode()
        field = self[text] = _LENGTH.pack(len(encoded)) + encoded
        return field
