"""`tollbook source` on brokers, as a person at a terminal uses it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from door import furnish
from sources.mosquitto import MqttRig, start_mosquitto
from sources.nats_server import NatsRig, start_nats
from sources.pubsub_rig import PubSubRig
from sources.pubsub_server import PubSubServer
from tollbook.cli.source import source
from tollbook.errors import Blocked
from tollbook.sdk.source_conformance import SourceRig, bodies
from tollbook.storage.database import Database


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


@pytest.mark.parametrize("rig", ["nats", "pubsub"], indirect=True)
def test_a_name_that_is_not_there_ends_the_command_with_a_reason(rig: SourceRig, run: Any) -> None:
    name = {"nats": {"stream": "nowhere"}, "pubsub": {"subscription": "projects/p/subscriptions/x"}}

    with pytest.raises(Blocked, match="There is no") as refused:
        run(rig, "run", "usage", "--until-idle", **name[rig.connector])

    assert refused.value.code == "capture.source_missing"
