"""How to use integration triggers: the page that callers know, one test for each statement.

Each runs on the embedded log and on Kafka, against one server for each, through HTTP and the
command line, on the flows of seed_page.yml and seed_page_lifecycle.yml.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests import kafka_broker, servers
from tests.penstock import running

FLOWS = Path(__file__).with_name("seed_page.yml")
LIFECYCLE = Path(__file__).with_name("seed_page_lifecycle.yml")
ANSWER_S = 60.0
SECRET = "AC49CB66-511F-4085-9119-360B1B142F4B"
KEYS = ("first-key", "second-key")
EXECUTION_ID = re.compile(r"^[A-Za-z0-9+/]+=*$")
JSON = {"Content-Type": "application/json"}
SYNC = {"prismatic-synchronous": "true"}
DIRECT = SYNC | {"prismatic-prefer-direct-sync-json-response": "true"}


@dataclass(slots=True)
class Hooks:
    """A running server with the flows of the page, and a caller."""

    env: Mapping[str, str]
    urls: dict[str, str]
    slow: "Future[httpx.Response]"
    """A call of the flow that takes 31 s, under way while the other tests run."""
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=ANSWER_S))

    def call(self, flow: str, path: str = "", method: str = "POST", **given: Any) -> httpx.Response:
        return self.http.request(method, self.urls[flow] + path, **given)

    def seen(self, path: str = "", method: str = "POST", **given: Any) -> Any:
        """What a flow sees of a request."""
        headers = DIRECT | given.pop("headers", {})
        answer = self.call("Echo", path, method, headers=headers, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def execution(self, execution_id: str) -> Any:
        return running.execution_once_ended(execution_id, self.env)

    def refusals(self, command: str, what: str, is_wanted: Callable[[Any], bool]) -> Any:
        """The first of the refusals that is wanted, once the views have it."""
        return self._once(lambda rows: next(filter(is_wanted, rows), None), what, command)

    def deploy_lifecycle(self, customer: str, *options: str) -> Any:
        arguments = ("--json", "--customer", customer, *options)
        done = running.command("deploy", LIFECYCLE, *arguments, env=self.env)
        assert done.code == 0, done.err
        return done.json

    def ran(self, customer: str, flow: str, count: int) -> list[Any]:
        """So many executions of a customer's flow, once they have ended."""

        def ended(rows: list[Any]) -> list[Any] | None:
            found = [
                row
                for row in rows
                if row["endedAt"] and row["customer"] and row["customer"]["externalId"] == customer
            ]
            return found if len(found) == count else None

        found: list[Any] = self._once(ended, "executions", "list", "--flow", flow)
        return found

    def schedule(self, customer: str, flow: str, what: str = "id") -> str:
        """What the views say of a customer's schedule, once they have it."""

        def known(rows: list[Any]) -> str | None:
            of = (row[what] for row in rows if (row["customer"], row["flow"]) == (customer, flow))
            return next(of, None)

        found: str = self._once(known, "schedules", "list")
        return found

    def _once(self, found: Callable[[list[Any]], Any], noun: str, *command: str) -> Any:
        """What `found` makes of the rows of a list, once it makes something of them."""
        group = "refusals" if noun == "refusedCalls" else noun
        deadline = servers.Deadline(ANSWER_S)
        while True:
            done = running.command(group, *command, "--json", env=self.env)
            assert done.code == 0, done.err
            if (known := found(done.json[noun])) is not None:
                return known
            assert not deadline.passed, done.out
            deadline.pause()


LOGS = ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    yield from _served(tmp_path_factory.mktemp("seed-page") / "data", "")


@pytest.fixture(scope="module")
def kafka(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    log = kafka_broker.fresh_log_url(kafka_bootstrap)
    yield from _served(tmp_path_factory.mktemp("seed-page") / "data", log)


@pytest.fixture(scope="module", params=LOGS)
def hooks(request: pytest.FixtureRequest) -> Hooks:
    found: Hooks = request.getfixturevalue(request.param)
    return found


def _served(data: Path, log: str) -> Iterator[Hooks]:
    with running.up(data, log=log) as server:
        env = running.environment(data=str(data), url=server.url)
        options = [f"--api-key=Secured={key}" for key in KEYS]
        config = f"Signing Secret={SECRET}"
        done = running.command(
            "deploy", FLOWS, "--json", "--customer", "acme", "--config", config, *options, env=env
        )
        assert done.code == 0, done.err
        urls = {flow["name"]: flow["webhookUrl"] for flow in done.json["flows"]}
        with ThreadPoolExecutor(1) as beside:
            slow = beside.submit(httpx.post, urls["Slow"], timeout=ANSWER_S)
            found = Hooks(env, urls, slow)
            with found.http:
                yield found


def check_accepted(answer: httpx.Response) -> str:
    """The id of the execution that an answer names."""
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"executionId"}
    execution_id: str = answer.json()["executionId"]
    assert EXECUTION_ID.match(execution_id)
    return execution_id


# Webhook triggers


def test_each_flow_has_its_own_trigger_and_so_its_own_url(hooks: Hooks) -> None:
    assert len(set(hooks.urls.values())) == len(hooks.urls)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_a_flow_is_run_by_each_of_these_requests(hooks: Hooks, method: str) -> None:
    execution_id = check_accepted(hooks.call("Echo", method=method))
    shown = hooks.execution(execution_id)
    assert (shown["status"], shown["trigger"]["method"]) == ("succeeded", method)


def test_the_payload_is_available_by_referencing_the_trigger(hooks: Hooks) -> None:
    data = {"renderId": 51266, "s3Bucket": "test-customer-renders", "status": "complete"}
    seen = hooks.seen(content=orjson.dumps(data), headers=JSON | {"Header-One": "h"})
    assert seen["body"] == data
    assert seen["renderId"] == 51266
    assert seen["headerOne"] == "h"


def test_get_is_supported_and_sends_no_data(hooks: Hooks) -> None:
    seen = hooks.seen(method="GET")
    assert (seen["body"], seen["raw"]) == (None, None)


# Webhook trigger responses


def test_by_default_the_answer_is_200_with_an_execution_id(hooks: Hooks) -> None:
    answer = hooks.call("Echo", content=b"{}", headers=JSON)
    execution_id = check_accepted(answer)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["prismatic-executionid"] == execution_id


def test_an_execution_id_can_be_exchanged_for_logs_and_step_results(hooks: Hooks) -> None:
    execution_id = check_accepted(hooks.call("Echo", content=b'{"renderId": 7}', headers=JSON))
    steps = {step["key"]: step for step in hooks.execution(execution_id)["steps"]}
    assert steps["seen"]["result"]["renderId"] == 7
    assert running.command("logs", execution_id, env=hooks.env).code == 0


def test_the_answer_can_be_customized(hooks: Hooks) -> None:
    answer = hooks.call("Customized")
    assert (answer.status_code, answer.text) == (201, "<accepted/>")
    assert answer.headers["content-type"] == "application/xml"
    assert EXECUTION_ID.match(answer.headers["prismatic-executionid"])


# HTTP 303


def test_a_synchronous_caller_is_redirected_to_the_results_of_the_last_step(hooks: Hooks) -> None:
    first = hooks.call("Synchronous", method="GET")
    assert (first.status_code, first.content) == (303, b"")
    assert first.headers["content-type"] == "application/json"
    assert first.headers["content-length"] == "0"
    assert first.headers["access-control-allow-methods"] == "GET"
    assert "Host" in first.headers["access-control-allow-headers"]
    assert EXECUTION_ID.match(first.headers["prismatic-executionid"])
    then = hooks.http.get(first.headers["location"])
    assert (then.status_code, then.content) == (200, b'{"item":"Widgets","quantity":5}')


# HTTP 400


def test_malformed_json_is_a_bad_request(hooks: Hooks) -> None:
    answer = hooks.call("Echo", content=b"{bad-data", headers=JSON)
    assert answer.status_code == 400
    assert answer.content == b'{"error":"Received malformed JSON payload."}'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == "44"
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert EXECUTION_ID.match(answer.headers["prismatic-executionid"])


def test_an_error_thrown_in_a_synchronous_run_is_a_bad_request(hooks: Hooks) -> None:
    answer = hooks.call("Throws")
    assert answer.status_code == 400
    assert answer.content == b'{"error":"The widget requested is not in the database"}'
    assert answer.headers["content-type"] == "application/json"
    assert hooks.execution(answer.headers["prismatic-executionid"])["status"] == "failed"


# HTTP 429


def test_more_than_fifty_requests_in_a_second_are_too_many(hooks: Hooks) -> None:
    def call(_: int) -> httpx.Response:
        return hooks.call("Limited")

    with ThreadPoolExecutor(8) as callers:
        answers = callers.map(call, range(2_000))
        refused = next(answer for answer in answers if answer.status_code != 200)
        callers.shutdown(cancel_futures=True)
    endpoint = hooks.urls["Limited"].rpartition("/")[2]
    assert refused.status_code == 429
    assert refused.json() == {
        "error": f"Endpoint with id: {endpoint} has exceeded maximum allowed throughput of"
        " 50 requests/second. Please throttle your requests."
    }
    assert refused.headers["retry-after"] == "1"
    execution_id = refused.headers["prismatic-executionid"]
    found = hooks.refusals("list", "refusals", lambda row: row["execution"] == execution_id)
    assert (found["reason"], found["flow"]) == ("rate_limited", "Limited")


# Sending data


def test_body_headers_path_and_parameters_reach_the_flow(hooks: Hooks) -> None:
    data = {"Payload Key 1": "Payload Value 1", "Do Thing?": True, "quantity": 123}
    seen = hooks.seen(
        "/my/custom/path?param-one=ParamValueOne&param-two=ParamValueTwo",
        content=orjson.dumps(data),
        headers=JSON | {"header-one": "First header value", "header-two": "Second header value"},
    )
    assert (seen["body"], seen["doThing"]) == (data, True)
    assert seen["headerOne"] == "First header value"
    assert seen["headers"]["header-two"] == "Second header value"
    assert seen["path"] == "my/custom/path"
    assert seen["pathParts"] == ["my", "custom", "path"]
    assert (seen["paramOne"], seen["paramTwo"]) == ("ParamValueOne", "ParamValueTwo")


def test_headers_have_the_names_that_were_sent(hooks: Hooks) -> None:
    seen = hooks.seen(headers={"X-GitHub-Event": "push", "HEADER-one": "any case"})
    assert seen["headers"]["X-GitHub-Event"] == "push"
    assert seen["headerOne"] == "any case"


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("application/xml", "<a>ü</a>"),
        ("text/csv", "a,b\n1,2\n"),
        ("application/x-www-form-urlencoded", "a=1&b=2"),
    ],
)
def test_what_is_not_json_is_available_raw(hooks: Hooks, content_type: str, content: str) -> None:
    seen = hooks.seen(content=content.encode(), headers={"Content-Type": content_type})
    assert (seen["raw"], seen["body"], seen["contentType"]) == (content, content, content_type)


def test_a_binary_file_is_the_body(hooks: Hooks) -> None:
    image = b"\x89PNG\r\n" + bytes(range(256)) * 2_000
    headers = SYNC | {"Content-Type": "image/png"}
    answer = hooks.call("Binary", content=image, headers=headers, follow_redirects=True)
    assert (answer.status_code, answer.content) == (200, image)


def test_parts_of_a_form_are_referenced_by_name(hooks: Hooks) -> None:
    image = bytes(range(256)) * 2_000
    person = '{"firstname":"Taylor","lastname":"Reece"}'
    form: Any = {
        "person": (None, person, "application/json"),
        "photo": ("taylor.png", image, "image/png"),
    }
    seen = hooks.seen(files=form)
    assert (seen["firstname"], seen["photoType"]) == ("Taylor", "image/png")
    photo = hooks.call("Photo", files=form, headers=SYNC, follow_redirects=True)
    assert (photo.content, photo.headers["content-type"]) == (image, "image/png")


# Accessing webhook URLs


def test_a_flow_is_aware_of_the_urls_and_keys_of_its_instance(hooks: Hooks) -> None:
    seen = hooks.seen("/x")
    assert seen["urls"] == hooks.urls
    assert seen["firstKey"] == KEYS[0]
    assert seen["invokeUrl"] == hooks.urls["Echo"] + "/x"


def test_a_flow_is_aware_of_where_it_runs(hooks: Hooks) -> None:
    answer = hooks.call("Echo", headers=DIRECT)
    seen = answer.json()
    assert seen["executionId"] == answer.headers["prismatic-executionid"]
    known = (seen["customer"], seen["instance"], seen["integration"], seen["flow"])
    assert known == ("acme", "Seed Page", "Seed Page", "Echo")
    assert seen["startedAt"].endswith("Z")


def test_a_flow_with_keys_takes_any_of_them_and_nothing_else(hooks: Hooks) -> None:
    for key in KEYS:
        check_accepted(hooks.call("Secured", headers={"Api-Key": key}))
    for headers in ({}, {"Api-Key": "third-key"}):
        assert hooks.call("Secured", headers=headers).status_code == 401


# Validating payloads with HMAC


def test_a_signed_payload_is_accepted_and_any_other_is_not(hooks: Hooks) -> None:
    message = b'{"item":"widget","quantity":5,"customer":"abc-123"}'
    digest = hmac.new(SECRET.encode(), message, hashlib.sha256).hexdigest()
    assert digest == "dc838d5b2ee53f55b5bcd77271505f52cd4c6c5123a867d9088fb70ac580f5bf"
    headers = JSON | {"my-hmac-header": digest}
    execution_id = check_accepted(hooks.call("Signed", content=message, headers=headers))
    assert hooks.execution(execution_id)["status"] == "succeeded"
    changed = hooks.call("Signed", content=message + b" ", headers=headers)
    assert (changed.status_code, changed.json()["reason"]) == (401, "wrong_signature")
    unsigned = hooks.call("Signed", content=message, headers=JSON)
    assert (unsigned.status_code, unsigned.json()["reason"]) == (401, "missing_signature")


# Synchronous and asynchronous


def test_flows_run_asynchronously_by_default(hooks: Hooks) -> None:
    check_accepted(hooks.call("Echo"))


def test_a_header_makes_a_flow_synchronous(hooks: Hooks) -> None:
    answer = hooks.call("Echo", content=b'{"id": 1}', headers=JSON | SYNC, follow_redirects=True)
    assert (answer.status_code, answer.json()["body"]) == (200, {"id": 1})
    assert answer.history[0].status_code == 303


def test_a_header_makes_a_flow_asynchronous(hooks: Hooks) -> None:
    check_accepted(hooks.call("Synchronous", headers={"prismatic-synchronous": "false"}))


def test_a_caller_may_have_the_result_without_a_redirect(hooks: Hooks) -> None:
    headers = {"prismatic-prefer-direct-sync-json-response": "true"}
    answer = hooks.call("Synchronous", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"item": "Widgets", "quantity": 5})
    assert answer.headers["content-type"] == "application/json"


def test_a_result_of_five_megabytes_is_redirected_to_all_the_same(hooks: Hooks) -> None:
    headers = {"prismatic-prefer-direct-sync-json-response": "true"}
    answer = hooks.call("Large", headers=headers)
    assert answer.status_code == 303
    assert len(hooks.http.get(answer.headers["location"]).json()[0]) == 5_000_000


def test_a_binary_result_is_redirected_to_all_the_same(hooks: Hooks) -> None:
    answer = hooks.call("Binary", content=b"\xff", headers=DIRECT | {"Content-Type": "image/png"})
    assert answer.status_code == 303


@pytest.mark.parametrize("flow", ["Stops", "Returns Status"])
def test_the_last_step_may_choose_the_status_and_then_the_body_is_null(
    hooks: Hooks, flow: str
) -> None:
    answer = hooks.call(flow)
    assert (answer.status_code, answer.content) == (415, b"null")
    assert "location" not in answer.headers
    assert hooks.execution(answer.headers["prismatic-executionid"])["status"] == "succeeded"


def test_a_page_of_another_origin_may_call(hooks: Hooks) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    answer = hooks.call("Secured", method="OPTIONS", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_refused_call_leaves_something_to_be_found(hooks: Hooks) -> None:
    assert hooks.call("Secured", headers={"Api-Key": "wrong"}).status_code == 401
    endpoint = hooks.urls["Secured"].rpartition("/")[2]
    found = hooks.refusals("calls", "refusedCalls", lambda row: row["endpoint"] == endpoint)
    assert found["calls"] >= 1
    table = running.command("refusals", "calls", env=hooks.env)
    assert "wrong_api_key" in table.out


# Schedules, deployment, removal and custom triggers


def test_a_custom_schedule_runs_during_business_hours(hooks: Hooks) -> None:
    hooks.deploy_lifecycle("hours")
    ledger = hooks.schedule("hours", "Business Hours")
    done = running.command("schedules", "ticks", ledger, "--coming", "100", "--json", env=hooks.env)
    coming = [datetime.fromisoformat(due) for due in done.json["coming"]]
    assert len(coming) == 100
    for due in coming:
        assert due.utcoffset() == timedelta(0)
        assert (due.minute % 5, due.second) == (0, 0)
        assert 8 <= due.hour <= 16
        assert due.weekday() < 5
    steps = {later - sooner for sooner, later in pairwise(coming)}
    assert min(steps) == timedelta(minutes=5)


def test_a_schedule_can_be_configured_for_each_customer(hooks: Hooks) -> None:
    hooks.deploy_lifecycle("early", "--config", "When=30 5 * * *")
    hooks.deploy_lifecycle("late", "--config", "When=45 21 * * *")
    shown = {name: hooks.schedule(name, "Per Customer", "expression") for name in ("early", "late")}
    assert shown == {"early": "30 5 * * *", "late": "45 21 * * *"}


def test_a_deploy_flow_runs_whenever_the_integration_is_deployed(hooks: Hooks) -> None:
    for count in (1, 2):
        deployed = hooks.deploy_lifecycle("deploys")
        ran = hooks.ran("deploys", "Set Up", count)
        assert {one["status"] for one in ran} == {"succeeded"}
    steps = {step["key"]: step for step in hooks.execution(ran[0]["id"])["steps"]}
    urls = {flow["name"]: flow["webhookUrl"] for flow in deployed["flows"]}
    assert steps["known"]["result"]["urls"] == urls


def test_a_remove_flow_runs_when_an_instance_is_removed(hooks: Hooks) -> None:
    deployed = hooks.deploy_lifecycle("removes")
    hooks.ran("removes", "Set Up", 1)
    done = running.command("instances", "remove", deployed["instanceId"], "--yes", env=hooks.env)
    assert done.code == 0, done.err
    [ran] = hooks.ran("removes", "Clean Up", 1)
    assert ran["status"] == "succeeded"


def test_a_custom_trigger_gives_a_dynamic_response(hooks: Hooks) -> None:
    deployed = hooks.deploy_lifecycle("dynamic")
    url = next(flow["webhookUrl"] for flow in deployed["flows"] if flow["name"] == "Dynamic")
    answer = hooks.http.post(url, json={"challenge": "c4"})
    assert (answer.status_code, answer.text) == (203, "c4")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-seen"] == "yes"
    assert EXECUTION_ID.match(answer.headers["prismatic-executionid"])


# Limits of synchronous calls: last, and not by way of `hooks`, so that both are waited for at once


@pytest.mark.parametrize("log", LOGS)
def test_a_caller_waits_twenty_nine_seconds_and_the_execution_goes_on(
    log: str, request: pytest.FixtureRequest
) -> None:
    hooks: Hooks = request.getfixturevalue(log)
    answer = hooks.slow.result(ANSWER_S)
    execution_id = answer.headers["prismatic-executionid"]
    assert (answer.status_code, answer.json()["reason"]) == (504, "timeout")
    assert answer.json()["executionId"] == execution_id
    assert answer.elapsed.total_seconds() > 28
    assert hooks.execution(execution_id)["status"] == "succeeded"
