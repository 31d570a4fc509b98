"""Moto's server for the session: S3 and SQS over HTTP; a bucket of its own for each test."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from source_consumer import NAME
from tollbook.connectors.s3.source import connect
from tollbook.runtime.object_register import ObjectRegister
from tollbook.sdk.drops.source import DropSource
from tollbook.storage.database import Database
from tollbook.values.clock import SystemClock

_NUMBERS = itertools.count(1)
ACCESS = {"region": "us-east-1", "access_key": "test", "secret_key": "test"}


class S3Rig:
    """A bucket with a queue that its notifications go to; each write is an object of its own."""

    connector = "s3"

    def __init__(self, address: str, database: Database, *, is_versioned: bool = False) -> None:
        self.bucket = f"usage-{next(_NUMBERS)}"
        self.client: Any = self._client("s3", address)
        self.sqs: Any = self._client("sqs", address)
        self._database = database
        self._objects = itertools.count(1)
        self.client.create_bucket(Bucket=self.bucket)
        if is_versioned:
            self.client.put_bucket_versioning(
                Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
            )
        self.options: Mapping[str, str] = {
            **ACCESS,
            "bucket": self.bucket,
            "endpoint": address,
            "queue_endpoint": address,
            "poll_seconds": "1",
        }

    @staticmethod
    def _client(service: str, address: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def announce(self) -> str:
        """Let the bucket announce new objects to a new queue, and return the queue's address."""
        url: str = self.sqs.create_queue(QueueName=self.bucket)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        self.client.put_bucket_notification_configuration(
            Bucket=self.bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": arn["Attributes"]["QueueArn"],
                        "Events": ["s3:ObjectCreated:*"],
                    }
                ]
            },
        )
        return url

    def put(self, bodies: Sequence[bytes]) -> None:
        """Write an object."""
        self.put_object(
            f"usage-{next(self._objects):04}.jsonl", b"".join(body + b"\n" for body in bodies)
        )

    def put_object(self, key: str, content: bytes) -> None:
        """Write an object under a name."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_manifest(self, key: str, said: Mapping[str, Any]) -> None:
        """Write what is said of an object."""
        self.put_object(f"{key}.manifest.json", json.dumps(said).encode())

    def connect(self, **options: str) -> DropSource:
        """Make a reader."""
        source = connect({**self.options, **options}, SystemClock())
        source.use_register(ObjectRegister(NAME, self._database, SystemClock()))
        return source

    def put_poison(self) -> bytes:
        """Write a line that is no JSON."""
        self.put([b"\x80 no event"])
        return b"\x80 no event"


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """Start the server on a free port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def rig(s3_address: str, database: Database) -> S3Rig:
    """Give an empty bucket."""
    return S3Rig(s3_address, database)


@pytest.fixture
def versioned(s3_address: str, database: Database) -> S3Rig:
    """Give an empty bucket that keeps every version."""
    return S3Rig(s3_address, database, is_versioned=True)
