"""A container of Azure Blob Storage where blobs are dropped."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import IO, Final, Literal

from azure.core import MatchConditions, exceptions
from azure.storage.blob import ContainerClient

from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.observe.log import logger
from tollbook.sdk.drops.place import DropObject
from tollbook.sdk.drops.spool import spool

WhenDone = Literal["keep", "mark"]

MARK: Final = "tollbook"
BLOCK_BYTES: Final = 4 << 20

_LOG: Final = logger("azure_blob")


class AzureBlobPlace:
    """The blobs of a container below a prefix."""

    def __init__(
        self,
        client: ContainerClient,
        prefix: str,
        *,
        when_done: WhenDone,
        spool_directory: str,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._when_done = when_done
        self._spool_directory = spool_directory
        # Without the query, in which a signature may stand.
        self._identity = client.url.partition("?")[0]

    @property
    def identity(self) -> str:
        """The container as an address."""
        return self._identity

    @property
    def can_continue(self) -> bool:
        """A container has to be listed whole."""
        return False

    @property
    def announces(self) -> bool:
        """Blobs are found by listing."""
        return False

    def list_after(self, key: str) -> Iterator[DropObject]:
        """Yield the blobs with a greater name, in order."""
        with _told(self._identity):
            for one in self._client.list_blobs(name_starts_with=self._prefix or None):
                if one.name > key and one.etag:
                    modified_at = one.last_modified.astimezone(UTC)
                    yield DropObject(one.name, one.etag.strip('"'), one.size or 0, modified_at)

    def news(self, wait_seconds: float) -> Sequence[DropObject]:
        """Return nothing."""
        del wait_seconds
        return ()

    def forget_news(self) -> None:
        """There was none."""

    def open(self, found: DropObject) -> IO[bytes]:
        """Fetch exactly this version to the local disk."""
        with _told(found.key):
            # Without both, the client would fetch parts of two versions.
            download = self._client.download_blob(
                found.key,
                etag=f'"{found.version}"',
                match_condition=MatchConditions.IfNotModified,
            )
            return spool(download.chunks(), size=found.size, directory=self._spool_directory)

    def mark_done(self, found: DropObject) -> None:
        """Add a tag that says so, for a lifecycle rule to see; tags do not change the version."""
        if self._when_done == "keep":
            return
        blob = self._client.get_blob_client(found.key)
        try:
            with _told(found.key):
                blob.set_blob_tags({**blob.get_blob_tags(), MARK: "done"})
        except Failure as failure:
            # It is on record as done: it is not taken again without its mark.
            _LOG.warning("object_not_marked", object=found.key, reason=str(failure))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what the client raises into what must happen next."""
    try:
        yield
    except exceptions.AzureError as error:
        raise _failure(error, what) from error


def _failure(error: exceptions.AzureError, what: str) -> Failure:
    words = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    code = str(getattr(error, "error_code", "") or "")
    status = getattr(error, "status_code", None) or 0
    if code in {"ContainerNotFound", "AccountNotFound"}:
        return Blocked("capture.no_such_place", f"{what} does not exist ({words}).")
    if isinstance(error, exceptions.ResourceNotFoundError | exceptions.ResourceModifiedError):
        return Rejected("capture.object_gone", f"{what} is gone or was replaced meanwhile.")
    if isinstance(error, exceptions.ClientAuthenticationError) or status in {401, 403}:
        return Blocked("capture.place_denied", f"{what} is denied to us ({words}): allow it.")
    if isinstance(error, exceptions.ServiceRequestError | exceptions.ServiceResponseError):
        return Transient("capture.place_unreachable", f"{what} does not answer ({words}).")
    if status == 429 or status >= 500 or isinstance(error, exceptions.IncompleteReadError):
        return Transient("capture.place_unreachable", f"{what} does not answer ({words}).")
    return Rejected("capture.object_unreadable", f"It cannot be fetched ({words}).")
