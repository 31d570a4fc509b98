"""`tollbook source` on brokers, as a person at a terminal uses it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from door import furnish
from sources.mosquitto import MqttRig, device, publish, start_mosquitto
from sources.nats_server import NatsRig, start_nats
from sources.pubsub_rig import PubSubRig
from sources.pubsub_server import PubSubServer
from tollbook.cli.source import source
from tollbook.errors import Blocked
from tollbook.masterdata.step import apply_plan, plan_documents
from tollbook.sdk.source_conformance import SourceRig, bodies
from tollbook.storage.database import Database

AT = datetime(2023, 12, 1, tzinfo=UTC)
METERS: dict[str, Any] = {
    "id": "meters",
    "input": "json",
    "event": {
        "type": "llm.request",
        "source": {"template": "meter/{meta.device}"},
        "id": "$.n",
        "subject": "cus_001",
        "time": "$.at",
        "data": {
            "model": "m",
            "region": "us",
            "input_tokens": {"path": "$.tokens", "as": "integer"},
            "output_tokens": {"path": "$.tokens", "as": "integer"},
        },
    },
}


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Give the broker that the test names, until it ends."""
    if request.param == "pubsub":
        server = PubSubServer()
        server.start()
        yield PubSubRig(server.port, "commands")
        server.stop()
        return
    start, make = {"mqtt": (start_mosquitto, MqttRig), "nats": (start_nats, NatsRig)}[request.param]
    broker = start(tmp_path)
    yield make(broker.port, "commands")
    broker.stop()


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that runs `tollbook source ...` with a source of a rig."""
    furnish(database)
    monkeypatch.setenv("DATABASE_URL", database.dsn)
    monkeypatch.setenv("TOLLBOOK_HOME", str(tmp_path))

    def command(rig: SourceRig, *arguments: str, **changes: str) -> str:
        options = {"connector": rig.connector, **rig.options, **changes}
        lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
        (tmp_path / "tollbook.toml").write_text("\n".join(["[sources.usage]", *lines]))
        result = CliRunner().invoke(source, arguments)
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return command


@pytest.mark.parametrize("rig", ["mqtt", "nats", "pubsub"], indirect=True)
def test_a_broker_is_read_until_nothing_waits(rig: SourceRig, run: Any) -> None:
    rig.put(bodies(30))
    rig.put(bodies(10))
    rig.put_poison()

    pumped = json.loads(run(rig, "run", "usage", "--until-idle", "--json"))
    [shown] = json.loads(run(rig, "list", "--json"))

    assert pumped["accepted"] == 30
    assert pumped["duplicate"] == 10
    assert pumped["rejected"] == 1
    assert (shown["connector"], shown["records"]) == (rig.connector, 41)


@pytest.mark.parametrize("rig", ["mqtt"], indirect=True)
def test_a_device_that_knows_no_events_is_read_by_a_mapping_with_an_id_recipe(
    rig: MqttRig, run: Any, database: Database
) -> None:
    with database.transaction() as connection:
        planned = plan_documents(connection, {"source_mappings": [METERS]}, AT)
        assert planned.problems == ()
        apply_plan(connection, planned, by="ann", reason="a test", at=AT)
    readings = [b'{"n": %d, "at": "2023-11-16T18:00:00Z", "tokens": 7}' % n for n in range(30)]
    with device(rig.port) as client:
        for reading in [*readings, *readings[:10], b'{"n": 99}']:
            publish(client, rig.topic, reading)

    options = {"mapping": "meters", "topic_levels": "site/{device}/usage"}
    pumped = json.loads(run(rig, "run", "usage", "--until-idle", "--json", **options))

    assert {name: pumped[name] for name in ("accepted", "duplicate", "rejected")} == {
        "accepted": 30,
        "duplicate": 10,  # the device sent them again, under other packet ids
        "rejected": 1,
    }
    with database.transaction() as connection:
        row = connection.execute("select distinct source from usage_event").fetchall()
    assert row == [("meter/meter-7",)]


@pytest.mark.parametrize("rig", ["nats", "pubsub"], indirect=True)
def test_a_name_that_is_not_there_ends_the_command_with_a_reason(rig: SourceRig, run: Any) -> None:
    name = {"nats": {"stream": "nowhere"}, "pubsub": {"subscription": "projects/p/subscriptions/x"}}

    with pytest.raises(Blocked, match="There is no") as refused:
        run(rig, "run", "usage", "--until-idle", **name[rig.connector])

    assert refused.value.code == "capture.source_missing"
