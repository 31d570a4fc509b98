"""What Azure Blob Storage has beyond other places: its credentials, tags and denials."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from sources.azure_blob.conftest import ACCOUNT, KEY, BlobRig
from tollbook.errors import Blocked, Rejected, Transient
from tollbook.sdk.drops.source import DropSource
from tollbook.sdk.source_conformance import Book, bodies, drain


def taken(source: DropSource, count: int) -> Counter[bytes]:
    book = Book()
    source.open(book.positions_of)
    drain(source, book, count)
    source.close()
    return book.bodies


def signature(rig: BlobRig, **allowed: bool) -> str:
    return generate_container_sas(
        ACCOUNT,
        rig.name,
        account_key=KEY,
        permission=ContainerSasPermissions(**allowed),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )


def test_a_signature_opens_the_container(rig: BlobRig) -> None:
    rig.put(bodies(2))

    source = rig.connect(
        account_url=rig.account_url,
        sas_token=signature(rig, read=True, list=True),
        container=rig.name,
    )

    assert taken(source, 2) == Counter(bodies(2))


def test_a_signature_that_may_not_list_blocks_the_source(rig: BlobRig) -> None:
    source = rig.connect(
        account_url=rig.account_url, sas_token=signature(rig, read=True), container=rig.name
    )
    source.open(Book().positions_of)

    with pytest.raises(Blocked) as caught:
        source.read(records_max=1, wait_seconds=0)

    assert caught.value.code == "capture.place_denied"
    assert "sig=" not in str(caught.value)


def test_a_container_that_is_not_there_blocks_the_source(rig: BlobRig) -> None:
    source = rig.connect(**{**rig.options, "container": "nowhere"})
    source.open(Book().positions_of)

    with pytest.raises(Blocked) as caught:
        source.read(records_max=1, wait_seconds=0)

    assert caught.value.code == "capture.no_such_place"


def test_a_blob_that_was_taken_gets_its_tag_and_is_not_taken_again(rig: BlobRig) -> None:
    rig.put(bodies(1))
    options = {**rig.options, "when_done": "mark"}
    taken(rig.connect(**options), 1)

    again = rig.connect(**options)
    again.open(Book().positions_of)

    assert list(again.read(records_max=1, wait_seconds=0)) == []
    again.close()
    blob = rig.container.get_blob_client("usage-0001.jsonl")
    assert blob.get_blob_tags() == {"tollbook": "done"}


def test_a_blob_larger_than_one_answer_is_fetched_whole(rig: BlobRig) -> None:
    rig.put(bodies(60_000))

    assert sum(taken(rig.connect(), 60_000).values()) == 60_000


def test_an_account_that_does_not_answer_is_tried_again_later(rig: BlobRig) -> None:
    source = rig.connect(
        account_url="http://127.0.0.1:9/devstoreaccount1", account_key=KEY, container=rig.name
    )
    source.open(Book().positions_of)

    with pytest.raises(Transient):
        source.read(records_max=1, wait_seconds=0)


@pytest.mark.parametrize(
    "options",
    [{"container": "c"}, {"container": "c", "connection_string": "nonsense"}, {}],
    ids=str,
)
def test_credentials_and_container_must_be_given(rig: BlobRig, options: dict[str, str]) -> None:
    with pytest.raises(Rejected, match="options are wrong"):
        rig.connect(**(options or {"account_url": "http://127.0.0.1:9/x"}))
