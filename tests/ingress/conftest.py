"""A served ingress for each test that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ingress.serving import Served, served


@pytest.fixture
async def ingress(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running
