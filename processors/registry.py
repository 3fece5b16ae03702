"""Registry: every action by its component and key: the built-in ones, and those of packages."""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from processors.actions import Action
from processors.components import (
    branch,
    change_data_format,
    code,
    code_trigger,
    collection_functions,
    collection_order,
    collection_tools,
    cross_flow,
    csv,
    data_mapper,
    datetime,
    format_conversions,
    graphql,
    hash,
    hash_digests,
    hmac,
    html_utils,
    http,
    jsonata,
    liquid_template,
    log,
    loop,
    management_triggers,
    math,
    math_expression,
    messagepack,
    pdf,
    persist_data,
    pgp,
    prismatic,
    process_data,
    recursive_flow,
    result_placeholder,
    schedule_triggers,
    schema_checks,
    sleep,
    soap,
    stop_execution,
    text_manipulation,
    text_patterns,
    uuid,
    webhook_triggers,
    xml,
    zip,
)

_FILES = (
    branch,
    change_data_format,
    code,
    code_trigger,
    collection_functions,
    collection_order,
    collection_tools,
    cross_flow,
    csv,
    data_mapper,
    datetime,
    format_conversions,
    graphql,
    hash,
    hash_digests,
    hmac,
    html_utils,
    http,
    jsonata,
    liquid_template,
    log,
    loop,
    management_triggers,
    math,
    math_expression,
    messagepack,
    pdf,
    persist_data,
    pgp,
    prismatic,
    process_data,
    recursive_flow,
    result_placeholder,
    schedule_triggers,
    schema_checks,
    sleep,
    soap,
    stop_execution,
    text_manipulation,
    text_patterns,
    uuid,
    webhook_triggers,
    xml,
    zip,
)

ACTIONS: Mapping[tuple[str, str], Action] = MappingProxyType(
    {(action.component, action.key): action for file in _FILES for action in file.ACTIONS}
)

_IN_LOWER_CASE: Mapping[tuple[str, str], Action] = MappingProxyType(
    {(component, key.lower()): action for (component, key), action in ACTIONS.items()}
)

_installed: dict[tuple[str, str], Action] = {}
"""What packages publish; filled once, when the process starts."""


def install(actions: Mapping[tuple[str, str], Action]) -> None:
    """Know the actions of installed packages too. A built-in one is never replaced."""
    _installed.update({key: action for key, action in actions.items() if key not in ACTIONS})


def find(component: str, action: str) -> Action | None:
    """The action that a step names, None where there is none.

    The published pages give keys of built-in actions in lower case only, so any case will do.
    """
    exact = ACTIONS.get((component, action)) or _installed.get((component, action))
    return exact or _IN_LOWER_CASE.get((component, action.lower()))


def inputs_of(component: str, action: str) -> frozenset[str] | None:
    """The keys of an action's inputs, None where there is no such action."""
    found = find(component, action)
    return None if found is None else frozenset(declared.key for declared in found.inputs)


def known() -> Mapping[str, frozenset[str]]:
    """The keys of each component's actions."""
    keys: dict[str, set[str]] = defaultdict(set)
    for component, action in (*ACTIONS, *_installed):
        keys[component].add(action)
    return {component: frozenset(actions) for component, actions in keys.items()}


def answering() -> frozenset[tuple[str, str]]:
    """The triggers that may answer their caller themselves."""
    known = {**ACTIONS, **_installed}
    return frozenset(key for key, action in known.items() if action.trigger.answers)
