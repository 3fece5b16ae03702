"""The examples that are written in YAML: they are valid, and do what they say."""

from hashlib import sha256
from pathlib import Path

import orjson

from processors import literal_inputs, registry
from schemas.integration_file import read, unknown_components
from tests import http_stub
from tests.http_stub import Reply
from tests.processors.test_corpus_flows import at_work

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def test_every_example_is_valid_and_lacks_nothing() -> None:
    files = sorted(EXAMPLES.glob("*.yml"))
    assert len(files) >= 3
    for file in files:
        reading = read(file.read_bytes(), literal_inputs.checks(registry.find))
        assert reading.problems == (), file.name
        assert reading.definition is not None
        assert unknown_components(reading.definition, registry.known()) == [], file.name


async def test_orders_are_numbered(tmp_path: Path) -> None:
    async with (
        http_stub.running() as stub,
        at_work(tmp_path, text_of("orders.yml"), stub, {}) as at,
    ):
        await at.call("Place Order", {"sku": "A"})
        ran = await at.call("Place Order", {"sku": "B"})
    assert ran.results["receipt"] == {"number": 2, "sku": "B"}


async def test_what_cannot_be_delivered_does_not_stop_the_rest(tmp_path: Path) -> None:
    async with http_stub.running() as stub:
        answers = [Reply(b"{}"), *[Reply(status=503)] * 3, Reply(b"{}")]
        stub.replies["/in"] = answers
        config = {"Service URL": f"{stub.url}/in", "Headers": '{"X-Source": "test"}'}
        async with at_work(tmp_path, text_of("fan_out.yml"), stub, config) as at:
            ran = await at.call("Deliver", {"items": [{"n": 1}, {"n": 2}, {"n": 3}]})
    assert ran.results["answer"] == {"delivered": 2, "failed": [{"n": 2}]}
    assert [orjson.loads(sent.body)["n"] for sent in stub.received] == [1, 2, 2, 2, 3]
    assert {sent.headers["x-source"] for sent in stub.received} == {"test"}
    keys = [sent.headers["idempotency-key"] for sent in stub.received]
    assert (len(set(keys)), len(set(keys[1:4]))) == (3, 1)
    [line] = ran.log_lines
    assert line.startswith("Item 1 was not delivered: Request failed with status code 503")


async def test_a_ticket_is_taken_once(tmp_path: Path) -> None:
    text = text_of("tickets.yml")
    async with http_stub.running() as stub, at_work(tmp_path, text, stub, {}) as at:
        taken = await at.call("Take Ticket", {"title": "Mail is DOWN!"})
        again = await at.call("Take Ticket", {"title": "mail is down"})
        await at.call("Take Ticket", {"title": "New chair"})
        refused = await at.call("Take Ticket", {})
        report = await at.call("Report")
    first, second = taken.reply.response, again.reply.response
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (201, 409)
    assert first.result == second.result
    assert (first.result["title"], first.result["urgent"]) == ("Mail is DOWN!", True)
    assert refused.reply.error == "a ticket needs a title"
    assert report.results["summary"] == {"tickets": 2, "urgent": [first.result["id"]]}


PRICES = "sku,price,stock\nW-1,2.50,4\nV-2,9,0\nW-3,20,3\n"


async def test_a_price_list_is_reported_or_fails_with_all_that_does_not_fit(tmp_path: Path) -> None:
    text = text_of("price_list.yml")
    async with http_stub.running() as stub, at_work(tmp_path, text, stub, {}) as at:
        reported = await at.call("Report", PRICES, "text/csv")
        refused = await at.call("Report", "sku,price,stock\nw1,cheap,1\n", "text/csv")
    answer = reported.reply.response
    assert answer is not None
    report = "W-3: 60 EUR\nW-1: 10 EUR\nTotal: 70 EUR"
    assert (answer.status, answer.result.strip()) == (200, report)
    assert answer.headers == {"X-Fingerprint": sha256(answer.result.encode()).hexdigest()}
    assert refused.reply.error is not None
    assert "0.price: 'cheap' does not match" in refused.reply.error
    assert "0.sku: 'w1' does not match" in refused.reply.error


async def test_the_flows_of_a_schedule_can_be_called_as_well(tmp_path: Path) -> None:
    text = text_of("nightly.yml")
    async with http_stub.running() as stub, at_work(tmp_path, text, stub, {}) as at:
        await at.call("Report")
        ran = await at.call("Report")
        heard = await at.call("Heartbeat")
    assert ran.results["count"] == 2
    assert heard.log_lines == ["alive"]
