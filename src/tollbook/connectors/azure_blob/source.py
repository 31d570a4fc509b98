"""Makes a source of a container from its options."""

import importlib
from collections.abc import Mapping
from typing import Any, Final, cast

from azure.storage.blob import ContainerClient

from tollbook.connectors.azure_blob.place import BLOCK_BYTES, AzureBlobPlace, WhenDone
from tollbook.errors import Blocked, Rejected
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rule import read_drop_rule
from tollbook.sdk.drops.source import DropSource
from tollbook.values.clock import Clock

POLL_SECONDS: Final = 15

_CONNECTION: Final[dict[str, Any]] = {
    "connection_timeout": 10,
    "read_timeout": 60,
    "retry_total": 3,
    "max_single_get_size": BLOCK_BYTES,
    "max_chunk_get_size": BLOCK_BYTES,
}


def connect(given: Mapping[str, str], clock: Clock) -> DropSource:
    """Make the source; Rejected when an option is wrong.

    Credentials are one of `connection_string`; `account_url` with `sas_token` or `account_key`;
    `account_url` with `entra = true`, which finds an identity as the vendor's tools do.
    """
    options = Options(given)
    container = options.required("container")
    prefix = options.text("prefix")
    when_done = cast("WhenDone", options.choice("when_done", ("keep", "mark")))
    spool_directory = options.text("spool_directory")
    client = _client(options, container)
    rule = read_drop_rule(options, poll_seconds=POLL_SECONDS)
    options.refuse_others()
    place = AzureBlobPlace(client, prefix, when_done=when_done, spool_directory=spool_directory)
    return DropSource(place, rule, clock)


def _client(options: Options, container: str) -> ContainerClient:
    connection_string = options.text("connection_string")
    account_url = options.text("account_url")
    secret = options.text("sas_token") or options.text("account_key")
    is_entra = options.flag("entra")
    try:
        if connection_string:
            return ContainerClient.from_connection_string(
                connection_string, container, **_CONNECTION
            )
        if not account_url or not (secret or is_entra):
            raise Rejected(
                "config.source_option",
                "The source's options are wrong: give connection_string, or account_url with "
                "sas_token, account_key or entra = true.",
            )
        credential = _entra() if is_entra else secret
        return ContainerClient(account_url, container, credential=credential, **_CONNECTION)
    except ValueError as error:
        raise Rejected(
            "config.source_option", f"The source's options are wrong: {error}."
        ) from error


def _entra() -> Any:
    try:
        identity = importlib.import_module("azure.identity")
    except ImportError as error:
        raise Blocked(
            "config.extra_missing", "An Entra identity needs more: pip install azure-identity."
        ) from error
    return identity.DefaultAzureCredential()
