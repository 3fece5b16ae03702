"""Loading: packages by their entry points, where a broken one is named and stops no other."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock import python_loading
from processors import registry
from processors.actions import Kind, Support
from processors.python import components as python_components

SHOP = """
from penstock.sdk import Input, action, component, trigger

@action(pure=True)
def add(context, first: int, second: int = 1):
    return first + second

@trigger(polls=True)
def orders(context, payload, params):
    pass

shop = component("shop", actions=[add], triggers=[orders])
"""
POINTS = """
[penstock.components]
shop = the_shop:shop
broken = the_broken:shop
wrong = the_shop:add
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of packages that is on the path as an environment's would be."""
    (tmp_path / "the_shop.py").write_text(SHOP)
    (tmp_path / "the_broken.py").write_text("raise RuntimeError('no such shop')")
    about = tmp_path / "the_shop-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: the-shop\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("the_shop", "the_broken"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("packages")
def test_packages_publish_components_by_entry_point_and_a_broken_one_is_named() -> None:
    loaded, told = python_loading.load({"packages": True})
    assert loaded is not None
    assert ("shop", "add") in loaded.actions
    errors = {one["name"]: one["error"] for one in told["broken"]}
    assert errors.keys() == {"broken", "wrong"}
    assert errors["broken"] == "RuntimeError: no such shop"


@pytest.mark.usefixtures("packages")
def test_what_a_package_publishes_becomes_actions_with_declared_inputs() -> None:
    _, told = python_loading.load({"packages": True})
    found = python_components.actions_of(told["manifest"], "key", {"packages": True})
    add = found["shop", "add"]
    assert [(one.key, one.kind, one.required) for one in add.inputs] == [
        ("first", Kind.NUMBER, True),
        ("second", Kind.NUMBER, False),
    ]
    assert not add.touches_world
    polled = found["shop", "orders"].trigger
    assert (polled.is_polling, polled.schedule_support) == (True, Support.REQUIRED)


@pytest.mark.usefixtures("packages")
def test_an_installed_component_never_replaces_a_built_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "_installed", {})
    _, told = python_loading.load({"packages": True})
    [manifest] = told["manifest"]
    actions = python_components.actions_of([manifest, {**manifest, "key": "http"}], "key", {})
    log = registry.find("log", "writeLog")
    assert log is not None
    registry.install({**actions, ("log", "writeLog"): actions["shop", "add"]})
    assert registry.find("log", "writeLog") is log
    assert registry.find("shop", "add") is actions["shop", "add"]
    assert "add" in registry.known()["shop"]
