"""Makes a source of a bucket from its options."""

from collections.abc import Mapping
from typing import Any, Final, cast

import boto3
from botocore.config import Config

from tollbook.connectors.s3.place import Queue, S3Place, Versions, WhenDone
from tollbook.sdk.drops.options import Options
from tollbook.sdk.drops.rule import read_drop_rule
from tollbook.sdk.drops.source import DropSource
from tollbook.values.clock import Clock

POLL_SECONDS: Final = 15

_CONFIG: Final = Config(
    connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 4}
)


def connect(given: Mapping[str, str], clock: Clock) -> DropSource:
    """Make the source; Rejected when an option is wrong.

    Without `access_key` the client finds credentials as the vendor's tools do: profile, role.
    """
    options = Options(given)
    bucket = options.required("bucket")
    prefix = options.text("prefix")
    session: dict[str, Any] = {
        "region_name": options.text("region") or None,
        "aws_access_key_id": options.text("access_key") or None,
        "aws_secret_access_key": options.text("secret_key") or None,
        "aws_session_token": options.text("session_token") or None,
    }
    endpoint = options.text("endpoint") or None
    queue_url = options.text("queue_url")
    queue_endpoint = options.text("queue_endpoint") or None
    versions = cast("Versions", options.choice("versions", ("latest", "all")))
    when_done = cast("WhenDone", options.choice("when_done", ("keep", "mark")))
    spool_directory = options.text("spool_directory")
    rule = read_drop_rule(options, poll_seconds=POLL_SECONDS)
    options.refuse_others()
    made = boto3.session.Session(**session)
    queue = None
    if queue_url:
        queue = Queue(made.client("sqs", endpoint_url=queue_endpoint, config=_CONFIG), queue_url)
    place = S3Place(
        made.client("s3", endpoint_url=endpoint, config=_CONFIG),
        bucket,
        prefix,
        versions=versions,
        when_done=when_done,
        spool_directory=spool_directory,
        queue=queue,
    )
    return DropSource(place, rule, clock)
