"""What a bucket has beyond other places: notifications, versions, tags, denials."""

import json
from collections import Counter
from typing import Any

import pytest

from sources.s3.conftest import S3Rig
from tollbook.connectors.s3.notices import named_objects
from tollbook.errors import Blocked, Rejected, Transient
from tollbook.sdk.drops.source import DropSource
from tollbook.sdk.source_conformance import Book, bodies, drain


def ndjson(*numbers: int) -> bytes:
    return b"".join(bodies(1, start=number)[0] + b"\n" for number in numbers)


def taken(source: DropSource, count: int) -> Counter[bytes]:
    book = Book()
    source.open(book.positions_of)
    drain(source, book, count)
    source.close()
    return book.bodies


def test_a_new_object_is_announced_and_taken_without_a_listing(rig: S3Rig) -> None:
    url = rig.announce()
    book = Book()
    source = rig.connect(queue_url=url, poll_seconds="86400")
    source.open(book.positions_of)
    assert list(source.read(records_max=10, wait_seconds=0)) == []

    rig.put_object("a/usage 1+ü.jsonl", ndjson(1))
    drain(source, book, 1)
    source.close()

    assert book.bodies == Counter([ndjson(1).strip()])
    left = rig.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == "0"
    assert left["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_message_that_is_not_understood_is_left_to_its_queue(rig: S3Rig) -> None:
    url = rig.announce()
    rig.sqs.purge_queue(QueueUrl=url)
    rig.sqs.send_message(QueueUrl=url, MessageBody="hello")
    rig.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Event": "s3:TestEvent"}))
    source = rig.connect(queue_url=url, poll_seconds="86400")
    source.open(Book().positions_of)

    for _ in range(3):
        assert list(source.read(records_max=10, wait_seconds=1)) == []
    source.close()

    left = rig.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessagesNotVisible"] == "1"


RECORD = {"s3": {"bucket": {"name": "b"}, "object": {"key": "a%2Bb+c.csv", "versionId": "v"}}}
CREATED = {"Records": [{"eventName": "ObjectCreated:Put", **RECORD}]}


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"Event": "s3:TestEvent", "Bucket": "b"}, []),
        (CREATED, [("b", "a+b c.csv", "v")]),
        ({"Records": [{"eventName": "ObjectRemoved:Delete", **RECORD}]}, []),
        ({"Type": "Notification", "Message": json.dumps(CREATED)}, [("b", "a+b c.csv", "v")]),
        (
            {
                "detail-type": "Object Created",
                "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b.csv"}},
            },
            [("b", "a+b.csv", "")],
        ),
        ({"detail-type": "Object Deleted", "detail": {}}, []),
        ({"Records": [{}]}, None),
        ([1], None),
        ("text", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_messages_name_objects_in_the_forms_that_are_known(
    message: Any, named: list[tuple[str, str, str]] | None
) -> None:
    assert named_objects(json.dumps(message)) == named


def test_a_key_that_sorts_before_what_was_listed_is_found_by_listing_all_again(rig: S3Rig) -> None:
    book = Book()
    source = rig.connect(poll_seconds="0", relist_seconds="0")
    source.open(book.positions_of)
    rig.put_object("m.jsonl", ndjson(1))
    drain(source, book, 1)

    rig.put_object("a.jsonl", ndjson(2))
    drain(source, book, 2)
    source.close()

    assert sum(book.bodies.values()) == 2


def test_a_later_key_is_found_by_listing_on(rig: S3Rig) -> None:
    book = Book()
    source = rig.connect(poll_seconds="0", relist_seconds="86400")
    source.open(book.positions_of)
    rig.put_object("m.jsonl", ndjson(1))
    drain(source, book, 1)

    rig.put_object("a.jsonl", ndjson(2))
    rig.put_object("z.jsonl", ndjson(3))
    drain(source, book, 2)
    source.close()

    assert book.bodies == Counter([ndjson(1).strip(), ndjson(3).strip()])


def test_an_object_that_is_held_is_looked_at_again_when_listing_on(rig: S3Rig) -> None:
    book = Book()
    source = rig.connect(poll_seconds="0", relist_seconds="86400", require_manifest="true")
    source.open(book.positions_of)
    rig.put_object("a.jsonl", ndjson(1))
    rig.put_object("b.jsonl", ndjson(2))
    rig.put_manifest("b.jsonl", {"rows": 1})
    drain(source, book, 1)

    rig.put_manifest("a.jsonl", {"rows": 1})
    drain(source, book, 2)
    source.close()

    assert sum(book.bodies.values()) == 2


def test_every_version_that_a_bucket_kept_is_taken_oldest_first(versioned: S3Rig) -> None:
    for number in (1, 2, 3):
        versioned.put_object("u.jsonl", ndjson(number))
    versioned.put_object("v.jsonl", ndjson(4))
    versioned.client.delete_object(Bucket=versioned.bucket, Key="u.jsonl")
    book = Book()
    source = versioned.connect(versions="all")
    source.open(book.positions_of)

    drain(source, book, 4)
    source.close()

    assert [body for _, body in book.stored] == [ndjson(n).strip() for n in (1, 2, 3, 4)]


def test_only_the_newest_version_is_taken_otherwise(versioned: S3Rig) -> None:
    for number in (1, 2):
        versioned.put_object("u.jsonl", ndjson(number))

    assert taken(versioned.connect(), 1) == Counter([ndjson(2).strip()])


def test_an_object_that_was_taken_gets_its_tag_beside_those_it_has(rig: S3Rig) -> None:
    rig.client.put_object(Bucket=rig.bucket, Key="u.jsonl", Body=ndjson(1), Tagging="team=data")

    taken(rig.connect(when_done="mark"), 1)

    tags = rig.client.get_object_tagging(Bucket=rig.bucket, Key="u.jsonl")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "data", "tollbook": "done"}


def test_only_what_lies_below_the_prefix_and_fits_the_pattern_is_taken(rig: S3Rig) -> None:
    rig.put_object("in/a.jsonl", ndjson(1))
    rig.put_object("in/a.txt", ndjson(2))
    rig.put_object("out/a.jsonl", ndjson(3))

    assert taken(rig.connect(prefix="in/", pattern="*.jsonl"), 1) == Counter([ndjson(1).strip()])


def test_a_bucket_that_is_not_there_blocks_the_source(rig: S3Rig) -> None:
    source = rig.connect(bucket="no-such-bucket")
    source.open(Book().positions_of)

    with pytest.raises(Blocked) as caught:
        source.read(records_max=1, wait_seconds=0)

    assert caught.value.code == "capture.no_such_place"


def test_a_place_that_does_not_answer_is_tried_again_later(rig: S3Rig) -> None:
    source = rig.connect(endpoint="http://127.0.0.1:9")
    source.open(Book().positions_of)

    with pytest.raises(Transient):
        source.read(records_max=1, wait_seconds=0)


def test_a_bucket_must_be_named(rig: S3Rig) -> None:
    with pytest.raises(Rejected, match="bucket is missing"):
        rig.connect(bucket="")
