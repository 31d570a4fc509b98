"""A real Apache Kafka, fetched by Maven and run for the session; else librdkafka's mock cluster."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

POM = Path(__file__).parent / "sources" / "kafka" / "pom.xml"
FETCH_SECONDS = 600
START_SECONDS = 90
# The mock cluster makes every topic with four and forgets what is beyond 5 MB of a partition.
PARTITIONS = 4

Headers = Sequence[tuple[str, bytes]]

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},SASL://127.0.0.1:{sasl}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required user_reader="{password}";
log.dirs={data}
num.partitions={partitions}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""
SASL_USER, SASL_PASSWORD = "reader", "only-in-this-test"


@dataclass(frozen=True)
class Broker:
    """A cluster to read from; `kind` says which, `sasl` is its address that asks for a password."""

    kind: Literal["Apache Kafka", "mock cluster"]
    address: str
    sasl: str = ""
    pid: int = 0

    def make_topic(self, name: str, *, partitions: int = PARTITIONS) -> None:
        """Make a topic; the mock cluster makes its own, with four partitions."""
        if self.kind == "mock cluster":
            producer = Producer({"bootstrap.servers": self.address})
            producer.list_topics(name, timeout=10)
            return
        admin = AdminClient({"bootstrap.servers": self.address})
        for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            made.result(30)

    def delete_topic(self, name: str) -> None:
        """Delete a topic of the real broker and wait until it is gone."""
        admin = AdminClient({"bootstrap.servers": self.address})
        for deleted in admin.delete_topics([name]).values():
            deleted.result(30)

    def add_partitions(self, name: str, total: int) -> None:
        """Let a topic of the real broker have more partitions."""
        admin = AdminClient({"bootstrap.servers": self.address})
        for done in admin.create_partitions([NewPartitions(name, total)]).values():
            done.result(30)

    def put(
        self,
        topic: str,
        bodies: Sequence[bytes],
        *,
        partition: int | None = None,
        headers: Headers | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Write messages and wait until the broker has them all; in turn over partitions 0 to 3."""
        failed: list[str] = []
        producer = Producer(
            {"bootstrap.servers": self.address, "enable.idempotence": True, "linger.ms": 5}
            | dict(settings or {})
        )
        for number, body in enumerate(bodies):
            chosen = number % PARTITIONS if partition is None else partition
            while True:
                try:
                    producer.produce(
                        topic,
                        body,
                        partition=chosen,
                        headers=list(headers) if headers else None,
                        on_delivery=lambda error, _: failed.append(str(error)) if error else None,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60) == 0
        assert failed == []


def fetch_classpath() -> str:
    """Let Maven fetch the broker and return its class path; empty without Java and Maven."""
    maven = shutil.which("mvn")
    if maven is None or shutil.which("java") is None:
        return ""
    target = POM.parent / "target" / "classpath.txt"
    command = [maven, "-B", "-q", "-f", str(POM), "dependency:build-classpath"]
    command.append(f"-Dmdep.outputFile={target}")
    # What is here already is not asked for again, so that it also works without a network.
    for offline in (["-o"], []):
        done = subprocess.run(
            [*command, *offline], capture_output=True, timeout=FETCH_SECONDS, check=False
        )
        if done.returncode == 0:
            return target.read_text()
    return ""


@contextmanager
def running(directory: Path) -> Iterator[Broker]:
    """Run a broker while the block runs."""
    classpath = fetch_classpath()
    if classpath:
        with _apache_kafka(classpath, directory) as broker:
            yield broker
    else:
        with _mock_cluster() as broker:
            yield broker


@contextmanager
def _apache_kafka(classpath: str, directory: Path) -> Iterator[Broker]:
    port, controller, sasl = _free_ports(3)
    properties = directory / "server.properties"
    properties.write_text(
        _PROPERTIES.format(
            port=port,
            controller=controller,
            sasl=sasl,
            data=directory / "data",
            partitions=PARTITIONS,
            password=SASL_PASSWORD,
        )
    )
    java = ["java", "-Xmx512m", "-Xms256m", "-XX:+UseSerialGC", "-cp", classpath]
    subprocess.run(
        [
            *java,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "dG9sbGJvb2sgdGVzdHMgIQ",
            "-c",
            properties,
        ],
        check=True,
        capture_output=True,
    )
    with (directory / "broker.log").open("wb") as log:
        process = subprocess.Popen(
            [*java, "kafka.Kafka", properties], stdout=log, stderr=log, start_new_session=True
        )
        try:
            address = f"127.0.0.1:{port}"
            _wait_for(address, process)
            yield Broker("Apache Kafka", address, f"127.0.0.1:{sasl}", process.pid)
        finally:
            process.kill()
            process.wait()


@contextmanager
def _mock_cluster() -> Iterator[Broker]:
    host = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
    brokers = host.list_topics(timeout=10).brokers.values()
    yield Broker("mock cluster", ",".join(f"{one.host}:{one.port}" for one in brokers))
    host.flush()


def _wait_for(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    while time.monotonic() < deadline:
        assert process.poll() is None, "the broker ended"
        try:
            admin.list_topics(timeout=2)
        except KafkaException:
            continue
        return
    raise AssertionError("the broker never answered")


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Give a broker for the session."""
    with running(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker
