"""YAML: values from a text and texts from values; pure.

Texts are read by the reader of definitions (schemas.yaml_lines), with its bounds and the core
schema: `yes` and `2024-01-01` are texts. What is written is read back as it was.
"""

import yaml

from processors.formats.errors import Unfit
from schemas import yaml_lines
from schemas.values import Value
from schemas.yaml_lines import Kind, Mapping, Node, Scalar, Sequence

_SHOWN = 5
_EXACT_INT = 2**63


class _Dumper(yaml.CSafeDumper):
    """Repeats a value that is there twice, instead of naming it."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _written(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    """Texts that the core schema would read as something else are quoted."""
    style = '"' if yaml_lines.kind_of(text) is not Kind.TEXT else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _written)


def parse(text: str | bytes) -> Value:
    """The value in `text`; keys are texts. Raises Unfit."""
    if not text.strip():
        return None
    document = yaml_lines.parse(text, text_keys=False)
    if document.problems:
        told = "; ".join(f"line {one.line}: {one.message}" for one in document.problems[:_SHOWN])
        raise Unfit(told)
    return None if document.root is None else _value(document.root)


def write(value: Value) -> str:
    """`value` as YAML in block style. Raises Unfit."""
    try:
        return yaml.dump(
            value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
        )
    except yaml.YAMLError as error:
        raise Unfit(f"a value cannot stand in YAML: {error}") from error


def _value(node: Node) -> Value:
    match node:
        case Mapping(entries=entries):
            return {key: _value(inner) for key, inner in entries.items()}
        case Sequence(items=items):
            return [_value(inner) for inner in items]
        case Scalar():
            return _scalar(node)


def _scalar(node: Scalar) -> Value:
    match node.kind:
        case Kind.NULL:
            return None
        case Kind.BOOLEAN:
            return node.text.lower() == "true"
        case Kind.NUMBER:
            return _number(node)
    return node.text


def _number(node: Scalar) -> Value:
    """Infinity and what is no number stay texts: JSON has neither."""
    text = node.text
    if text.lstrip("+-").lower() in (".inf", ".nan"):
        return text
    try:
        if text.startswith(("0x", "0o")):
            number: int | float = int(text, 0)
        else:
            number = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError as error:
        raise Unfit(f"line {node.line}: the number {text[:20]}… is too long") from error
    return number if abs(number) < _EXACT_INT else float(number)
