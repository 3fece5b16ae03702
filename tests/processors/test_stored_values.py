"""Bytes in the blob store on their way through a flow: passed on, or loaded where needed."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from eventlog.blobs import Blobs
from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from processors.components.code import MAX_GIVEN_BYTES
from schemas import codec, events, values
from schemas.stored import Stored
from schemas.topics import EXECUTIONS, TRIGGERS
from tests import http_stub
from tests.http_stub import Reply, Stub
from tests.processors.at_work import (
    ENDPOINT,
    deploy,
    processing,
    replies,
    request,
    said_on,
)

SIZE = 600_000
STEPS = """
definitionVersion: 7
name: Passing
flows:
  - name: Order
    steps:
      - name: Trigger
        isTrigger: true
        action: {{key: webhook, component: {{key: webhook-triggers}}}}
      - name: Get
        action: {{key: httpGet, component: {{key: http}}}}
        inputs:
          url: {{type: reference, value: trigger.results.body.data.url}}
          responseType: {{type: value, value: binary}}
{steps}
"""


def code(body: str) -> str:
    return f"""
      - name: Code
        action: {{key: runCode, component: {{key: code}}}}
        inputs: {{code: {{type: value, value: '{body}'}}}}
"""


@dataclass
class Bench:
    log: SqliteLog
    blobs: Blobs
    stub: Stub

    async def result(self, size: int = SIZE) -> events.ResultReady:
        content = (b"text " * (size // 5 + 1))[:size]
        self.stub.replies["/file"] = [Reply(content, content_type="text/plain")]
        url = orjson.dumps({"url": f"{self.stub.url}/file", "base": self.stub.url}).decode()
        await self.log.append([request(1, url)])
        [reply] = await replies(self.log, 1)
        assert isinstance(reply, events.ResultReady)
        return reply

    async def value(self, size: int = SIZE) -> Any:
        reply = await self.result(size)
        assert reply.error is None, reply.error
        assert reply.response is not None
        return values.from_json(reply.response.result, reply.response.tagged)


@asynccontextmanager
async def bench(folder: Path, *steps: str, **limits: int) -> AsyncIterator[Bench]:
    log = await SqliteLog.open(folder / "log.db")
    await deploy(log, STEPS.format(steps="".join(steps)))
    async with http_stub.running() as stub, processing(log, folder, **limits):
        yield Bench(log, Blobs.open(str(folder / "blobs")), stub)
    await log.close()


async def test_a_download_is_the_result_by_its_place_on_the_log(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        found = await one.value()
        said = await said_on(one.log, EXECUTIONS)
    assert found["contentType"] == "text/plain"
    stored = found["data"]
    assert isinstance(stored, Stored)
    assert stored.size == SIZE
    [got] = [e for e in said if isinstance(e, events.StepSucceeded) and e.step == "get"]
    assert got.blob is None
    assert got.result["data"] == {"$stored": [stored.blob, 0, SIZE]}


PASSING = """
      - name: Choose
        action: {key: selectExecutedStepResult, component: {key: branch}}
        inputs: {stepResults: {type: complex, value: [{type: reference, value: get.results.data}]}}
      - name: Send
        action: {key: httpPost, component: {key: http}}
        inputs:
          url: {type: template, value: "{{$trigger.results.body.data.base}}/status/200"}
          data: {type: reference, value: get.results}
      - name: Stop
        action: {key: stopExecution, component: {key: stop-execution}}
        inputs:
          jsonBody: {type: reference, value: choose.results}
          contentType: {type: value, value: image/png}
"""
NEEDING = """
      - name: Length
        action: {key: stringLength, component: {key: text-manipulation}}
        inputs: {text: {type: reference, value: get.results.data}}
      - name: Zip
        action: {key: compressGzip, component: {key: zip}}
        inputs: {fileData: {type: reference, value: get.results}}
      - name: Say
        action: {key: createObject, component: {key: collection-tools}}
        inputs:
          keyValueInput:
            type: complex
            value:
              - {name: length, type: reference, value: length.results}
              - {name: text, type: template, value: "<{{$get.results.data}}>"}
              - {name: zipped, type: reference, value: zip.results}
"""


async def test_steps_that_only_pass_it_on_do_not_load_it(tmp_path: Path) -> None:
    async with bench(tmp_path, PASSING, max_loaded_bytes=1_000) as one:
        found = await one.value()
        sent = one.stub.received[-1]
        said = await said_on(one.log, EXECUTIONS)
    assert isinstance(found, Stored)
    assert (sent.method, len(sent.body)) == ("POST", SIZE)
    assert sent.headers["content-type"] == "text/plain"
    given = {e.step: e.inputs or {} for e in said if isinstance(e, events.StepSucceeded)}
    assert given["send"]["data"] == {"$reference": ["get", "results"]}
    assert given["stop"]["jsonBody"] == {"$reference": ["choose", "results"]}


async def test_steps_that_need_the_bytes_have_them_loaded(tmp_path: Path) -> None:
    async with bench(tmp_path, NEEDING) as one:
        reply = await one.result()
        assert reply.error is None, reply.error
        assert reply.response is not None
        assert reply.response.blob is not None
        found = values.load(await one.blobs.get(reply.response.blob))
    found = values.from_json(found, True)
    assert found["length"] == SIZE
    assert found["text"] == f"<{(b'text ' * 120_000).decode()}>"
    assert isinstance(found["zipped"]["data"], bytes)


BRANCH = """
      - name: Choose
        action: {key: branchOnExpression, component: {key: branch}}
        inputs:
          conditions:
            type: complex
            value:
              - name: {type: value, value: Fits}
                type: complex
                value:
                  - {type: value, value: OPERATOR}
                  - {type: reference, value: get.results.data}
                  - {type: value, value: text}
        branches:
          - name: Fits
            steps:
              - name: Fitted
                action: {key: createObject, component: {key: collection-tools}}
                inputs: {keyValueInput: {type: complex, value: []}}
          - name: Else
            steps: []
"""


async def test_a_condition_loads_the_bytes_only_where_it_looks_at_them(tmp_path: Path) -> None:
    for operator, most in (("exists", 1_000), ("notEqual", SIZE), ("notEqual", 1_000)):
        folder = tmp_path / f"{operator}{most}"
        folder.mkdir()
        flow = BRANCH.replace("OPERATOR", operator)
        async with bench(folder, flow, max_loaded_bytes=most) as one:
            reply = await one.result()
            said = await said_on(one.log, EXECUTIONS)
        taken = [e.branch for e in said if isinstance(e, events.StepSucceeded) and e.branch]
        if operator == "notEqual" and most < SIZE:
            assert "PENSTOCK_MAX_LOADED_BYTES" in (reply.error or "")
        else:
            assert (reply.error, taken) == (None, ["Fits"])


async def test_what_is_too_large_to_load_fails_the_step_that_needs_it_by_name(
    tmp_path: Path,
) -> None:
    needing = NEEDING
    async with bench(tmp_path, needing, max_loaded_bytes=500_000) as one:
        reply = await one.result()
        said = await said_on(one.log, EXECUTIONS)
    assert reply.error == (
        "step 'Length': a value of 600000 bytes is in the blob store, and is needed in memory, "
        "where it may have 500000 (PENSTOCK_MAX_LOADED_BYTES)"
    )
    assert [e.step for e in said if isinstance(e, events.StepFailed)] == ["length"]


async def test_code_is_given_the_bytes_where_it_has_room_for_them(tmp_path: Path) -> None:
    body = "module.exports = async (c, s) => ({data: s.get.results.data.length})"
    async with bench(tmp_path, code(body)) as one:
        assert await one.value(MAX_GIVEN_BYTES) == MAX_GIVEN_BYTES


async def test_code_that_does_not_read_what_is_too_large_goes_on(tmp_path: Path) -> None:
    body = "module.exports = async (c, s) => ({data: s.get.results.contentType})"
    async with bench(tmp_path, code(body)) as one:
        assert await one.value(MAX_GIVEN_BYTES + 1) == "text/plain"


async def test_code_that_reads_what_is_too_large_is_told_so(tmp_path: Path) -> None:
    body = "module.exports = async (c, s) => ({data: s.get.results.data.length})"
    async with bench(tmp_path, code(body)) as one:
        reply = await one.result(MAX_GIVEN_BYTES + 1)
    assert reply.error == (
        f"a value of {MAX_GIVEN_BYTES + 1} bytes is in the blob store; code is given values of"
        f" {MAX_GIVEN_BYTES} bytes from there at most"
    )


def _with_body(number: int, key: str, size: int, content_type: str) -> NewRecord:
    event = events.WebhookReceived(
        endpoint_id=ENDPOINT,
        request=events.Request(
            method="POST",
            path="",
            headers=[["Content-Type", content_type]],
            query=[],
            body=key,
            encoding=events.BodyEncoding.BLOB,
            body_bytes=size,
            content_type=content_type,
        ),
        synchronous=True,
        reply_to="node",
        request_no=number,
        invoke_url="http://localhost/trigger/x",
    )
    return NewRecord(TRIGGERS.name, ENDPOINT, codec.encode([event]))


ECHO = """
definitionVersion: 7
name: Echo
flows:
  - name: Order
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
      - name: Stop
        action: {key: stopExecution, component: {key: stop-execution}}
        inputs: {jsonBody: {type: reference, value: trigger.results.body.data}}
"""


async def test_a_large_binary_body_and_large_files_of_forms_are_not_loaded(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, ECHO)
    blobs = Blobs.open(str(tmp_path / "blobs"))
    image = os.urandom(SIZE)
    form = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + image
    form += b"\r\n--b--\r\n"
    await blobs.put("bodies/image", image)
    await blobs.put("bodies/form", form)
    async with processing(log, tmp_path, max_loaded_bytes=1_000):
        await log.append(
            [
                _with_body(1, "bodies/image", len(image), "image/png"),
                _with_body(2, "bodies/form", len(form), "multipart/form-data; boundary=b"),
                _with_body(3, "bodies/image", len(image), "text/plain"),
            ]
        )
        found = await replies(log, 3)
    await log.close()
    told = {one.request_no: one for one in found if isinstance(one, events.ResultReady)}

    def body_of(number: int) -> Any:
        response = told[number].response
        assert response is not None
        return values.from_json(response.result, response.tagged)

    assert body_of(1) == Stored("bodies/image", SIZE)
    assert body_of(2)["f"]["data"] == Stored("bodies/form", SIZE, form.index(image))
    assert "PENSTOCK_MAX_LOADED_BYTES" in (told[3].error or "")


async def test_an_execution_that_goes_on_after_a_crash_knows_what_is_stored(tmp_path: Path) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await gone.wait()
        writer.close()

    hanging = await asyncio.start_server(hang, "127.0.0.1", 0)
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, STEPS.format(steps=RESUMED))
    async with hanging, http_stub.running() as stub:
        stub.replies["/file"] = [Reply(b"x" * SIZE, content_type="image/png")]
        port = hanging.sockets[0].getsockname()[1]
        told = {"url": f"{stub.url}/file", "port": port}
        async with processing(log, tmp_path):
            await log.append([request(1, orjson.dumps(told).decode())])
            await asyncio.wait_for(asked.wait(), 30)
        gone.set()
        hanging.close()
        async with processing(log, tmp_path):
            [reply] = await replies(log, 1)
        fetched = [sent for sent in stub.received if sent.path == "/file"]
    await log.close()
    assert isinstance(reply, events.ResultReady)
    assert reply.response is not None
    assert reply.response.result["data"]["$stored"][1:] == [0, SIZE]
    assert len(fetched) == 1


RESUMED = """
      - name: Hang
        action: {{key: httpGet, component: {{key: http}}}}
        errorConfig: {{errorHandlerType: ignore}}
        inputs:
          url: {{type: template, value: "http://127.0.0.1:{{{{$trigger.results.body.data.port}}}}/"}}
      - name: Last
        action: {{key: selectExecutedStepResult, component: {{key: branch}}}}
        inputs: {{stepResults: {{type: complex, value: [{{type: reference, value: get.results}}]}}}}
""".replace("{{", "{").replace("}}", "}")
