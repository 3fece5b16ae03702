"""The library of code steps: what Node and browsers have, held against Python's and the specs."""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.actions import StepError, World
from processors.components import code_fetch
from processors.private_networks import guarded_client
from schemas.values import Value
from tests import http_stub
from tests.processors.components.test_code import body, returned, run
from tests.processors.components.test_kit import action, context

DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
LENGTHS = (0, 3, 55, 56, 63, 64, 111, 112, 127, 128, 1000)


def of(expression: str, **data: Value) -> Any:
    """What an expression comes to, with `data` in scope."""
    return run(f"module.exports = async ({{data}}) => ({{data: {expression}}})", data=data).result


def block(statements: str) -> str:
    """An expression of statements."""
    return f"(() => {{ {statements} }})()"


def test_digests_and_codes_are_those_of_the_standards() -> None:
    made = of(
        "data.names.map((name) => data.sizes.map((size) => [crypto.createHash(name)"
        ".update('é'.repeat(size)).digest('hex'), crypto.createHmac(name, 'k'.repeat(size))"
        ".update('a').update(Buffer.from('b')).digest('base64')]))",
        names=list(DIGESTS),
        sizes=list(LENGTHS),
    )
    for name, by_size in zip(DIGESTS, made, strict=True):
        for size, (digest, code) in zip(LENGTHS, by_size, strict=True):
            assert digest == hashlib.new(name, ("é" * size).encode()).hexdigest()
            assert code == base64.b64encode(hmac.digest(b"k" * size, b"ab", name)).decode()


@settings(max_examples=30)
@given(st.lists(st.text(max_size=20), max_size=5), st.binary(max_size=40))
def test_texts_and_bytes_pass_through_buffers_unchanged(texts: list[str], content: bytes) -> None:
    made = of(
        """({
          texts: data.texts.map((text) => [
            Buffer.from(text).toString(), Buffer.from(text).toString('hex'),
            new TextDecoder('utf-8', {ignoreBOM: true}).decode(new TextEncoder().encode(text)),
            new URLSearchParams([['k', text]]).toString(),
          ]),
          all: Buffer.concat(data.texts.map((text) => Buffer.from(text))),
          base64: data.content.toString('base64'),
          latin1: Buffer.from(data.content.toString('latin1'), 'latin1'),
          back: Buffer.from(data.content.toString('base64url'), 'base64url'),
          read: data.content.toString(),
        })""",
        texts=texts,
        content=content,
    )
    for text, (same, digits, decoded, query) in zip(texts, made["texts"], strict=True):
        assert same == text == decoded
        assert digits == text.encode().hex()
        assert parse_qsl(query, keep_blank_values=True) == [("k", text)]
    assert made["all"] == "".join(texts).encode()
    assert made["base64"] == base64.b64encode(content).decode()
    assert made["latin1"] == made["back"] == content
    assert made["read"] == content.decode(errors="replace")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("Buffer.from('abc').slice(1).toString()", "bc"),
        ("Buffer.from('abc').equals(Buffer.from('abc'))", True),
        ("Buffer.compare(Buffer.from('a'), Buffer.from('b'))", -1),
        ("Buffer.from('abcabc').indexOf('ca')", 2),
        ("Buffer.from('abc').includes('x')", False),
        ("Buffer.alloc(3, 'ab').toString()", "aba"),
        ("Buffer.byteLength('é')", 2),
        ("Buffer.isBuffer(Buffer.from([1])) && !Buffer.isBuffer(new Uint8Array(1))", True),
        ("Buffer.from([1, 2, 255, 255]).readInt16LE(2)", -1),
        (block("const b = Buffer.alloc(4); b.writeUInt32BE(258); return [...b];"), [0, 0, 1, 2]),
        (block("const b = Buffer.alloc(4); b.write('héy', 1); return b.toString();"), "\0hé"),
        ("Buffer.from('zz', 'hex').length", 0),
        ("Buffer.from(new Uint16Array([1, 2]).buffer, 2).toString('hex')", "0200"),
        ("Buffer.from('a').toJSON()", b"a"),
        ("Buffer.from('€').toString('utf16le').length", 1),
        ("new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))", "a"),
        ("new TextDecoder('latin1').decode(new Uint8Array([0xe9]))", "é"),
        ("atob(' aG k= ')", "hi"),
        ("btoa('é')", "6Q=="),
        ("structuredClone({a: [1, new Map([[1, {b: 2}]])]}).a[1].get(1)", {"b": 2}),
        (block("const a = {}; a.a = a; const b = structuredClone(a); return b.a === b;"), True),
        ("crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a'))", True),
        ("/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/.test(crypto.randomUUID())", True),
        ("require('node:crypto').createHash('sha-1').digest('hex').slice(0, 8)", "da39a3ee"),
        (block("const { URL } = require('url'); return new URL('http://a').host;"), "a"),
        ("JSON.stringify({u: new URL('http://a')})", '{"u":"http://a/"}'),
        ("require('util').inspect({a: [1, 'x', {b: {c: {}}}], 'd e': null})",
         "{ a: [ 1, 'x', { b: [Object] } ], 'd e': null }"),
        ("require('util').format('%s-%d-%j 5%%', 'a', '1', {b: 2}, 'more', {x: 'y'})",
         """a-1-{"b":2} 5% more { x: 'y' }"""),
        ("await require('util').promisify((x, done) => done(null, x + 1))(1)", 2),
        ("require('querystring').stringify({a: 1, b: ['x y', true], c: null})",
         "a=1&b=x%20y&b=true&c="),
        ("require('querystring').parse('a=1&b=x+y&b=%C3%BC&c')",
         {"a": "1", "b": ["x y", "ü"], "c": ""}),
    ],
)  # fmt: skip
def test_the_library(expression: str, value: Value) -> None:
    assert returned(f"{{data: {expression}}}") == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[[1, 2, 3].at(-1), [1].at(5) === undefined, 'abc'.at(-2)]", [3, True, "b"]),
        ("[new Uint8Array([1, 2]).at(-1), Buffer.from('ab').findLast((n) => n < 98)]", [2, 97]),
        ("[[1, 2, 3].findLast((n) => n < 3), [1].findLastIndex((n) => n > 1)]", [2, -1]),
        (block("const a = [3, 1, 2]; return [a.toSorted(), a.toReversed(), a];"),
         [[1, 2, 3], [2, 1, 3], [3, 1, 2]]),
        ("[[1, 2, 3].with(-1, 9), [1, 2, 3].toSpliced(1, 1, 'x', 'y')]",
         [[1, 2, 9], [1, "x", "y", 3]]),
        ("Object.groupBy([1, 2, 3], (n) => (n % 2 ? 'odd' : 'even'))",
         {"odd": [1, 3], "even": [2]}),
        ("[...Map.groupBy(['a', 'b'], (_, i) => i)]", [[0, ["a"]], [1, ["b"]]]),
        ("[Object.hasOwn({a: 1}, 'a'), Object.hasOwn({}, 'toString')]", [True, False]),
        ("[...new Set([1, 2]).union(new Set([3]))]", [1, 2, 3]),
        ("[...new Set([1, 2]).symmetricDifference(new Set([2, 3]))]", [1, 3]),
        ("await Array.fromAsync([1, Promise.resolve(2)], async (n) => n * 2)", [2, 4]),
        (f"await {block('const p = Promise.withResolvers(); p.resolve(7); return p.promise;')}", 7),
        (block("const seen = []; for (const key in ['x']) seen.push(key); return seen;"), ["0"]),
    ],
)  # fmt: skip
def test_the_language_is_that_of_a_newer_engine(expression: str, value: Value) -> None:
    assert of(expression) == value


def test_a_bad_index_is_an_error_in_the_authors_line() -> None:
    with pytest.raises(StepError, match=r"RangeError: there is no element 5 \(line 2\)"):
        run("module.exports = () => {\n  return {data: [1].with(5, 0)};\n}")


@pytest.mark.parametrize(
    ("text", "base", "href"),
    [
        ("https://user:pa ss@EXAMPLE.com:443/a/../b c?x=1&y=ä#h", None,
         "https://user:pa%20ss@example.com/b%20c?x=1&y=%C3%A4#h"),
        ("../x?q", "http://h/a/b/c", "http://h/a/x?q"),
        ("//o.test/p", "https://h/", "https://o.test/p"),
        ("/x", "https://a.test:8443/y", "https://a.test:8443/x"),
        ("?x=1", "http://h/a?z#q", "http://h/a?x=1"),
        ("#f", "http://h/a?z#q", "http://h/a?z#f"),
        ("", "http://h/a?z#q", "http://h/a?z"),
        ("HTTP:a.test/b", None, "http://a.test/b"),
        ("http:\\\\a.test\\b", None, "http://a.test/b"),
        ("http://[::1]:80/", None, "http://[::1]/"),
        ("mailto:a@b", None, "mailto:a@b"),
        ("foo:/a/./b", None, "foo:/a/b"),
        (" http://a.test/%zz ", None, "http://a.test/%zz"),
        ("http://h/a/%2e%2E/b", None, "http://h/b"),
        ("/a", None, None),
        ("http://", None, None),
        ("http://h:99999", None, None),
        ("http://h:8x", None, None),
        ("http://a b/", None, None),
    ],
)  # fmt: skip
def test_urls(text: str, base: str | None, href: str | None) -> None:
    given_base = "undefined" if base is None else "data.base"
    made = of(
        f"URL.canParse(data.text, {given_base}) ? new URL(data.text, {given_base}).href : null",
        text=text,
        base=base,
    )
    assert made == href


def test_parts_of_a_url_can_be_set() -> None:
    statements = """
        const url = new URL('http://h/p?b=2&a=1');
        url.searchParams.append('c', 'ä &'); url.searchParams.sort(); url.searchParams.delete('b');
        url.protocol = 'https'; url.host = 'O.test:444'; url.pathname = 'x y/../z?'; url.hash = 'f';
        return {data: [url.href, url.origin, [...url.searchParams], url.searchParams.get('none')]};
    """
    assert run(body(statements)).result == [
        "https://o.test:444/z%3F?a=1&c=%C3%A4+%26#f",
        "https://o.test:444",
        [["a", "1"], ["c", "ä &"]],
        None,
    ]


def test_time_and_chance_are_those_of_the_step() -> None:
    seen = "{data: [Date.now(), new Date().toISOString(), Math.random(), crypto.randomUUID()]}"
    first, again = (returned(seen, context(step="a")) for _ in range(2))
    other = returned(seen, context(step="b"))
    assert first == again
    assert first[:2] == other[:2] == [1_700_000_000_000, "2023-11-14T22:13:20.000Z"]
    assert first[2] != other[2]
    assert first[3] != other[3]


def test_random_numbers_are_spread() -> None:
    many = returned("{data: Array.from({length: 1000}, () => Math.random())}")
    assert len(set(many)) == 1000
    assert 0.45 < sum(many) / 1000 < 0.55
    assert all(0 <= one < 1 for one in many)


def test_timers_go_off_in_order_and_nobody_waits_for_them() -> None:
    statements = """
        const seen = [], start = Date.now();
        const wait = (ms) => new Promise((done) => setTimeout(done, ms));
        setTimeout((what) => seen.push(what), 3000, 'late');
        const beat = setInterval(() => seen.push('beat'), 1000);
        clearTimeout(setTimeout(() => seen.push('never'), 10));
        setImmediate(() => seen.push('soon')); process.nextTick(() => seen.push('first'));
        await wait(2500); clearInterval(beat); await wait(1000);
        return {data: [seen, Date.now() - start, performance.now()]};
    """
    assert run(body(statements)).result == [["first", "soon", "beat", "beat", "late"], 3500, 3500]


def test_timers_beyond_the_limit_end_the_step() -> None:
    statements = "await new Promise((done) => setTimeout(done, 11e3)); return {data: 1};"
    with pytest.raises(StepError, match="took longer than 10 s"):
        run(body(statements))


def test_a_failure_within_the_library_names_the_line_of_the_author() -> None:
    with pytest.raises(StepError, match=r"Unknown encoding: x \(line 2\)$"):
        run("module.exports = async () => {\n  return {data: Buffer.from('a', 'x')};\n}")


def test_without_leave_there_is_no_network() -> None:
    with pytest.raises(StepError, match="this step has no network: fetch is there in runCodeWith"):
        run(body("return {data: await fetch('http://example.com')};"))


async def fetched(statements: str, *, allow_private: bool = True) -> Value:
    named = action("code", "runCodeWithFetch")
    async with guarded_client(allow_private=allow_private) as http:
        world = World(http=http)
        outcome = await named.perform({"code": body(statements), "data": None}, context(), world)
    return outcome.result


async def test_with_leave_code_sends_requests() -> None:
    async with http_stub.running() as stub:
        answered = await fetched(ask_twice(stub.url))
    assert answered == [True, "GET", "/echo?a=1", "POST", "[1]", "b", False, False, 404]


def ask_twice(url: str) -> str:
    return f"""
        const send = (path, options) => fetch('{url}' + path, options);
        const [got, sent] = await Promise.all([
          send('/echo?a=1#f'),
          send('/echo', {{method: 'post', body: JSON.stringify([1]), headers: {{'X-A': 'b'}}}}),
        ]);
        const gone = await send('/status/404');
        const one = await got.json(), two = await sent.json();
        const key = 'idempotency-key', isSame = one.headers[key] === two.headers[key];
        return {{data: [got.ok, one.method, one.path, two.method, two.body, two.headers['x-a'],
          isSame, gone.ok, gone.status]}};
    """


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://localhost:1/", "not a public address"),
        ("http://2130706433/", "not a public address"),
        ("file:///etc/passwd", "absolute http"),
        ("/relative", "absolute http"),
    ],
)
async def test_code_reaches_no_private_network(url: str, message: str) -> None:
    caught = f"try {{ await fetch('{url}'); }} catch (error) {{ return {{data: error.message}}; }}"
    assert message in str(await fetched(caught, allow_private=False))


async def test_the_answer_to_a_fetch_is_bounded() -> None:
    async with http_stub.running() as stub:
        url = f"{stub.url}/bytes/{code_fetch.MAX_ANSWER_BYTES + 1}"
        statements = f"return {{data: await fetch('{url}').catch((error) => error.message)}};"
        assert "more than 10485760 bytes" in str(await fetched(statements))
