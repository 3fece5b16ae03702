"""The integration file: YAML of definition version 7 to a definition, or to what is wrong with it.

Takes in the text of a file; gives out a `Definition`, or every problem with its path and line. The
format is that of platform-behaviour, section 8. Keys that it does not name are left alone, because
formats grow; keys that may be missing get their defaults.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from schemas import integration_config, integration_flows, integration_routing, yaml_lines
from schemas.definitions import OWN, Definition, Flow, Step
from schemas.integration_inputs import CheckStep, Names, anything
from schemas.yaml_places import Place, shown

VERSION = "7"

Problem = yaml_lines.Problem


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a file: a definition, or problems in the order of their lines."""

    definition: Definition | None
    problems: tuple[Problem, ...]


def read(text: str | bytes, check: CheckStep = anything) -> Reading:
    """What the file `text` says. Never raises for any text.

    `check` knows what the actions of steps take, and says which inputs they never could.
    """
    document = yaml_lines.parse(text)
    problems, definition = document.problems, None
    if document.root is not None:
        definition = _definition(Place(document.root, "", "", problems), check)
    ordered = sorted(problems, key=lambda problem: problem.line)
    return Reading(None if problems else definition, tuple(ordered))


def read_published(text: str) -> Definition | None:
    """The definition of a published version, which was checked by the rules of its own time.

    A rule that came later does not take away what is deployed: only None where there is no YAML.
    """
    document = yaml_lines.parse(text)
    root = document.root
    return _definition(Place(root, "", "", []), anything) if root is not None else None


def unknown_components(definition: Definition, known: Mapping[str, Collection[str]]) -> list[str]:
    """What the steps name and `known` (component key → action keys) lacks, sorted.

    `slack` for a component that is not known, `http/httpBrew` for an action of one that is. Keys of
    actions are compared without regard to case.
    """
    unknown = set()
    for step in _all_steps(definition):
        if step.component == OWN:
            continue
        if step.component not in known:
            unknown.add(step.component)
        elif step.action.lower() not in {key.lower() for key in known[step.component]}:
            unknown.add(f"{step.component}/{step.action}")
    return sorted(unknown)


def _all_steps(definition: Definition) -> Iterator[Step]:
    pending = [step for flow in definition.flows for step in flow.steps]
    while pending:
        step = pending.pop()
        yield step
        pending += step.steps
        for branch in step.branches:
            pending += branch.steps


def _definition(root: Place, check: CheckStep) -> Definition | None:
    if not root.is_mapping():
        return None
    version = root.text("definitionVersion")
    if version != VERSION:
        found = f"is {shown(version)}" if version else "is missing"
        root.at("definitionVersion").wrong(f"definitionVersion {found}; only {VERSION} is read")
    name = root.name("name")
    config_vars, pages = integration_config.read(root)
    names = Names({found.key: found.data_type for found in config_vars})
    flows = _flows(root, names, root.text("preprocessFlowName"), check)
    types = integration_routing.ENDPOINT_TYPES
    endpoint_type = root.choice("endpointType", types, integration_routing.FLOW_SPECIFIC)
    draft = Definition(
        name=name,
        description=root.text("description"),
        category=root.text("category"),
        endpoint_type=endpoint_type,
        routing=integration_routing.read(root, endpoint_type, flows),
        flows=flows,
        config_vars=config_vars,
        pages=pages,
        labels=tuple(label.own_text() for label in root.items("labels")),
        documentation=root.text("documentation"),
        external_version=root.text("version"),
    )
    components = frozenset(step.component for step in _all_steps(draft))
    return replace(draft, components=components)


def _flows(root: Place, names: Names, preprocess_flow: str, check: CheckStep) -> tuple[Flow, ...]:
    flows, lines = [], dict[str, int]()
    for place in root.items("flows"):
        flow = integration_flows.read(place, names, preprocess_flow, check)
        if flow is None:
            continue
        if flow.name in lines:
            place.at("name").wrong(
                f"the flow {shown(flow.name)} is also on line {lines[flow.name]}"
            )
        lines.setdefault(flow.name, place.line("name"))
        flows.append(flow)
    if root.is_empty("flows"):
        root.at("flows").wrong("an integration needs a flow, and this one has none")
    return tuple(flows)
