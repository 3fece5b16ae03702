"""Configuration: what the config variables of an instance come to, and what is secret."""

from typing import Any

from schemas.configuration import configured
from tests.schemas.integration_trees import Tree, definition_of, integration, template, value

CONNECTION = {"key": "basic", "component": {"key": "http"}}


def variable(key: str, data_type: str = "string", **more: Any) -> Tree:
    return {"key": key, "dataType": data_type, **more}


def values(*variables: Tree, **given: Any) -> dict[str, Any]:
    definition = definition_of(integration(requiredConfigVars=list(variables)))
    return dict(configured({"config": given}, definition).values)


def connection(key: str, **inputs: Tree) -> Tree:
    return variable(key, "connection", connection=CONNECTION, inputs=inputs)


def test_values_and_defaults_have_the_type_of_their_variable() -> None:
    size = variable("size", "number", defaultValue="10")
    names = variable("names", collectionType="valuelist")
    assert values(size, names) == {"size": 10, "names": None}
    assert values(size, names, size="5", names='["a"]') == {"size": 5, "names": ["a"]}


def test_what_does_not_fit_any_more_is_seen_as_it_was_given() -> None:
    assert values(variable("size", "number"), size="ten") == {"size": "ten"}


def test_fields_of_a_connection_are_built_from_one_another_and_from_variables() -> None:
    found = values(
        variable("Region", defaultValue="eu"),
        connection(
            "Shop",
            host=value("example.com"),
            region={"type": "configVar", "value": "Region"},
            base=template("https://{{#region}}.{{#host}}/{{#Region}}/{{#token}}"),
            token=value(""),
        ),
        Shop={"host": "shop.test", "token": "s3cret"},
    )
    assert found["Shop"] == {
        "host": "shop.test",
        "region": "eu",
        "base": "https://eu.shop.test/eu/s3cret",
        "token": "s3cret",
    }


def test_a_template_may_name_a_field_that_only_the_deployment_gives() -> None:
    found = values(connection("Shop", url=template("{{#host}}/v1")), Shop={"host": "h"})
    assert found["Shop"] == {"url": "h/v1", "host": "h"}


def test_all_texts_given_for_a_connection_are_secret_nested_ones_too() -> None:
    shop = connection("Shop", host=value("example.com"))
    definition = definition_of(integration(requiredConfigVars=[shop, variable("Plain")]))
    given = {"Shop": {"token": {"access_token": "abcd"}, "scopes": ["efgh", 5]}, "Plain": "public"}
    opened = {"config": given, "api_keys": {"Main": ["key-1"]}}
    assert configured(opened, definition).secrets == {"abcd", "efgh", "key-1"}
