"""Packages: where the source of an integration stands that an installed package publishes.

Takes in the name of an entry point of the group `penstock.integrations`; gives out the path of the
module that it names. Nothing is imported: a file of flows is run in a process of its own only.
"""

from collections.abc import Sequence
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from schemas.errors import Unusable

INTEGRATIONS = "penstock.integrations"
PREFIX = "package:"
DECLARATION = "integration"


def source_of(name: str) -> Path:
    """The file of the integration `name`. Raises Unusable."""
    points = metadata.entry_points(group=INTEGRATIONS)
    found = [point for point in points if point.name == name]
    if not found:
        known = ", ".join(sorted(point.name for point in points)) or "none"
        raise Unusable(f"no package publishes an integration {name!r}; there are: {known}")
    values = {point.value for point in found}
    if len(values) > 1:
        raise Unusable(f"several packages publish {name!r}: {', '.join(sorted(values))}")
    module, _, attribute = found[0].value.partition(":")
    if attribute.strip() not in ("", DECLARATION):
        raise Unusable(
            f"{INTEGRATIONS} names {found[0].value!r} for {name!r}: an integration stands under "
            f"the name {DECLARATION!r} of its module"
        )
    return _file_of(module.strip(), name)


def _file_of(module: str, name: str) -> Path:
    """As an import would find it, one package within the other."""
    places: Sequence[str] | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:depth]), places)
        if spec is None:
            break
        if depth == len(parts) and spec.origin and spec.origin.endswith(".py"):
            return Path(spec.origin)
        places = spec.submodule_search_locations or []
    raise Unusable(f"{name!r} is published as {module}, of which there is no Python file")
