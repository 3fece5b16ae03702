"""Flows that others wrote, with stand-ins for the services that are not here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from penstock import testing
from tests.schemas.test_integration_corpus import CORPUS

pytestmark = pytest.mark.corpus

MAPPING = """[
  {"source": "name", "destination": "name"}, {"source": "website", "destination": "website"},
  {"source": "country", "destination": "country"}, {"source": "tier", "destination": "id"}
]"""


class Noted:
    """A stand-in that answers alike and remembers what it was given."""

    def __init__(self, answer: Any = None) -> None:
        self.given: list[Mapping[str, Any]] = []
        self.answer = answer

    def __call__(self, inputs: Mapping[str, Any]) -> Any:
        self.given.append(inputs)
        return self.answer


def file(name: str) -> Path:
    if not CORPUS.is_dir():
        pytest.skip(f"no folder of integration files at {CORPUS}: set PENSTOCK_CORPUS")
    return CORPUS / name


def test_files_of_a_bucket_are_read_sent_and_moved() -> None:
    order = "<order><item><name>Chair</name></item><qty>2</qty><price>9.50</price></order>"
    posted, moved = Noted({"ok": True}), Noted()
    done = testing.run(
        file("example-with-loop.yml"),
        config={"Google Cloud Bucket": "orders"},
        stand_ins={
            "List Files": {"files": ["unprocessed/a.xml", "unprocessed/b.xml"]},
            "Download File": order,
            "POST Request": posted,
            "Move File": moved,
        },
    )
    assert done.error == ""
    sent = {"item_name": "Chair", "quantity": 2, "cost": 9.5}
    assert [given["data"] for given in posted.given] == [sent, sent]
    names = [(given["sourceFileName"], given["destinationFileName"]) for given in moved.given]
    assert names == [
        ("unprocessed/a.xml", "processed/a.xml"),
        ("unprocessed/b.xml", "processed/b.xml"),
    ]


def test_a_company_is_checked_mapped_and_created() -> None:
    created = Noted({"id": "7"})
    company = {
        "name": "Acme",
        "website": "acme.test",
        "country": "DE",
        "numberofemployees": "5",
        "annualrevenue": "1",
        "id": "gold",
    }
    arguments: dict[str, Any] = {
        "config": {"Hubspot Company Field Mapping": MAPPING},
        "stand_ins": {"hubspot/createCompany": created},
    }
    source = file("hubspot-example-integration.yml")
    flow = "Create Contact from ACME"
    done = testing.run(source, flow, payload=company, **arguments)
    assert (done.error, done.result) == ("", {"id": "7"})
    [given] = created.given
    assert given["companyName"] == "Acme"
    refused = testing.run(source, flow, payload={"name": "Acme"}, **arguments)
    assert "'website' is a required property" in refused.error
    assert len(created.given) == 1


def test_what_a_service_tells_is_mapped_and_passed_on() -> None:
    posted = Noted({"ok": True})
    done = testing.run(
        file("hubspot-example-integration.yml"),
        "Hubspot Account Update",
        config={"Hubspot Company Field Mapping": MAPPING, "Acme API Endpoint": "https://a.test"},
        stand_ins={
            "hubspot/eventTypeSubscription": {"body": {"data": [{"objectId": 77}]}},
            "Get Company": lambda inputs: {
                "properties": {"name": f"Company {inputs['companyId']}", "country": "FR"}
            },
            "Update Company in Acme": posted,
        },
    )
    assert done.error == ""
    [given] = posted.given
    assert given["url"] == "https://a.test"
    assert given["data"]["name"] == "Company 77"
    assert given["data"]["country"] == "FR"
