"""A hundred snippets that mean harm, or do some: each ends in a clear error, and nothing else.

They run with low limits, in the sandboxes that the others of this process use too. Each is to meet
one limit, so the others are out of its reach, however busy the machine is.
"""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from processors.actions import StepError, World
from processors.components import code_processes
from processors.components.code import run_code
from processors.private_networks import guarded_client
from tests.processors.components.test_code import body, returned
from tests.processors.components.test_kit import context

SHORT_S, LONG_S = 0.1, 100.0
LITTLE_BYTES, MUCH_BYTES = 16 * 1024 * 1024, 256 * 1024 * 1024
TIME = r"^The code took longer than 0\.1 s$"
MEMORY = r"needs more than 16 MiB of memory$"
DEPTH = r"stack overflow"

# What never ends.
ENDLESS = [
    "while (true);",
    "for (;;) { Math.sqrt(2); }",
    "do { await null; } while (true);",
    "let o = {}; for (let i = 0; i < 26; i++) o = {a: o, b: o}; return {data: o};",
    "const again = () => Promise.resolve().then(again); await again();",
    "const again = () => { queueMicrotask(again); }; again(); await new Promise(() => {});",
    "const again = () => { process.nextTick(again); }; again(); await new Promise(() => {});",
    "const again = () => { setTimeout(again, 0); }; again(); await new Promise(() => {});",
    "setInterval(() => {}, 1); await new Promise(() => {});",
    "await new Promise((done) => setTimeout(done, 1e12));",
    "await new Promise((done) => setTimeout(done, Infinity));",
    "/(a+)+$/.test('a'.repeat(60) + '!');",
    "/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60));",
    "'x'.repeat(30).match(/(x+x+)+y/);",
    "'a'.repeat(1e5).replace(/(a*)*b/g, '');",
    "Array(4294967295).indexOf(1);",
    "Array(1e9).includes(1);",
    "new Array(1e9).join('');",
    "[].concat.call(Object.assign([], {length: 4294967295}), 1);",
    "const g = (function* () { while (true) yield 1; })(); for (const one of g);",
    "for (const one of {[Symbol.iterator]: () => ({next: () => ({done: false})})});",
    "Array.from({[Symbol.iterator]: () => ({next: () => ({done: false})})});",
    "new Map({[Symbol.iterator]: () => ({next: () => ({done: false, value: [1, 1]})})});",
    "await Promise.all({[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})});",
    "while (true) { try { while (true); } catch (error) {} }",
    "try { while (true); } finally { while (true); }",
    "new Proxy([], {get: () => { while (true); }}).x;",
    "const o = {get a() { return this.a2; }, get a2() { while (true); }}; o.a;",
    "return {get data() { while (true); }};",
    "return {toJSON() { while (true); }};",
    "return {data: {toJSON() { while (true); }}};",
    "return {then() { while (true); }};",
    "throw {toString() { while (true); }, toJSON() { while (true); }};",
    "class E extends Error { get message() { while (true); } get stack() { while (true); } }"
    " throw new E();",
    "console.log({toJSON() { while (true); }});",
    "JSON.stringify = () => { while (true); }; while (true);",
    "let n = 1n; while (true) n *= 3n;",
    "let n = 0; while (n >= 0) n = (n + 1) % 7;",
    "let a = [3, 1, 2]; a.sort(() => { while (true); });",
    "'abc'.replace(/b/, () => { while (true); });",
    "label: while (true) { continue label; }",
    "eval('while (true);');",
    "new Function('while (true);')();",
    "const all = async function* () { while (true) yield 1; }; for await (const one of all());",
    "Object.defineProperty(globalThis, 'Promise', {get() { while (true); }}); Promise;",
    "const s = new Set([1]); for (const n of s) { s.delete(n); s.add(n + 1); }",
    "new Date(Date.now()).toString = 1; for (let d = Date.now(); d === Date.now(););",
    "crypto.createHash('sha512').update('x'.repeat(4e6)).digest('hex');",
]

# What wants all there is.
GREEDY = [
    "const a = []; while (true) a.push('x'.repeat(1000) + a.length);",
    "let s = 'x'; while (true) s += s;",
    "return {data: 'x'.repeat(1e9)};",
    "return {data: new Uint8Array(1e9)};",
    "return {data: Buffer.alloc(1e9)};",
    "return {data: Array(1e8).fill(0)};",
    "return {data: Array.from({length: 1e8}, (_, i) => i)};",
    "const o = {}; for (let i = 0; ; i++) o['k' + i] = i;",
    "const m = new Map(); for (let i = 0; ; i++) m.set(i, [i]);",
    "const p = []; while (true) p.push(new Promise(() => {}));",
    "while (true) setTimeout(() => {}, 1);",
    "while (true) queueMicrotask(() => {});",
    "const a = []; for (let i = 0; i < 1e7; i++) a.push({i});",
    "'x'.padEnd(1e9);",
    "Array(1e7).join('xxxxxxxxxx');",
    "(1n << 1000000000n).toString();",
    "let s = 'x'.repeat(1e6); return {data: Array(1000).fill(s)};",
    "return {data: Buffer.from('x'.repeat(1e7))};",
    "return {data: btoa('x'.repeat(1e7))};",
    "structuredClone(Array(1e7).fill(0));",
    "const f = () => { const b = []; return () => b; }; const l = []; while (1) l.push(f());",
    "JSON.parse('[' + '0,'.repeat(5e6) + '0]');",
    "'x'.repeat(1e6).split('').map((c) => c.repeat(1e4));",
    "const w = new WeakMap(); const k = []; while (1) { const o = {}; k.push(o); w.set(o, [o]); }",
]

GREEDY.append("let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); f();")

# What wants all there is, in promises and jobs.
GREEDY += [
    "const a = []; const f = async () => { await null; while (1) a.push(new Array(1000)); };"
    " await f();",
    "const f = async () => { await null; const a = []; while (1) a.push([1]); }; await f();",
    "await new Promise(() => { queueMicrotask(() => { const a = []; while (1) a.push([1]); }); });",
    "await new Promise(() => { setTimeout(() => { const a = []; while (1) a.push([1]); }); });",
    "const a = []; const f = () => Promise.resolve().then(() => { a.push(Array(1e3).fill(0));"
    " return f(); }); await f();",
    "const a = []; for (;;) { await null; a.push(new Array(100).fill(1)); }",
]

# What goes too deep.
DEEP = [
    "const f = async () => f(); await f(); while (true);",
    "const f = () => f() + 1; f();",
    "const f = (n) => [n].map(f); f(1);",
    "const p = new Proxy({}, {get: (t, k, r) => r[k]}); p.x;",
    "const o = {toString() { return '' + this; }}; '' + o;",
    "const o = {toJSON() { return JSON.stringify(this); }}; return {data: o};",
    "const o = {}; Object.defineProperty(o, 'a', {get() { return this.a; }}); o.a;",
    "JSON.parse('['.repeat(1e6));",
    "JSON.parse('{\"a\":'.repeat(1e5) + '1' + '}'.repeat(1e5));",
    "let o = []; for (let i = 0; i < 1e5; i++) o = [o]; structuredClone(o);",
    "let p = {}; for (let i = 0; i < 1e4; i++) p = new Proxy(p, {}); p.x;",
    "eval('('.repeat(1e5) + '1' + ')'.repeat(1e5));",
    "class A { constructor() { new A(); } } new A();",
]

# What throws oddly, or forges, or meets a limit of the language.
ODD = [
    ("return {data: 'x'.repeat(2 ** 30)};", "string too long"),
    ("return {data: new ArrayBuffer(2 ** 33)};", "invalid array buffer length"),
    ("new RegExp('('.repeat(1e5) + ')'.repeat(1e5));", "too many captures"),
    ("const a = {}; a.a = a; return {data: a};", "circular reference"),
    ("let o = 1; for (let i = 0; i < 300; i++) o = [o]; return {data: o};", "cannot be kept"),
    (
        "let o = {}; for (let i = 0; i < 30000; i++) o = {o}; return {data: o};",
        "^The code ended its sandbox",
    ),
    ("await new Promise(() => {});", "never settles"),
    ("throw null;", "threw null"),
    ("throw undefined;", "undefined was thrown"),
    ("throw Symbol('s');", "thrown"),
    ("throw 10n;", "10 was thrown"),
    ("throw new Proxy({}, {get() { throw 1; }});", "cannot be shown|was thrown"),
    ("return Symbol('s');", "must return an object"),
    ("return {data: new Proxy({}, {ownKeys() { throw new Error('keys'); }})};", "keys"),
    ("return {statusCode: {}};", "statusCode"),
    ("return {executionState: []};", "executionState must be an object"),
    ("await import('fs');", "Error|never settles"),
    ("return {data: require('child_process')};", "no other modules"),
]


def run(statements: str) -> str:
    """The error in which the code of a step ends, empty where there is none."""
    is_endless = statements in ENDLESS
    world = World(
        http=guarded_client(allow_private=False),
        code_timeout_s=SHORT_S if is_endless else LONG_S,
        code_memory_bytes=MUCH_BYTES if is_endless else LITTLE_BYTES,
    )
    try:
        run_code({"code": body(statements), "data": None}, context(), world)
    except StepError as error:
        return str(error)
    return ""


EXPECTED = {
    **dict.fromkeys(ENDLESS, TIME),
    **dict.fromkeys(GREEDY, MEMORY),
    **dict.fromkeys(DEEP, DEPTH),
    **dict(ODD),
}


@pytest.fixture(scope="module")
def errors() -> dict[str, str]:
    found: dict[str, str] = {}
    for some in (ENDLESS, [one for one in EXPECTED if one not in ENDLESS]):
        code_processes.POOL.close()  # a sandbox tells what is much from all that it has run
        with ThreadPoolExecutor(4) as threads:
            found |= zip(some, threads.map(run, some), strict=True)
    return found


def test_there_are_a_hundred_of_them() -> None:
    assert len(EXPECTED) >= 100


@pytest.mark.parametrize("statements", EXPECTED)
def test_it_ends_in_a_clear_error(errors: dict[str, str], statements: str) -> None:
    assert re.search(EXPECTED[statements], errors[statements])


def test_code_runs_as_before_afterwards(errors: dict[str, str]) -> None:
    assert errors
    assert returned("{data: [1, new Date().getTime() > 0, [1].includes(1)]}") == [1, True, True]
