"""Collection tools that check a value against a schema: JSON Schema, and XSD for XML.

Schemas can hold regular expressions and counts that take for ever, so they run in a computing
process. They name no other files: what a schema refers to elsewhere is not fetched.
"""

from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World
from processors.components.computing import compute
from processors.components.refusals import unfit
from schemas.values import Value

_MAX_TOLD = 20
_VALID: Value = {"valid": True, "errors": []}

_JSON = Input(
    key="jsonInput",
    label="JSON Object",
    kind=Kind.JSON,
    required=True,
    description="The value to check, or JSON of it.",
    example='{"name": "Ada"}',
)
_JSON_SCHEMA = Input(
    key="jsonSchema",
    label="JSON Schema",
    kind=Kind.JSON,
    required=True,
    description="The schema; of the draft that its `$schema` names, else 2020-12.",
    example='{"type": "object", "required": ["name"]}',
)
_XML = Input(
    key="xmlInput",
    label="XML",
    required=True,
    description="The document to check.",
    example="<order><sku>W-1</sku></order>",
)
_XML_SCHEMA = Input(
    key="xmlSchema",
    label="XML Schema",
    required=True,
    description="The XSD. It includes and imports nothing.",
    example="<xs:schema …>",
)


def _json(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    schema = inputs["jsonSchema"]
    if not isinstance(schema, dict | bool):
        raise unfit(_JSON_SCHEMA, "a JSON Schema", schema)
    given = {"value": inputs["jsonInput"], "schema": schema}
    return _judged(compute(json_errors, given, "The check", world), _JSON)


def _xml(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    given = {"xml": inputs["xmlInput"], "schema": inputs["xmlSchema"]}
    return _judged(compute(xml_errors, given, "The check", world), _XML)


def _judged(errors: list[str], declared: Input) -> Outcome:
    if not errors:
        return Outcome(result=_VALID)
    told = "; ".join(errors[:_MAX_TOLD])
    raise StepError(f"{declared.label} ({declared.key}) does not fit its schema: {told}")


def json_errors(given: Value) -> Value:
    """Where the value does not fit and why; runs in a computing process. Raises StepError."""
    from jsonschema import Draft202012Validator, SchemaError
    from jsonschema.validators import validator_for
    from jsonschema_specifications import REGISTRY as SPECIFICATIONS
    from referencing.exceptions import Unresolvable

    validator = validator_for(given["schema"], default=Draft202012Validator)
    try:
        validator.check_schema(given["schema"])
        # With a registry of its own, nothing that a schema refers to is fetched.
        checking = validator(given["schema"], registry=SPECIFICATIONS)
        found = checking.iter_errors(given["value"])
        ordered = sorted(found, key=lambda error: list(map(str, error.absolute_path)))
    except SchemaError as error:
        raise StepError(f"the JSON Schema is none: {error.message}") from error
    except Unresolvable as error:
        raise StepError(f"the JSON Schema refers to what is not in it: {error}") from error
    return [f"{_path(error.absolute_path)}: {error.message[:300]}" for error in ordered]


def _path(segments: Any) -> str:
    return ".".join(map(str, segments)) or "the root"


def xml_errors(given: Value) -> Value:
    """Where the document does not fit and why; runs in a computing process. Raises StepError."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    parser.resolvers.add(_nothing_else(etree))
    try:
        schema = etree.XMLSchema(etree.fromstring(given["schema"].encode(), parser))
    except (etree.XMLSyntaxError, etree.XMLSchemaParseError) as error:
        raise StepError(f"the XML Schema is none: {error}") from error
    try:
        document = etree.fromstring(given["xml"].encode(), parser)
    except etree.XMLSyntaxError as error:
        return [str(error)]
    if schema.validate(document):
        return []
    return [f"line {error.line}: {error.message}" for error in schema.error_log]


def _nothing_else(etree: Any) -> Any:
    class Refusing(etree.Resolver):  # type: ignore[misc]  # lxml has no types
        def resolve(self, url: str, _public_id: str, _context: Any) -> Any:
            raise StepError(f"the XML Schema refers to {url!r}, and other files are not read")

    return Refusing()


ACTIONS = (
    Action(
        component="collection-tools",
        key="validateJsonSchema",
        label="Validate JSON Schema",
        description="Fails with all that does not fit; gives `{valid: true, errors: []}` where "
        "all fits.",
        perform=_json,
        inputs=(_JSON, _JSON_SCHEMA),
        runs=Runs.THREAD,
    ),
    Action(
        component="collection-tools",
        key="validateXmlSchema",
        label="Validate XML Schema",
        description="Fails with all that does not fit; gives `{valid: true, errors: []}` where "
        "all fits.",
        perform=_xml,
        inputs=(_XML, _XML_SCHEMA),
        runs=Runs.THREAD,
    ),
)
