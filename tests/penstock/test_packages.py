"""Integrations of packages: found by their entry points, and never imported to find them."""

import sys
from pathlib import Path

import pytest

from penstock import packages
from schemas.errors import Unusable
from tests.penstock import running

FLOWS = """
from penstock.sdk import Integration, flow, webhook

@flow(trigger=webhook())
async def order(context, trigger):
    return 1

integration = Integration(name="Packed Orders", flows=[order])
"""
POINTS = """
[penstock.integrations]
orders = the_orders.flows:integration
plain = the_orders.flows
other = the_orders.flows:order
gone = the_orders.nowhere
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a package is installed that would tell if it were imported."""
    package = tmp_path / "the_orders"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "flows.py").write_text(FLOWS)
    about = tmp_path / "the_orders-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: the-orders\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    return tmp_path


@pytest.mark.parametrize("name", ["orders", "plain"])
def test_the_source_is_found_without_an_import(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    assert packages.source_of(name) == folder / "the_orders" / "flows.py"
    assert "the_orders" not in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nobody", "there are: gone, orders, other, plain"),
        ("other", "under the name 'integration'"),
        ("gone", "the_orders.nowhere, of which there is no Python file"),
    ],
)
def test_what_is_not_there_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    with pytest.raises(Unusable, match=message):
        packages.source_of(name)


def test_commands_take_a_package_for_a_file(folder: Path) -> None:
    env = running.environment() | {"PYTHONPATH": str(folder)}
    done = running.process("validate", "package:orders", env=env)
    assert done.code == 0, done.err
    assert "flows.py is valid" in done.out
    unknown = running.process("validate", "package:nobody", env=env)
    assert unknown.code == 2
    assert unknown.err.startswith("penstock: no package publishes an integration 'nobody'")
