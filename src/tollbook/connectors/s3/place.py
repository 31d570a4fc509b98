"""A bucket where objects are dropped, of S3 or of what speaks its protocol."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import IO, Any, Final, Literal

from botocore import exceptions

from tollbook.connectors.s3.notices import named_objects
from tollbook.errors import Blocked, Failure, Rejected, Transient
from tollbook.observe.log import logger
from tollbook.sdk.drops.place import DropObject
from tollbook.sdk.drops.spool import spool

# The newest version of each object, or every one that a versioned bucket has kept.
Versions = Literal["latest", "all"]
WhenDone = Literal["keep", "mark"]

MARK: Final = "tollbook"
BLOCK_BYTES: Final = 1 << 20
MESSAGES_MAX: Final = 10
WAIT_SECONDS_MAX: Final = 20

_GONE: Final = frozenset({"404", "412", "NoSuchKey", "NoSuchVersion", "PreconditionFailed"})
_NO_PLACE: Final = frozenset(
    {"NoSuchBucket", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
)
_DENIED: Final = frozenset(
    {
        *("403", "AccessDenied", "AccessDeniedException", "InvalidAccessKeyId", "ExpiredToken"),
        *("SignatureDoesNotMatch", "InvalidToken", "AllAccessDisabled", "InvalidClientTokenId"),
    }
)
_LATER: Final = frozenset(
    {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestTimeTooSkewed"}
)

_LOG: Final = logger("s3")


class S3Place:
    """The objects of a bucket below a prefix; with a queue, also what it announces."""

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str,
        *,
        versions: Versions,
        when_done: WhenDone,
        spool_directory: str,
        queue: "Queue | None" = None,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._versions = versions
        self._when_done = when_done
        self._spool_directory = spool_directory
        self._queue = queue

    @property
    def identity(self) -> str:
        """The bucket as an address."""
        return f"s3://{self._bucket}"

    @property
    def can_continue(self) -> bool:
        """Listing goes on after a key."""
        return True

    @property
    def announces(self) -> bool:
        """Whether a queue tells of new objects."""
        return self._queue is not None

    def list_after(self, key: str) -> Iterator[DropObject]:
        """Yield the objects with a greater key, in order; the versions of one the oldest first."""
        if self._versions == "all":
            yield from self._list_versions(key)
            return
        asked = {"StartAfter": key} if key else {}
        with _told(self.identity):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix, **asked
            )
            for page in pages:
                for one in page.get("Contents", ()):
                    yield _object(one, one["ETag"].strip('"'))

    def news(self, wait_seconds: float) -> Sequence[DropObject]:
        """Return the objects that messages of the queue name and that are there."""
        if self._queue is None:
            return ()
        found = []
        for bucket, key, version in self._queue.receive(wait_seconds):
            if bucket == self._bucket and key.startswith(self._prefix):
                one = self._look_up(key, version)
                found += [one] if one else []
        return found

    def forget_news(self) -> None:
        """Delete the messages that were received."""
        if self._queue is not None:
            self._queue.forget()

    def open(self, found: DropObject) -> IO[bytes]:
        """Fetch exactly this version to the local disk."""
        exactly = (
            {"VersionId": found.version}
            if self._versions == "all"
            else {"IfMatch": f'"{found.version}"'}
        )
        with _told(found.key):
            answer = self._client.get_object(Bucket=self._bucket, Key=found.key, **exactly)
            with contextlib.closing(answer["Body"]) as body:
                blocks = body.iter_chunks(BLOCK_BYTES)
                return spool(blocks, size=found.size, directory=self._spool_directory)

    def mark_done(self, found: DropObject) -> None:
        """Add a tag that says so, for a lifecycle rule to see."""
        if self._when_done == "keep":
            return
        which = {"VersionId": found.version} if self._versions == "all" else {}
        named = {"Bucket": self._bucket, "Key": found.key, **which}
        try:
            with _told(found.key):
                tags = self._client.get_object_tagging(**named)["TagSet"]
                kept = [tag for tag in tags if tag["Key"] != MARK]
                marked = {"TagSet": [*kept, {"Key": MARK, "Value": "done"}]}
                self._client.put_object_tagging(**named, Tagging=marked)
        except Failure as failure:
            # It is on record as done: it is not taken again without its mark.
            _LOG.warning("object_not_marked", object=found.key, reason=str(failure))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()
        if self._queue is not None:
            self._queue.close()

    def _list_versions(self, key: str) -> Iterator[DropObject]:
        asked = {"KeyMarker": key} if key else {}
        of_key: list[DropObject] = []
        with _told(self.identity):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=self._prefix, **asked
            )
            for page in pages:
                for one in page.get("Versions", ()):
                    if of_key and of_key[0].key != one["Key"]:
                        yield from reversed(of_key)
                        of_key = []
                    of_key.append(_object(one, one["VersionId"]))
            yield from reversed(of_key)

    def _look_up(self, key: str, version: str) -> DropObject | None:
        which = {"VersionId": version} if self._versions == "all" and version else {}
        try:
            with _told(key):
                head = self._client.head_object(Bucket=self._bucket, Key=key, **which)
        except Rejected:
            return None
        found = {"Key": key, "Size": head["ContentLength"], "LastModified": head["LastModified"]}
        if self._versions == "all":
            return _object(found, head.get("VersionId", "null"))
        return _object(found, head["ETag"].strip('"'))


class Queue:
    """Messages of SQS about new objects; a message that is not understood is left to its queue."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url
        self._received: list[str] = []

    def receive(self, wait_seconds: float) -> Iterator[tuple[str, str, str]]:
        """Yield (bucket, key, version) of what the next messages name."""
        with _told(self._url):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=MESSAGES_MAX,
                WaitTimeSeconds=min(int(wait_seconds), WAIT_SECONDS_MAX),
            )
        for message in answer.get("Messages", ()):
            named = named_objects(message["Body"])
            if named is None:
                _LOG.warning("notice_unreadable", message=message["MessageId"])
                continue
            self._received.append(message["ReceiptHandle"])
            yield from named

    def forget(self) -> None:
        """Delete what was received and understood."""
        if not self._received:
            return
        with _told(self._url):
            self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(at), "ReceiptHandle": handle}
                    for at, handle in enumerate(self._received)
                ],
            )
        self._received.clear()

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _object(told: Mapping[str, Any], version: str) -> DropObject:
    return DropObject(told["Key"], version, told["Size"], told["LastModified"].astimezone(UTC))


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what the client raises into what must happen next."""
    try:
        yield
    except exceptions.ClientError as error:
        raise _failure(error, what) from error
    except exceptions.NoCredentialsError as error:
        raise Blocked("capture.place_denied", f"{what}: {error}.") from error
    except (exceptions.BotoCoreError, exceptions.HTTPClientError) as error:
        raise Transient("capture.place_unreachable", f"{what} does not answer: {error}.") from error


def _failure(error: exceptions.ClientError, what: str) -> Failure:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NO_PLACE:
        return Blocked("capture.no_such_place", f"{what} does not exist ({error}).")
    if code in _GONE:
        return Rejected("capture.object_gone", f"{what} is gone or was replaced meanwhile.")
    if code in _DENIED:
        return Blocked("capture.place_denied", f"{what} is denied to us ({error}): allow it.")
    if code in _LATER or status >= 500:
        return Transient("capture.place_unreachable", f"{what} does not answer ({error}).")
    return Rejected("capture.object_unreadable", f"It cannot be fetched ({error}).")
