"""A worker reads what is configured, each source on its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from kafka_rig import KafkaRig
from source_street import GIVE_UP_SECONDS, Street, eventually
from tollbook.flow.capture.sources import store
from tollbook.sdk.source_conformance import bodies


def test_a_worker_reads_one_source_while_another_is_in_trouble(
    rig: KafkaRig, street: Street, tmp_path: Path
) -> None:
    options = "\n".join(f'"{name}" = "{value}"' for name, value in rig.options.items())
    (tmp_path / "tollbook.toml").write_text(
        f'[sources.good]\nconnector = "kafka"\n{options}\n'
        '[sources.bad]\nconnector = "kafka"\ntopics = "usage"\n'
    )
    environment = os.environ | {"TOLLBOOK_HOME": str(tmp_path), "DATABASE_URL": street.database.dsn}
    rig.put(bodies(100))

    worker = subprocess.Popen(
        [sys.executable, "-m", "tollbook.cli", "worker"], env=environment, cwd=tmp_path
    )
    try:
        eventually(lambda: len(street.numbers()) == 100)
        rig.put(bodies(100, start=100))
        eventually(lambda: len(street.numbers()) == 200)
        eventually(lambda: states(street) == {"good": "reading", "bad": "failing"})
        worker.send_signal(signal.SIGTERM)
        ended = worker.wait(GIVE_UP_SECONDS)
    finally:
        worker.kill()
        worker.wait()

    assert ended == 0
    assert street.numbers() == list(range(200))
    assert states(street) == {"good": "ended", "bad": "ended"}
    with street.database.transaction() as connection:
        codes = {one.source: one.code for one in store.list_reports(connection)}
    assert codes == {"good": "", "bad": "config.option_missing"}


def states(street: Street) -> dict[str, str]:
    with street.database.transaction() as connection:
        return {one.source: one.state for one in store.list_reports(connection)}
