"""Keeps an object on the local disk while its rows are taken: what was checked is what is taken."""

import tempfile
from collections.abc import Iterable
from typing import IO

from tollbook.errors import Transient


def spool(blocks: Iterable[bytes], *, size: int, directory: str) -> IO[bytes]:
    """Return a file with these blocks, at its beginning; it is gone once it is closed.

    Transient when they are not as many bytes as the place said, or the disk does not take them.
    """
    try:
        # Owned by whoever reads the object, who closes it.
        file = tempfile.TemporaryFile(dir=directory or None)  # noqa: SIM115
        try:
            for block in blocks:
                file.write(block)
            if file.tell() != size:
                raise Transient(
                    "capture.object_cut",
                    f"{file.tell()} of {size} bytes of the object came: it is fetched again.",
                )
        except BaseException:
            file.close()
            raise
        file.seek(0)
    except OSError as error:
        raise Transient(
            "capture.not_spooled",
            f"The object cannot be kept on the disk while it is read ({error}): make room, or say "
            "another `spool_directory` in the source's options.",
        ) from error
    return file
