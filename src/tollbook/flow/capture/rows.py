"""Events as rows of PostgreSQL's binary COPY."""

import struct
from typing import Final

from tollbook.flow.capture.identity import DAY_MICROSECONDS

# A header, then for each row the number of fields and, before each field, its length. Instants are
# microseconds and days are days since 2000-01-01. Where an event is stored stands first: all else is
# written when the event is judged, while what it is made of is at hand.
HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END: Final = b"\xff\xff"
COLUMNS: Final = (
    "receipt, ordinal, h, day, f1, f2, occurred_at, source, type, subject, event_id, data"
)
TEXTS_MAX: Final = 50_000
_PLACE: Final = struct.Struct(">hiqii")
_FIXED: Final = struct.Struct(">i16siiiqiqiq")
_LENGTH: Final = struct.Struct(">i")
_FIELDS: Final = 12


class Texts(dict[str, bytes]):
    """Texts as fields, each made once: there are few sources, types and subjects."""

    def __missing__(self, text: str) -> bytes:
        if len(self) >= TEXTS_MAX:
            self.clear()
        encoded = text.encode()
        field = self[text] = _LENGTH.pack(len(encoded)) + encoded
        return field


def place(receipt: int, ordinal: int) -> bytes:
    """Write the beginning of a row: under which receipt an event is stored, and at which position."""
    return _PLACE.pack(_FIELDS, 8, receipt, 4, ordinal)


def row_of(
    identity: tuple[bytes, int, int], occurred_us: int, texts: bytes, name: bytes, data: bytes
) -> bytes:
    """Write the rest of a row; `texts` are source, type and subject as fields."""
    digest, f1, f2 = identity
    day = occurred_us // DAY_MICROSECONDS
    return b"".join(
        (
            _FIXED.pack(16, digest, 4, day, 8, f1, 8, f2, 8, occurred_us),
            texts,
            _LENGTH.pack(len(name)),
            name,
            _LENGTH.pack(len(data)),
            data,
        )
    )
