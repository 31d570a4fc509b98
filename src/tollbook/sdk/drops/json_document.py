"""Reads a .json file: an array of records, one record over many lines, or JSON lines after all."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import msgspec

from tollbook.errors import Rejected
from tollbook.sdk.drops.batch import ROWS_PER_BATCH, Batch
from tollbook.sdk.drops.json_lines import read_json_lines
from tollbook.sdk.drops.unpack import damaged

DOCUMENT_BYTES_MAX: Final = 64_000_000

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_WHOLE: Final = msgspec.json.Decoder(msgspec.Raw)


def read_json_document(blocks: Iterable[bytes]) -> Iterator[Batch]:
    """Yield the items of an array or the one record; several values are taken as JSON lines.

    An array is held in memory: Rejected with `capture.unknown_format` beyond DOCUMENT_BYTES_MAX.
    """
    rest = iter(blocks)
    start = bytearray()
    for block in rest:
        start += block
        if len(start) > DOCUMENT_BYTES_MAX:
            break
    text = bytes(start).removeprefix(_BYTE_ORDER_MARK)
    is_array = text.lstrip()[:1] == b"["
    if len(start) > DOCUMENT_BYTES_MAX:
        if is_array:
            raise Rejected(
                "capture.unknown_format",
                f"It is one JSON array of more than {DOCUMENT_BYTES_MAX} bytes: have it written "
                "as JSON lines.",
            )
        yield from read_json_lines(chain([text], rest))
    elif is_array:
        yield from _items(text)
    else:
        yield from _value_or_lines(text)


def _items(text: bytes) -> Iterator[Batch]:
    try:
        items = _ITEMS.decode(text)
    except (ValueError, RecursionError) as error:
        raise damaged(f"JSON: {error}") from error
    for at in range(0, len(items), ROWS_PER_BATCH):
        yield Batch([bytes(item) for item in items[at : at + ROWS_PER_BATCH]])


def _value_or_lines(text: bytes) -> Iterator[Batch]:
    try:
        whole = bytes(_WHOLE.decode(text))
    except (ValueError, RecursionError):
        yield from read_json_lines([text])
    else:
        yield Batch([whole])
