"""Configuration in an integration file: config variables and the pages that ask for them.

Takes in the root of a file; gives out `definitions.RequiredConfigVar` and `ConfigPage`, and
problems: unknown names, defaults of a wrong type, inputs that need one another in a circle
(platform-behaviour, 8.2 and 8.3).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from schemas import config_values, integration_inputs, integration_schedules
from schemas.config_values import COLLECTIONS, DATA_TYPES
from schemas.definitions import ConfigPage, ConfigVar, Element, Input, RequiredConfigVar, Template
from schemas.integration_inputs import Names
from schemas.yaml_places import Place, shown

ELEMENTS = ("configVar", "htmlElement", "jsonForm")
LANGUAGES = ("json", "xml", "html")
ON_PREMISE = ("disallowed", "allowed", "required")
META_FLAGS = (
    "visibleToCustomerDeployer",
    "visibleToOrgDeployer",
    "isVisibleToCustomerDeployer",
    "isVisibleToOrgDeployer",
    "orgOnly",
    "writeOnly",
)

_Node = tuple[str, str]
"""A config variable, and one of its inputs; an empty one for the variable as a whole."""


def read(root: Place) -> tuple[tuple[RequiredConfigVar, ...], tuple[ConfigPage, ...]]:
    """The config variables of a file and its pages."""
    variables = _variables(root)
    pages = _pages(root, {variable.key for variable in variables})
    asked_of_users = {
        element.value
        for page in pages
        if page.user_level
        for element in page.elements
        if element.kind == "configVar"
    }
    return (
        tuple(replace(known, user_level=known.key in asked_of_users) for known in variables),
        pages,
    )


def _variables(root: Place) -> tuple[RequiredConfigVar, ...]:
    places = [place for place in root.items("requiredConfigVars") if place.is_mapping()]
    types, lines = dict[str, str](), dict[str, int]()
    for place in places:
        key = place.name("key")
        if key in lines:
            place.at("key").wrong(f"the config variable {shown(key)} is also on line {lines[key]}")
        lines.setdefault(key, place.line("key"))
        types.setdefault(key, place.text("dataType"))
    names = Names(types, in_config_var=True)
    variables = tuple(_variable(place, names) for place in places)
    _check_circles(variables, places)
    return variables


def _variable(place: Place, names: Names) -> RequiredConfigVar:
    key = place.text("key")
    place = place.about(f"config variable {shown(key)}")
    if not place.gives("dataType"):
        place.wrong(f"dataType is missing: one of {', '.join(DATA_TYPES)}")
    variable = RequiredConfigVar(
        key=key,
        data_type=place.choice("dataType", DATA_TYPES, ""),
        default=place.text("defaultValue") if place.get("defaultValue") else None,
        org_only=place.flag("orgOnly"),
        description=place.text("description"),
        inputs=integration_inputs.read_all(place.entries("inputs"), names),
        connection=_part(place, "connection"),
        data_source=_part(place, "dataSource"),
        collection=place.choice("collectionType", COLLECTIONS, ""),
        pick_list=tuple(item.own_text() for item in place.items("pickList")),
        schedule_type=place.choice("scheduleType", integration_schedules.TYPES, ""),
        time_zone=place.text("timeZone"),
    )
    _check(place, variable)
    return variable


def _check(place: Place, variable: RequiredConfigVar) -> None:
    """What is not carried, because nothing acts on it, has to be well-formed all the same."""
    place.choice("codeLanguage", LANGUAGES, "")
    place.choice("onPremiseConnectionConfig", ON_PREMISE, "")
    for name, given in place.entries("inputs"):
        if given.mapping("meta"):
            _check_flags(place.at("inputs").at(name).at("meta"))
    if place.mapping("meta"):
        _check_flags(place.at("meta"))
    if variable.time_zone:
        integration_schedules.check_zone(place.at("timeZone"), variable.time_zone)
    if variable.collection and variable.data_type == "connection":
        place.at("collectionType").wrong("a connection has no collectionType")
    if variable.default is not None and variable.data_type in DATA_TYPES:
        _check_default(place.at("defaultValue"), variable)


def _check_flags(meta: Place) -> None:
    for name in META_FLAGS:
        meta.flag(name)


def _check_default(place: Place, variable: RequiredConfigVar) -> None:
    try:
        config_values.typed(variable, variable.default)
    except config_values.Unfit as error:
        at = f"defaultValue{error.path}"
        place.wrong(f"{at} {error}, as dataType {variable.data_type} has it")


def _part(place: Place, key: str) -> tuple[str, str] | None:
    """The component of a connection or data source, and its key there."""
    found = place.mapping(key)
    if found is None:
        return None
    component = found.get("component")
    if component is None or not component.is_mapping():
        found.wrong(f"{key}.component is missing")
        return None
    return component.name("key"), found.name("key")


def _check_circles(variables: Iterable[RequiredConfigVar], places: Iterable[Place]) -> None:
    """Inputs name one another and other variables; what leads back to itself has no value."""
    by_key = {variable.key: variable for variable in variables}
    done = set[_Node]()
    for variable, place in zip(variables, places, strict=True):
        for name in variable.inputs:
            circle = _circle((variable.key, name), by_key, done)
            if circle:
                named = " → ".join(f"{key}.{field}" if field else key for key, field in circle)
                place.at("inputs").at(name).wrong(f"the input leads back to itself: {named}")


def _circle(
    start: _Node, variables: Mapping[str, RequiredConfigVar], done: set[_Node]
) -> list[_Node]:
    """The way from `start` back to a node on it; empty where there is none. No recursion."""
    way: list[tuple[_Node, Iterator[_Node]]] = [(start, _needs(start, variables))]
    if start in done:
        return []
    while way:
        node, needs = way[-1]
        following = next(needs, None)
        if following is None:
            done.add(node)
            way.pop()
        elif following in (on_way := [known for known, _ in way]):
            done.update(on_way)
            return [*on_way[on_way.index(following) :], following]
        elif following not in done:
            way.append((following, _needs(following, variables)))
    return []


def _needs(node: _Node, variables: Mapping[str, RequiredConfigVar]) -> Iterator[_Node]:
    key, name = node
    variable = variables.get(key)
    if variable is None:
        return
    if not name:
        yield from ((key, field) for field in variable.inputs)
        return
    own = variable.inputs if variable.connection is not None else {}
    for named in _named(variable.inputs[name]):
        yield (key, named) if named in own else (named, "")


def _named(given: Input) -> Iterator[str]:
    if isinstance(given, ConfigVar):
        yield given.key
    elif isinstance(given, Template):
        yield from (part.key for part in given.parts if isinstance(part, ConfigVar))


def _pages(root: Place, known: set[str]) -> tuple[ConfigPage, ...]:
    return tuple(_page(page, known) for page in root.items("configPages") if page.is_mapping())


def _page(page: Place, known: set[str]) -> ConfigPage:
    elements = [element for element in page.items("elements") if element.is_mapping()]
    return ConfigPage(
        name=page.name("name"),
        tagline=page.text("tagline"),
        user_level=page.flag("userLevelConfigured"),
        elements=tuple(_element(element, known) for element in elements),
    )


def _element(place: Place, known: set[str]) -> Element:
    if not place.gives("type"):
        place.wrong(f"an element needs a type: one of {', '.join(ELEMENTS)}")
    element = Element(kind=place.choice("type", ELEMENTS, ""), value=place.text("value"))
    if element.kind == "configVar" and element.value not in known:
        place.at("value").wrong(f"there is no config variable {shown(element.value)}")
    return element
