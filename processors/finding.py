"""Finding: how the steps of one version of an integration find their actions. Pure.

A Python file may declare triggers of its own; everything else is found in the registry.
"""

from collections.abc import Callable
from hashlib import sha256

from processors import registry
from processors.actions import Action
from processors.python import components as python_components
from schemas import events
from schemas.definitions import YAML

Find = Callable[[str, str], Action | None]

KEPT = 1_000


class Finder:
    """Knows what versions declare themselves, each read once."""

    def __init__(self) -> None:
        self._own: dict[str, python_components.Actions] = {}

    def find_in(self, published: events.IntegrationPublished) -> Find:
        """How the steps of this version find their actions."""
        if published.language == YAML:
            return registry.find
        key = key_of(published)
        if key not in self._own:
            if len(self._own) >= KEPT:
                self._own.clear()
            self._own[key] = python_components.own(published.manifest, key, published.definition)
        own = self._own[key]
        return lambda component, action: (
            own.get((component, action)) or registry.find(component, action)
        )


def key_of(published: events.IntegrationPublished) -> str:
    """What the code of this version is called: equal texts are the same code."""
    return sha256(published.definition.encode(errors="surrogatepass")).hexdigest()[:32]
