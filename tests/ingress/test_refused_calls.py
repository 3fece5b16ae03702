"""Refused calls: counted by endpoint and reason, with a sample, and never many on the log."""

from eventlog.log import EventLog
from ingress.refused_calls import RefusedCalls
from schemas import codec, events, ids
from schemas.ids import EndpointId
from schemas.topics import TRIGGERS
from tests.ingress.serving import Served

ENDPOINT = EndpointId(ids.derived("an endpoint"))
SCOPE = {
    "method": "POST",
    "path": "/trigger/x/my/path",
    "headers": [(b"x-secret", b"s3cret")],
    "header_names": [b"X-Secret"],
}


async def said_on(log: EventLog) -> list[events.CallsRefused]:
    found = []
    for record in await log.read(TRIGGERS, 0, 0, max_records=1_000):
        for event in codec.decode(record.value).events:
            assert isinstance(event, events.CallsRefused)
            found.append(event)
    return found


async def test_a_flood_is_one_event_for_each_endpoint_and_reason(ingress: Served) -> None:
    refused = RefusedCalls(ingress.log, period_s=60)
    other = EndpointId(ids.derived("another"))
    for _ in range(10_000):
        refused.note(ENDPOINT, "wrong_signature", SCOPE)
    refused.note(ENDPOINT, "rate_limited", SCOPE)
    refused.note(other, "wrong_signature", SCOPE)
    await refused.close()
    said = await said_on(ingress.log)
    assert [(one.endpoint_id, one.reason, one.count) for one in said] == [
        (ENDPOINT, "wrong_signature", 10_000),
        (ENDPOINT, "rate_limited", 1),
        (other, "wrong_signature", 1),
    ]
    assert said[0].first_at <= said[0].last_at


async def test_a_sample_names_headers_and_not_what_they_say(ingress: Served) -> None:
    refused = RefusedCalls(ingress.log, period_s=60)
    refused.note(ENDPOINT, "wrong_signature", SCOPE)
    await refused.close()
    [said] = await said_on(ingress.log)
    assert (said.method, said.path, said.header_names) == ("POST", "my/path", ["X-Secret"])
    assert "s3cret" not in repr(said)


async def test_each_period_is_told_without_being_asked(ingress: Served) -> None:
    refused = RefusedCalls(ingress.log, period_s=0.001)
    for count in (1, 2, 3):
        refused.note(ENDPOINT, "wrong_api_key", SCOPE)
        await ingress.log.read(TRIGGERS, 0, count - 1, wait_s=10)
        assert len(await said_on(ingress.log)) == count


async def test_what_the_door_refuses_is_counted_with_its_reason(ingress: Served) -> None:
    url = await ingress.url(apiKeys={"Main": ["k1"]})
    endpoint = ids.from_global(ids.ENDPOINT, url.rpartition("/")[2])
    key = {"api-key": "k1"}
    json = key | {"content-type": "application/json"}
    for sent in ({}, {}, {"api-key": "other"}):
        await ingress.http.post(url, headers=sent)
    await ingress.http.post(url, headers=json, content=b"{bad-data")
    await ingress.http.post(url, headers=key | {"content-encoding": "br"}, content=b"x")
    await ingress.http.request("TRACE", url)
    for made_up in ("nonsense", ids.to_global(ids.ENDPOINT, ids.derived("none"))):
        await ingress.http.post(f"/trigger/{made_up}")
    await ingress.app._webhooks.close()
    counted = {(one.endpoint_id, one.reason): one.count for one in await said_on(ingress.log)}
    assert counted == {
        (endpoint, "missing_api_key"): 2,
        (endpoint, "wrong_api_key"): 1,
        (endpoint, "malformed_json"): 1,
        (endpoint, "unsupported_encoding"): 1,
        (endpoint, "method_not_allowed"): 1,
        ("", "unknown_endpoint"): 2,
    }


async def test_a_node_that_ends_says_what_it_has_counted(ingress: Served) -> None:
    url = await ingress.url(apiKeys={"Main": ["the-key"]})
    await ingress.http.post(url)
    await ingress.app.__aexit__(None, None, None)
    assert [one.reason for one in await said_on(ingress.log)] == ["missing_api_key"]
