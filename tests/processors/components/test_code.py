"""Code steps: what authors write works, and nothing that they write harms the process."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import cleaning
from processors.actions import Change, Context, LogLine, Outcome, StepError, World
from processors.components import code_processes
from processors.components.code_processes import Ended, Limits, Pool
from processors.private_networks import guarded_client
from schemas.events import Scope
from schemas.values import Value
from tests.processors.components.test_kit import action, context

LIMITS = Limits(time_s=5, memory_bytes=64 * 1024**2, result_bytes=1024)


def run(
    code: str, within: Context | None = None, *, data: Value = None, limit_s: float = 10
) -> Outcome:
    named = action("code", "runCode")
    inputs = cleaning.clean(named, {"code": code, "data": data})
    world = World(http=guarded_client(allow_private=False), code_timeout_s=limit_s)
    outcome = named.perform(inputs, within or context(), world)
    assert isinstance(outcome, Outcome)
    return outcome


def body(statements: str) -> str:
    return f"module.exports = async (context, stepResults) => {{ {statements} }}"


def returned(expression: str, within: Context | None = None) -> Value:
    return run(f"module.exports = async (context, stepResults) => ({expression})", within).result


@pytest.mark.parametrize(
    "code",
    [
        "module.exports = async (context, stepResults) => ({ data: 7 });",
        "module.exports = (context, stepResults) => ({ data: 7 })",
        "module.exports = async function (context) { return { data: 7 }; }",
        "async function main() { return { data: 7 }; }\nmodule.exports = main;",
        "export default async (context, stepResults) => ({ data: 7 });",
        "const seven = 7;\nexport default async function run() { return { data: seven }; }",
        "exports.default = async () => ({ data: 7 });",
        "/** A comment. */\n'use strict';\nmodule.exports = async ({ logger }) => ({ data: 7 });",
        "module.exports = async () => { await null; await Promise.all([1, 2]); return {data: 7} }",
    ],
)
def test_every_spelling_of_an_export_runs(code: str) -> None:
    assert run(code).result == 7


def test_results_of_steps_and_items_of_loops_are_there() -> None:
    results = {"getOrder": {"results": {"id": 3}}, "loop": {"currentItem": {"a": [1]}}}
    shown = "{data: [stepResults.getOrder.results.id, stepResults.loop.currentItem.a[0]]}"
    assert returned(shown, context(results=results)) == [3, 1]


def test_the_context_tells_of_the_execution() -> None:
    kept: dict[Scope, dict[str, Value]] = {
        Scope.CROSS_FLOW: {"channel": "C1"},
        Scope.FLOW: {"n": 1},
    }
    payload = {
        "customer": {"externalId": "acme"},
        "instance": {"name": "I"},
        "rawBody": {"data": b""},
    }
    within = context(payload=payload, config={"Base URL": "u"}, state=kept, step="mapFields")
    shown = "context.customer.externalId, context.instance.name, context.configVars['Base URL']"
    shown += ", context.crossFlowState.channel, context.instanceState.n, context.stepName"
    shown += ", context.executionId, context.executionState, typeof context.user"
    assert returned(f"{{data: [{shown}]}}", within) == [
        *("acme", "I", "u", "C1", 1, "mapFields", "e-1", {}, "undefined")
    ]


def test_the_data_input_is_there() -> None:
    code = "module.exports = async (context) => ({data: context.data.n + 1})"
    assert run(code, data={"n": 1}).result == 2


def test_bytes_go_in_and_out_as_buffers() -> None:
    within = context(results={"file": {"results": {"data": b"\x01\xff"}}})
    shown = "{data: [stepResults.file.results.data.readUInt8(1), stepResults.file.results]}"
    assert returned(shown, within) == [255, {"data": b"\x01\xff"}]
    assert returned("{data: new Uint8Array([1, 2])}") == b"\x01\x02"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 255, 256])
def test_bytes_of_any_length_come_out_as_they_went_in(size: int) -> None:
    content = bytes(range(255, 255 - size, -1)) if size < 256 else bytes(range(256))
    within = context(results={"trigger": {"results": {"body": content, "rawBody": content}}})
    same = returned("{data: stepResults.trigger.results}", within)
    assert same == {"body": content, "rawBody": content}
    filled = (
        "{data: (stepResults.trigger.results.body.fill(0), stepResults.trigger.results.rawBody)}"
    )
    assert returned(filled, within) == content


def test_what_only_looks_like_bytes_stays_as_it_is() -> None:
    given: dict[str, Value] = {"type": "Buffer", "base64": "abcde"}
    within = context(results={"trigger": {"results": given}})
    assert returned("{data: stepResults.trigger.results}", within) == given


def test_a_body_of_megabytes_leaves_code_its_memory() -> None:
    content = bytes(range(256)) * 4096 * 6
    results = {"trigger": {"results": {"body": {"data": content}, "rawBody": {"data": content}}}}
    shown = "{data: stepResults.trigger.results.body.data.length}"
    assert returned(shown, context(results=results)) == len(content)


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        ("statusCode: 415", None),
        ("statusCode: 415, data: {a: 1}", {"a": 1}),
        ("statusCode: 415, body: 'no'", "no"),
        ("statusCode: 415, data: null, body: 'no'", None),
        ("body: 'no'", None),
    ],
)
def test_an_answer_is_taken_from_what_is_returned(returned: str, result: Any) -> None:
    outcome = run(body(f"return {{{returned}, contentType: 'text/plain', headers: {{'X-A': 1}}}}"))
    assert outcome.result == result
    assert (outcome.content_type, outcome.headers) == ("text/plain", {"X-A": "1"})


def test_status_and_states_are_taken_from_what_is_returned() -> None:
    state = "executionState: {a: 1}, instanceState: {b: [2]}, crossFlowState: {c: null}"
    outcome = run(body(f"return {{data: 'x', statusCode: 201, {state}}}"))
    assert (outcome.result, outcome.status) == ("x", 201)
    assert outcome.changes == (
        Change(Scope.EXECUTION, "a", 1),
        Change(Scope.FLOW, "b", [2]),
        Change(Scope.CROSS_FLOW, "c", None, removed=True),
    )


def test_the_rest_of_the_console_is_there() -> None:
    statements = """
        console.group('of orders'); console.time('t'); console.dir({a: 1}, {depth: null});
        console.table([1]); console.assert(true, 'no'); console.assert(false, 'yes');
        console.timeEnd('t'); console.count(); console.groupEnd(); return {data: 1};"""
    assert run(body(statements)).logs == (
        LogLine("info", "of orders"),
        LogLine("info", '{"a":1}'),
        LogLine("info", "[1]"),
        LogLine("error", "Assertion failed yes"),
    )


def test_a_state_that_is_passed_on_as_it_was_is_not_written_again() -> None:
    held: dict[str, Any] = {"count": 4, "list": [1, {"a": True}], "flag": 1}
    within = context(state={Scope.FLOW: held})
    outcome = run(
        body("return {data: 1, instanceState: {...context.instanceState, seen: 2, flag: true}}"),
        within,
    )
    assert outcome.changes == (Change(Scope.FLOW, "flag", True), Change(Scope.FLOW, "seen", 2))


def test_log_lines_are_kept_in_order_without_secrets() -> None:
    statements = """
        context.logger.info('one', 2, {a: [null]}, undefined);
        console.log(new Error('oops')); console.warn('key s3cret'); console.debug();
        return {data: null};"""
    outcome = run(body(statements), context(secrets=frozenset({"s3cret"})))
    assert outcome.logs == (
        LogLine("info", 'one 2 {"a":[null]} undefined'),
        LogLine("info", "Error: oops"),
        LogLine("warn", "key ***"),
        LogLine("debug", ""),
    )


def test_log_lines_are_bounded_in_number_and_size() -> None:
    outcome = run(body("for (let i = 0; i < 1500; i++) console.log('x'.repeat(9000)); return {};"))
    assert len(outcome.logs) == 1001
    assert len(outcome.logs[0].message) == 4096
    assert outcome.logs[-1] == LogLine("warn", "500 more lines were dropped")


@pytest.mark.parametrize("expression", ["undefined", "null", "{}", "{data: undefined}", "[]"])
def test_without_data_the_result_is_null(expression: str) -> None:
    assert returned(expression) is None


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("\n\nmodule.exports = async () => {\n  return nothing.here;\n}", r"nothing.*\(line 4\)$"),
        ("\nmodule.exports = async () => {\n  return 1 1;\n}", r"SyntaxError.*\(line 3\)$"),
        ("throw new Error('at the top')", "^at the top$"),
        ("module.exports = 5", "must set module.exports to a function"),
        ("1", "must set module.exports to a function"),
        (body("throw new TypeError('bad ' + 1)"), "^TypeError: bad 1"),
        (body("throw {code: 1}"), r'^{"code":1} was thrown'),
        (body("throw 'text'"), "^text was thrown"),
        (body("throw undefined"), "^undefined was thrown"),
        (body("throw null"), "threw null"),
        (body("throw {toString() { throw 1 }, toJSON() { throw 2 }}"), "cannot be shown"),
        (body("const e = new Error(''); e.toString = () => { throw 1 }; throw e"), "be shown"),
        (body("return Promise.reject(new Error('later'))"), "^later$"),
        (body("return require('fs')"), r'require\("fs"\)'),
        (body("return 5"), "must return an object with data, not a number"),
        (body("return {data: () => 1}"), "data is a function"),
        (body("const a = {}; a.a = a; return {data: a}"), "circular"),
        (body("return {data: 10n}"), "(?i)bigint"),
        (body("return {get data() { throw new Error('got') }}"), "^got$"),
        (body("return {then() { throw new Error('then') }}"), "^then$"),
        (body("return {statusCode: 'x'}"), "statusCode .* found 'x'"),
        (body("return {statusCode: 99}"), "statusCode .* found 99"),
        (body("return {statusCode: 200, contentType: 5}"), "contentType .* found '5'"),
        (body("return {statusCode: 200, headers: [1]}"), "headers .* found"),
        (body("return {executionState: 5}"), "executionState must be an object, found 5"),
        (body("return new Promise(() => {})"), "never settles"),
        (body("await new Promise(() => {}); return {data: 1}"), "never settles"),
    ],
)
def test_a_failure_says_what_the_author_needs(code: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        run(code)


def test_a_failure_shows_no_secret() -> None:
    with pytest.raises(StepError, match=r"^\*\*\* was wrong"):
        run(body("throw new Error('s3cret was wrong')"), context(secrets=frozenset({"s3cret"})))


@pytest.mark.parametrize(
    "statements",
    [
        "while (true);",
        "await null; while (true);",
        "for (;;) await null;",
        "const again = () => Promise.resolve().then(again); return again();",
        "/(a+)+$/.test('a'.repeat(40) + 'b');",
        "Array(4294967295).indexOf(1);",
        "while (true) { try { while (true); } catch (e) {} }",
        "return {toJSON() { while (true); }};",
    ],
)
def test_code_without_end_is_stopped(statements: str) -> None:
    with pytest.raises(StepError, match=r"^The code took longer than 0\.1 s$"):
        run(body(statements), limit_s=0.1)
    assert returned("{data: 1}") == 1


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        ("const a = []; while (true) a.push('x'.repeat(1000) + a.length);", "64 MiB of memory"),
        ("return {data: 'x'.repeat(1e9)};", "64 MiB of memory"),
        ("return {data: new Uint8Array(1e9)};", "64 MiB of memory"),
        ("const f = () => f() + 1; return {data: f()};", "stack overflow"),
        (
            "const p = new Proxy({}, {get: (t, k, r) => r[k]}); return {data: p.x};",
            "stack overflow",
        ),
        ("JSON.parse('['.repeat(1e6));", "stack overflow"),
        ("return {data: 'x'.repeat(54e6)};", "larger than"),
        ("let o = 1; for (let i = 0; i < 300; i++) o = [o]; return {data: o};", "cannot be kept"),
    ],
)
def test_code_that_wants_too_much_fails(statements: str, message: str) -> None:
    with pytest.raises(StepError, match=message):
        run(body(statements))
    assert returned("{data: 1}") == 1


def test_a_sandbox_that_crashes_takes_nothing_with_it() -> None:
    nested = "let o = {}; for (let i = 0; i < 30000; i++) o = {o}; return {data: o};"
    with pytest.raises(StepError):
        run(body(nested))
    assert returned("{data: 1}") == 1


@pytest.mark.parametrize(
    "statements",
    [
        "JSON.stringify = () => 'forged'; JSON.parse = null; return {data: 1};",
        "Promise.prototype.then = () => { throw 1 }; Promise.resolve = null; return {data: 1};",
        "Array.prototype.push = String.prototype.slice = null; console.log(1); return {data: 1};",
        "delete globalThis.module; globalThis.eval = null; return {data: 1};",
        "Object.defineProperty(Object.prototype, 'is', {set() { throw 1 }}); return {data: 1};",
        "Array.prototype.toJSON = () => 'forged'; return {data: 1};",
        "Object.freeze(globalThis); return {data: 1};",
    ],
)
def test_games_with_prototypes_change_nothing(statements: str) -> None:
    assert run(body(statements)).result == 1


def test_how_values_become_json_may_be_changed_but_not_to_harm() -> None:
    assert run(body("Object.prototype.toJSON = () => 5; return {data: 1};")).result is None


def test_nothing_is_left_for_the_next_run() -> None:
    run(body("globalThis.left = 1; Object.prototype.left = 1; return {};"))
    assert returned("{data: [typeof left, ({}).left === undefined]}") == ["undefined", True]


def test_the_sandbox_knows_nothing_of_the_machine() -> None:
    names = "std, os, Deno, XMLHttpRequest, WebSocket, WebAssembly, Worker, importScripts"
    shown = ", ".join(f"typeof {name.strip()}" for name in names.split(","))
    assert set(returned(f"{{data: [{shown}]}}")) == {"undefined"}
    assert returned("{data: process.env}") == {}


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (r"'a\u0000b'", "a\0b"),
        (r"'\ud83d\ude00 ü'", "😀 ü"),
        (r"'\ud800'", "\ufffd"),
        (r"'\\ud800'", r"\ud800"),
        (r"'\\\ud800'", "\\\ufffd"),
    ],
)
def test_any_text_comes_back(expression: str, text: str) -> None:
    assert returned(f"{{data: {expression}}}") == text


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-(2.0**53), 2.0**53)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=50)
@given(value=json_values)
def test_values_pass_through_unchanged(value: Any) -> None:
    code = "module.exports = async (context) => ({data: {it: context.data}})"
    assert run(code, data={"it": value}).result == {"it": {"it": value}}


def test_threads_run_side_by_side_in_sandboxes_of_their_own() -> None:
    everyone = threading.Barrier(3)

    def step(number: int) -> Value:
        everyone.wait()
        return returned(f"{{data: {number}}}")

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(step, range(3))) == [0, 1, 2]


def test_a_kept_sandbox_that_ended_is_replaced() -> None:
    pool = Pool()
    code = b"module.exports = () => ({data: 1})"
    given = b'{"context": {}, "stepResults": {}}'
    assert pool.run(code, given, LIMITS).startswith(b'{"result":{"data":1}')
    pool._kept[0].end()
    assert pool.run(code, given, LIMITS).startswith(b'{"result":{"data":1}')
    pool.close()
    pool.close()


def test_a_sandbox_that_is_killed_at_work_says_so() -> None:
    sandbox = code_processes._Sandbox()
    assert sandbox.is_ready()
    sandbox._process.kill()
    with pytest.raises(Ended) as caught:
        sandbox.run(b"1", b"{}", LIMITS, lambda requests: requests)
    assert not caught.value.timed_out
    sandbox.end()
