"""The worklist: one item a cause, closed by what removed the cause."""

from datetime import UTC, datetime

from tollbook.storage.database import Connection, Database
from tollbook.worklist.codes import CODES
from tollbook.worklist.store import clear_object, list_items, objects_of, open_item

AT = datetime(2023, 12, 1, 9, tzinfo=UTC)
CODE = "capture.malformed_json"


def put(connection: Connection, cause: str, *objects: str) -> str:
    return open_item(
        connection, code=CODE, cause=cause, message="A sentence.", objects=objects, at=AT
    )


def test_one_cause_is_one_item_with_many_objects(database: Database) -> None:
    with database.transaction() as connection:
        first = put(connection, "feed-a", "qua_1", "qua_2")
        again = put(connection, "feed-a", "qua_2", "qua_3")
        other = put(connection, "feed-b", "qua_4")
        items = list_items(connection)
        objects = objects_of(connection, first)

    assert first == again != other
    assert {item.work_item_id: item.object_count for item in items} == {first: 3, other: 1}
    assert objects == ["qua_1", "qua_2", "qua_3"]


def test_an_item_is_resolved_when_its_last_object_gets_through(database: Database) -> None:
    with database.transaction() as connection:
        item = put(connection, "feed-a", "qua_1", "qua_2")
        after_one = clear_object(connection, "qua_1", by="ann", resolution="replayed", at=AT)
        after_two = clear_object(connection, "qua_2", by="ann", resolution="replayed", at=AT)
        (resolved,) = list_items(connection, state="resolved")

    assert after_one == []
    assert after_two == [item]
    assert (resolved.resolved_by, resolved.resolution) == ("ann", "replayed")


def test_a_cause_that_comes_back_reopens_its_item(database: Database) -> None:
    with database.transaction() as connection:
        item = put(connection, "feed-a", "qua_1")
        clear_object(connection, "qua_1", by="ann", resolution="replayed", at=AT)
        again = put(connection, "feed-a", "qua_9")
        (open_again,) = list_items(connection)

    assert again == item == open_again.work_item_id
    assert open_again.resolution is None


def test_every_code_names_its_stage_and_says_what_to_do() -> None:
    for code, routing in CODES.items():
        assert code == routing.code
        assert code.partition(".")[0] == routing.stage
        assert routing.owner in {"finance", "billing", "engineering"}
        assert routing.action.endswith(".")
