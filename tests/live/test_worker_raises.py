"""A real worker raises a threshold within seconds of the usage, also when it is killed on the way."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api_client import EVENT, event
from live.watched import documents
from up import Up, eventually


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    tmp_path.chmod(0o755)
    up = Up(tmp_path)
    up.start()
    yield up
    if up.is_running():
        up.end(signal.SIGTERM)
    up.call_command("down")


def test_a_killed_worker_raises_a_threshold_once(up: Up) -> None:
    status, answer = up.call("POST", "/v1/master-data/apply", documents())
    assert status == 200, answer
    first = raised(up)
    for number in range(1, 21):
        data = {"model": "m", "tokens": 1_000_000}
        at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        sent = event(number, data=data, time=at)
        assert up.call("POST", "/v1/events", sent, **EVENT)[0] == 200
        if number in {8, 14}:
            eventually(lambda: "worker" in up.pids(), what="a worker")
            os.kill(up.pids()["worker"], signal.SIGKILL)

    eventually(lambda: "stop" in raised(up), what="the thresholds of 70 USD; " + up.log()[-2000:])
    second = raised(up)

    assert first == []
    assert sorted(set(second)) == sorted(second)
    assert {"twenty", "stop", "half"} <= set(second)
    eventually(lambda: state(up) == "blocked", what="blocked")


def raised(up: Up) -> list[str]:
    status, answer = up.call("GET", "/v1/alerts?customer=ada")
    return [one["alert_id"] for one in json.loads(answer)["items"]] if status == 200 else []


def state(up: Up) -> Any:
    status, answer = up.call("GET", "/v1/customers/ada/credit-control")
    return json.loads(answer)["state"] if status == 200 else None
