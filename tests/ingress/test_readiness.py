"""A full disk: everyone is told, nothing acknowledged is lost, and all goes on afterwards."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingress import readiness
from schemas.topics import REPLIES
from tests.ingress.serving import Served, served

LARGE = bytes(1_000_000)


@contextmanager
def full_disk(log_file: Path) -> Iterator[None]:
    """No file of this process can grow above what is written of the log now."""
    written = log_file.with_name(f"{log_file.name}-wal").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_on_a_full_disk_all_are_refused_and_the_node_is_not_ready_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    async with served(tmp_path, decision_s=0.05) as ingress:
        url = await ingress.url()
        taken = await ingress.http.post(url, json={"order": 1})
        ready = await ingress.http.get("/readyz")
        assert (taken.status_code, ready.json()) == (202, {"status": "ready"})

        with full_disk(ingress.folder / "log.db"):
            small = await ingress.http.post(url, json={"order": 2})
            large = await ingress.http.post(url, content=LARGE)
            ready = await ingress.http.get("/readyz")
            alive = await ingress.http.get("/healthz")
        assert (small.status_code, small.json()["reason"]) == (503, "log_unavailable")
        assert (large.status_code, large.json()["reason"]) == (503, "blobs_unavailable")
        assert (ready.status_code, ready.json()["reason"]) == (503, "log_not_writable")
        assert alive.status_code == 200
        assert ingress.stored_blobs() == []

        assert (await ingress.http.get("/readyz")).status_code == 200
        again = await ingress.http.post(url, content=LARGE)
        assert again.status_code == 202
        assert await ingress.triggers_on_the_log() == 2


async def test_who_asks_again_at_once_costs_the_log_nothing(ingress: Served) -> None:
    partition = ingress.node.partition
    await ingress.http.get("/readyz")
    await ingress.log.commit(readiness.READER, REPLIES, partition, 17)
    await ingress.http.get("/readyz")
    assert await ingress.log.committed(readiness.READER, REPLIES, partition) == 17
