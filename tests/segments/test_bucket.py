"""Sealed days in an S3-compatible bucket: moto stands for it."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from meter.company import Company
from segments.test_proof import broken
from segments.test_sealing import seal
from tollbook.errors import Blocked
from tollbook.flow.meter.store import recount
from tollbook.storage.database import Database

BUCKET = "days"

pytestmark = pytest.mark.usefixtures("bucket")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield
    server.stop()


@pytest.fixture
def company(dsn: str, tmp_path: Path) -> Iterator[Company]:
    session = {
        "tollbook.archive": f"s3://{BUCKET}/tollbook/prod",
        "tollbook.archive_cache": str(tmp_path / "cache"),
    }
    database = Database(dsn, session=session)
    company = Company(database)
    company.use({"tokens": 5}, {"tokens": 6})
    company.meter()
    yield company
    database.close()


def test_a_day_is_sealed_into_a_bucket_and_counted_from_it(company: Company) -> None:
    [usage] = company.usages()
    [segment] = seal(company)

    [found] = boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    with company.database.transaction() as connection:
        counted = recount(connection, usage)

    assert found["Key"] == f"tollbook/prod/{segment.path}"
    assert found["Size"] == segment.bytes
    assert (counted.quantity, counted.digest) == (usage.quantity, usage.digest)
    assert broken(company) == {}


def test_an_object_that_was_altered_is_not_counted(company: Company, tmp_path: Path) -> None:
    [usage] = company.usages()
    [segment] = seal(company)
    body = b"x" * segment.bytes
    client = boto3.client("s3")
    client.put_object(Bucket=BUCKET, Key=f"tollbook/prod/{segment.path}", Body=body)
    (tmp_path / "cache" / segment.path).unlink(missing_ok=True)

    with company.database.transaction() as connection, pytest.raises(Blocked) as refused:
        recount(connection, usage)

    assert refused.value.code == "capture.segment_altered"
