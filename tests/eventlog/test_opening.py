"""One setting names the log."""

import socket
from pathlib import Path

import pytest

from eventlog.log import NewRecord
from eventlog.opening import open_log
from schemas.errors import Unusable
from schemas.topics import TRIGGERS
from tests import kafka_broker


async def test_a_relative_path_is_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    log = await open_log("sqlite:///data/log.db")
    await log.close()

    assert (tmp_path / "data" / "log.db").is_file()


async def test_an_absolute_path_and_its_folders_are_made_for_the_owner_alone(
    tmp_path: Path,
) -> None:
    log = await open_log(f"sqlite:///{tmp_path}/a/b/log.db")
    await log.append([NewRecord("triggers", "endpoint", b"")])
    await log.close()

    assert {(tmp_path / folder).stat().st_mode & 0o777 for folder in ("a", "a/b")} == {0o700}
    assert log.partitions(TRIGGERS) == 1


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(Unusable, match=rf"folder {tmp_path}/file/a cannot be made"):
        await open_log(f"sqlite:///{tmp_path}/file/a/log.db")
    with pytest.raises(Unusable, match=rf"{tmp_path}/file is not a folder"):
        await open_log(f"sqlite:///{tmp_path}/file/log.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "log.db",
        "sqlite://log.db",
        "sqlite:///",
        "postgres://host/log",
        "kafka://",
        "kafka://host",
        "kafka://host:port",
        "kafka://host:0",
        "kafka://host:9092,",
        "kafka://:9092",
    ],
)
async def test_anything_else_is_refused_with_its_value(url: str) -> None:
    with pytest.raises(Unusable, match=r"is neither sqlite:///PATH nor kafka://HOST:PORT") as error:
        await open_log(url)
    assert repr(url) in str(error.value)


async def test_a_broker_that_is_not_there_is_named_in_one_sentence() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"

        with pytest.raises(Unusable, match=rf"^Kafka at {address} cannot be used: [^\n]+$"):
            await open_log(f"kafka://{address}")


@pytest.mark.parametrize("name", ["two words", "a/b", "n" * 101, "é", "?x=1"])
async def test_a_name_that_kafka_would_not_take_is_refused_with_its_value(name: str) -> None:
    with pytest.raises(Unusable, match="letters, digits") as error:
        await open_log(f"kafka://127.0.0.1:9/{name}")
    assert repr(name) in str(error.value)


@pytest.mark.kafka
async def test_two_names_on_one_cluster_are_two_logs(kafka_bootstrap: str) -> None:
    urls = [kafka_broker.fresh_log_url(kafka_bootstrap) for _ in range(2)]
    one, other = [await open_log(url) for url in urls]
    [there] = await one.append([NewRecord("triggers", "endpoint", b"kept")])
    again = await open_log(urls[0])

    assert [r.value for r in await again.read(TRIGGERS, there.partition, 0)] == [b"kept"]
    assert await other.marks(TRIGGERS, there.partition) == (0, 0)
    for log in (one, other, again):
        await log.close()
