"""Speaks with Pub/Sub: every call has a time limit, and every answer becomes one of our failures."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import grpc
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud.pubsub_v1 import SubscriberClient
from google.oauth2.service_account import Credentials
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PullResponse

from tollbook.connectors.pubsub.settings import PubSubSettings
from tollbook.errors import Blocked, Rejected, Transient

PULL_SECONDS: Final = 30.0
CALL_SECONDS: Final = 15.0
# A request may have 512 KiB; an ack id is about 200 bytes long.
IDS_MAX: Final = 1_000
ATTEMPTS_MAX: Final = 3
SCOPE: Final = "https://www.googleapis.com/auth/pubsub"

_TRANSIENT: Final = "TRANSIENT_"


class PubSubClient:
    """One subscription over one channel; its calls may come from several threads."""

    def __init__(self, settings: PubSubSettings) -> None:
        self._subscription = settings.subscription
        self._client = _connect(settings)

    def pull(self, count: int) -> Sequence[Any]:
        """Return received messages, some or none, waiting a while for the first."""
        try:
            response = self._client.pull(
                subscription=self._subscription,
                max_messages=min(count, IDS_MAX),
                timeout=PULL_SECONDS,
                retry=None,
            )
        except exceptions.DeadlineExceeded:
            return ()
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            raise self._failure(error) from error
        received: Sequence[Any] = PullResponse.pb(response).received_messages
        return received

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        """Say that messages are stored.

        Where Pub/Sub delivers exactly once it answers for each: what failed for the moment is said
        again; what failed for good is delivered again, and found to be a duplicate then.
        """
        for some in _slices(ack_ids):
            left = some
            for _ in range(ATTEMPTS_MAX):
                left = self._acknowledge(left)
                if not left:
                    break

    def extend(self, ack_ids: Sequence[str], *, seconds: int) -> None:
        """Move the deadline of messages to some seconds from now; 0 has them delivered again."""
        for some in _slices(ack_ids):
            try:
                self._client.modify_ack_deadline(
                    subscription=self._subscription,
                    ack_ids=some,
                    ack_deadline_seconds=seconds,
                    timeout=CALL_SECONDS,
                    retry=None,
                )
            except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
                # An answer that blames single ids did move the deadlines of the others.
                if not _blamed(error):
                    raise self._failure(error) from error

    def close(self) -> None:
        """Close the channel; a pull that still waits ends."""
        self._client.close()

    def _acknowledge(self, ack_ids: Sequence[str]) -> Sequence[str]:
        try:
            self._client.acknowledge(
                subscription=self._subscription, ack_ids=ack_ids, timeout=CALL_SECONDS, retry=None
            )
        except (exceptions.GoogleAPICallError, GoogleAuthError) as error:
            blamed = _blamed(error)
            if not blamed:
                raise self._failure(error) from error
            return [one for one in ack_ids if blamed.get(one, "").startswith(_TRANSIENT)]
        return ()

    def _failure(self, error: Exception) -> Blocked | Transient:
        match error:
            case exceptions.NotFound():
                words = f"There is no subscription {self._subscription}."
                return Blocked("capture.source_missing", words)
            case exceptions.Forbidden() | exceptions.Unauthorized() | GoogleAuthError():
                words = f"Pub/Sub does not let us read {self._subscription}: {_words(error)}."
                return Blocked("capture.source_denied", words)
            case exceptions.BadRequest():
                words = f"Pub/Sub refuses to give {self._subscription}: {_words(error)}."
                return Blocked("capture.source_unfit", words)
            case _:
                words = f"Pub/Sub does not answer: {_words(error)}."
                return Transient("capture.source_unreachable", words)


def _connect(settings: PubSubSettings) -> SubscriberClient:
    if settings.is_insecure:
        channel = grpc.insecure_channel(settings.endpoint)
        return SubscriberClient(
            transport=SubscriberGrpcTransport(host=settings.endpoint, channel=channel)
        )
    options = {"api_endpoint": settings.endpoint} if settings.endpoint else None
    try:
        return SubscriberClient(credentials=_credentials(settings), client_options=options)
    except DefaultCredentialsError as error:
        raise Blocked(
            "capture.source_denied",
            "No Google credentials were found: say credentials_file or credentials_env, or set up "
            "the environment's own.",
        ) from error


def _credentials(settings: PubSubSettings) -> Credentials | None:
    try:
        if settings.credentials_file:
            return Credentials.from_service_account_file(settings.credentials_file, scopes=[SCOPE])  # type: ignore[no-untyped-call,no-any-return]
        if settings.credentials:
            key = json.loads(settings.credentials)
            return Credentials.from_service_account_info(key, scopes=[SCOPE])  # type: ignore[no-untyped-call,no-any-return]
    except (ValueError, GoogleAuthError) as error:
        raise Rejected(
            "config.option_malformed", "The credentials are no service account key of Google."
        ) from error
    return None


def _blamed(error: Exception) -> dict[str, str]:
    """Return what an answer says about single ack ids, for a subscription that delivers once."""
    if not isinstance(error, exceptions.GoogleAPICallError):
        return {}
    return {
        key: value for key, value in (error.metadata or {}).items() if "_FAILURE_" in str(value)
    }


def _slices(ack_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ack_ids), IDS_MAX):
        yield ack_ids[start : start + IDS_MAX]


def _words(error: Exception) -> str:
    words = error.message if isinstance(error, exceptions.GoogleAPICallError) else str(error)
    return (str(words).splitlines() or ["no reason given"])[0].rstrip(".")
