"""Reads a file in blocks, unpacking gzip and Zstandard with bounded memory and noticing damage."""

import hashlib
import zlib
from collections.abc import Iterator
from typing import IO, Final

import zstandard

from tollbook.errors import Rejected

BLOCK_BYTES: Final = 1 << 20
# One byte of Zstandard can stand for tens of kilobytes: small bites keep what comes out bounded.
ZSTD_BITE_BYTES: Final = 2_048
ZSTD_WINDOW_BYTES_MAX: Final = 1 << 27

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW: Final = 31


def damaged(why: str) -> Rejected:
    """Make the failure of an object that cannot be read to its end."""
    return Rejected(
        "capture.object_damaged",
        f"It is damaged ({why}). Have it sent again; what was stored before the damage will not be "
        "counted twice.",
    )


def sha256_of(file: IO[bytes]) -> str:
    """Return the digest of a whole file and leave it at its beginning."""
    digest = hashlib.sha256()
    file.seek(0)
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def unpack(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the content of a file in blocks; Rejected with `capture.object_damaged` on damage."""
    file.seek(0)
    magic = file.read(len(_ZSTD_MAGIC))
    file.seek(0)
    if magic.startswith(_GZIP_MAGIC):
        yield from _gunzip(file)
    elif magic == _ZSTD_MAGIC:
        yield from _unzstd(file)
    else:
        while block := file.read(BLOCK_BYTES):
            yield block


def _gunzip(file: IO[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP_WINDOW)
    is_inside = False
    packed = file.read(BLOCK_BYTES)
    try:
        while packed:
            if not is_inside:
                # Tapes and block devices pad with zeros between and after members.
                packed = packed.lstrip(b"\0")
                member, is_inside = zlib.decompressobj(_GZIP_WINDOW), bool(packed)
            if is_inside:
                if block := member.decompress(packed, BLOCK_BYTES):
                    yield block
                is_inside = not member.eof
                packed = member.unconsumed_tail if is_inside else member.unused_data
            packed = packed or file.read(BLOCK_BYTES)
        if is_inside and (tail := member.flush()):
            yield tail
    except zlib.error as error:
        raise damaged(f"gzip: {error}") from error
    if is_inside and not member.eof:
        raise damaged("gzip ends in the middle")


def _unzstd(file: IO[bytes]) -> Iterator[bytes]:
    codec = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
    frame = codec.decompressobj()
    is_inside = False
    packed = file.read(ZSTD_BITE_BYTES)
    try:
        while packed:
            if not is_inside:
                frame, is_inside = codec.decompressobj(), True
            if block := frame.decompress(packed):
                yield block
            is_inside = not frame.eof
            packed = (b"" if is_inside else frame.unused_data) or file.read(ZSTD_BITE_BYTES)
    except zstandard.ZstdError as error:
        raise damaged(f"Zstandard: {error}") from error
    if is_inside:
        raise damaged("Zstandard ends in the middle")
