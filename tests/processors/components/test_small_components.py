"""Hash, HMAC, UUID, Zip, MessagePack, Data Mapper, Process Data, Result Placeholder, HTML Utils."""

import gzip
import io
import uuid
import zipfile
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import registry
from processors.actions import StepError
from processors.components import process_data, zip
from processors.components.hash_digests import DIGESTS
from schemas.definitions import Pair
from schemas.events import Scope
from schemas.values import Value
from tests.processors.components.test_kit import context, run

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(max_size=4)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=8,
)
RFC_4231 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
"""Test case 2: key `Jefe`, message `what do ya want for nothing?`, SHA-256."""
SIGNING = {"secretKey": "Jefe", "message": "what do ya want for nothing?"}


def result(component: str, key: str, /, **inputs: Any) -> Value:
    return run(component, key, inputs).result


def file(content: bytes) -> Value:
    return {"data": content, "contentType": "application/octet-stream"}


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        ("computeBlake2b512", "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"),
        ("computeBlake2s256", "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"),
        ("computeMd5", "900150983cd24fb0d6963f7d28e17f72"),
        ("computeMd5-sha1", "900150983cd24fb0d6963f7d28e17f72a9993e364706816aba3e25717850c26c"),
        ("computeRipemd160", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        ("computeSha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("computeSha224", "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
        ("computeSha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("computeSha3-224", "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
        ("computeSha3-256", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        ("computeSha3-384", "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b2"),
        ("computeSha3-512", "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e"),
        ("computeSha384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"),
        ("computeSha512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"),
        ("computeSha512-224", "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa"),
        ("computeSha512-256", "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ("computeMd4", "a448017aaf21d8525fc10ae87aa6729d"),
        ("computeWhirlpool", "4e2448a4c6f486bb16b6562c73b4020bf3043e3a731bce721ae1b303d97e6d4c"),
        ("computeSm3", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
    ],
)
def test_each_digest_is_that_of_its_standard(key: str, digest: str) -> None:
    assert result("hash", key, message="abc")[: len(digest)] == digest
    assert result("hash", key, message=file(b"abc"))[: len(digest)] == digest
    name = key.removeprefix("compute").lower()
    assert result("hash", "computeHash", hashFunction=name, message="abc").startswith(digest)
    with pytest.raises(StepError, match=r"Message \(message\) must be a text or a file, found 5"):
        result("hash", key, message=5)


def test_every_digest_has_its_action_and_nothing_hashes_to_something() -> None:
    keys = {key for component, key in registry.ACTIONS if component == "hash"}
    assert {f"compute{name.capitalize()}" for name in DIGESTS} < keys
    assert result("hash", "computeHash").startswith("e3b0c44298fc1c149afb")


def test_old_digests_sign_too() -> None:
    # As OpenSSL 3.0 with its legacy provider gives them.
    short, long = "key", "k" * 100
    assert result("hash", "computeHmac", hashFunction="md4", secretKey=short, message="abc") == (
        "32c43d6d6eda7f1e464711473b956b68"
    )
    signed = result("hmac", "computeHmac", hashFunction="whirlpool", secretKey=long, message="abc")
    assert signed.startswith("96d077474153eadc98428e25dd85c820081a5a581101d442e565dddb152033d5")


def test_an_unknown_digest_is_refused() -> None:
    with pytest.raises(
        StepError, match=r"Hash Function \(hashFunction\) must be one of blake2b512"
    ):
        result("hash", "computeHash", hashFunction="sha257", message="abc")
    with pytest.raises(StepError, match=r'found "crc32"'):
        result("hash", "computeHmac", hashFunction="crc32", **SIGNING)
    with pytest.raises(StepError, match=r"Secret Key \(secretKey\) is required"):
        result("hash", "computeHmac", message="abc")


def test_a_message_is_signed() -> None:
    assert result("hash", "computeHmac", **SIGNING) == RFC_4231
    assert result("hmac", "computeHmac", **SIGNING) == RFC_4231
    encoded = result("hmac", "computeHmac", encoding="base64", **SIGNING)
    assert encoded == "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
    with pytest.raises(StepError, match="must be hex or base64"):
        result("hmac", "computeHmac", encoding="octal", **SIGNING)


@pytest.mark.parametrize(
    ("signature", "fits"),
    [
        (RFC_4231, True),
        (RFC_4231.upper(), True),
        (f"sha256={RFC_4231}", True),
        ("W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=", True),
        (RFC_4231[:-1] + "0", False),
        ("", False),
        ("no signature", False),
    ],
)
def test_a_signature_is_checked(signature: str, fits: bool) -> None:
    if not signature:
        with pytest.raises(StepError, match="is required"):
            result("hmac", "verifyHmac", signature=signature, **SIGNING)
        return
    assert result("hmac", "verifyHmac", signature=signature, **SIGNING) is fits


def test_a_uuid_is_that_of_the_run_of_the_step() -> None:
    made = run("uuid", "generateUuid", {}, context()).result
    assert str(uuid.UUID(made)) == made
    assert uuid.UUID(made).version == 4
    assert run("uuid", "generateUuid", {}, context(attempt=3)).result == made
    others = [
        context(step="other"),
        context(loop_path="loop[1]"),
        context(execution_id="e-2"),
    ]
    assert len({run("uuid", "generateUuid", {}, other).result for other in others} | {made}) == 4


def test_a_uuid_is_written_as_asked() -> None:
    made = result("uuid", "generateUuid", uuidCase="upper", removeDashes="true")
    assert made == result("uuid", "generateUuid").replace("-", "").upper()
    with pytest.raises(StepError, match="lower or upper, found"):
        result("uuid", "generateUuid", uuidCase="camel")


def test_other_uuids() -> None:
    assert result("uuid", "emptyUuid") == "00000000-0000-0000-0000-000000000000"
    named = result("uuid", "generateUuidFromName", namespace="dns", name="python.org")
    assert named == "886313e1-3b8a-5372-9b90-0c9aee199e5d"
    own = result("uuid", "generateUuidFromName", namespace=named, name="")
    assert own == str(uuid.uuid5(uuid.UUID(named), ""))
    with pytest.raises(StepError, match=r"Namespace \(namespace\) must be a UUID"):
        result("uuid", "generateUuidFromName", namespace="web", name="x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("886313e1-3b8a-5372-9b90-0c9aee199e5d", {"valid": True, "version": 5, "isNil": False}),
        ("886313E13B8A53729B900C9AEE199E5D", {"valid": True, "version": 5, "isNil": False}),
        ("0" * 32, {"valid": True, "version": None, "isNil": True}),
        (
            "{886313e1-3b8a-5372-9b90-0c9aee199e5d}",
            {"valid": False, "version": None, "isNil": False},
        ),
        ("x", {"valid": False, "version": None, "isNil": False}),
        ("", {"valid": False, "version": None, "isNil": False}),
    ],
)
def test_a_uuid_is_recognised(text: str, expected: Value) -> None:
    assert result("uuid", "validateUuid", value=text) == expected


FILES = st.dictionaries(st.text("abc/.ä", min_size=1).filter(lambda n: n[-1] != "/"), st.binary())


@given(FILES)
def test_files_come_back_from_their_archive(files: dict[str, bytes]) -> None:
    archive = result("zip", "zip", files=files)
    assert archive["contentType"] == "application/zip"
    assert result("zip", "unzip", zipFileData=archive) == files
    assert result("zip", "zip", files=files) == archive


@given(st.binary())
def test_a_file_comes_back_from_gzip(content: bytes) -> None:
    packed = result("zip", "compressGzip", fileData=content)
    unpacked = result("zip", "decompressGzip", gzipFileData=packed)
    assert unpacked["data"] == content
    assert gzip.decompress(packed["data"]) == content


def test_gzip_of_other_tools_is_read() -> None:
    two = gzip.compress(b"ab") + gzip.compress(b"c") + b"\0\0"
    assert result("zip", "decompressGzip", gzipFileData=two)["data"] == b"abc"


def test_a_file_may_be_as_large_as_the_bound() -> None:
    packed = gzip.compress(bytes(zip.MAX_UNPACKED_BYTES), compresslevel=1)
    unpacked = result("zip", "decompressGzip", gzipFileData=packed)
    assert len(unpacked["data"]) == zip.MAX_UNPACKED_BYTES == 50 * 1024 * 1024


def archive_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def locked() -> bytes:
    """An archive whose entry says that it is encrypted."""
    content = bytearray(archive_of(a=b"x"))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


TOO_MUCH = b"\0" * (zip.MAX_UNPACKED_BYTES + 1)


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("unzip", {"zipFileData": "text"}, r"\(zipFileData\) cannot be read"),
        ("unzip", {"zipFileData": 5}, "must be a text or a file"),
        ("unzip", {"zipFileData": archive_of(a=b"x" * 99)[:-30]}, "cannot be read"),
        ("unzip", {"zipFileData": locked()}, "is encrypted"),
        ("unzip", {"zipFileData": archive_of(a=TOO_MUCH[1:], b=b"1")}, "unpacks to more than"),
        ("zip", {"files": "x"}, "an object of files by their names"),
        ("zip", {"files": {"a": 5}}, r"Files \(files\) must be a text or a file, found 5"),
        ("zip", {}, "is required"),
        ("compressGzip", {"fileData": 5}, "must be a text or a file"),
        ("decompressGzip", {"gzipFileData": "text"}, "is no gzip file"),
        ("decompressGzip", {"gzipFileData": gzip.compress(b"abc")[:-4]}, "ends before its end"),
        ("decompressGzip", {"gzipFileData": gzip.compress(TOO_MUCH)}, "unpacks to more than"),
    ],
)
def test_what_cannot_be_unpacked_says_why(key: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(StepError, match=message):
        result("zip", key, **inputs)


@given(VALUES)
def test_a_value_comes_back_from_its_message(value: Value) -> None:
    message = result("messagepack", "encodeMessage", data=[value])
    assert message["contentType"] == "application/msgpack"
    assert result("messagepack", "decodeMessage", message=message) == [value]


def test_messages_of_others_are_read() -> None:
    sent = msgpack.packb({1: msgpack.Timestamp(1, 500_000_000), "x": msgpack.ExtType(7, b"a")})
    read = result("messagepack", "decodeMessage", message=sent)
    assert read == {"1": "1970-01-01T00:00:01.500000Z", "x": {"type": 7, "data": b"a"}}


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("decodeMessage", {"message": b"\x92\x01"}, r"Message \(message\) must be a MessagePack"),
        ("decodeMessage", {"message": b"\x01\x01"}, "must be a MessagePack message"),
        ("decodeMessage", {"message": b"\xc1"}, "must be a MessagePack message"),
        ("decodeMessage", {"message": b"\x91" * 2000}, "must be a MessagePack message"),
        ("decodeMessage", {"message": {"a": 1}}, "a text or a file"),
        ("decodeMessage", {}, "is required"),
        ("encodeMessage", {"data": [object()]}, "a value that MessagePack can hold"),
        ("encodeMessage", {"data": 2**70}, "a value that MessagePack can hold"),
    ],
)
def test_what_is_no_message_says_why(key: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(StepError, match=message):
        result("messagepack", key, **inputs)


MAP = [Pair("de", "German"), Pair("1", {"a": 1})]


def test_values_are_found_under_their_keys() -> None:
    assert result("data-mapper", "valueMapper", inputValue="de", valueMap=MAP) == "German"
    assert result("data-mapper", "valueMapper", inputValue=1, valueMap=MAP) == {"a": 1}
    assert result("data-mapper", "valueMapper", inputValue="fr", valueMap={"de": 1}) is None
    values = result("data-mapper", "valueListMapper", inputValueList=["fr", 1, "de"], valueMap=MAP)
    assert values == [None, {"a": 1}, "German"]
    assert result("data-mapper", "valueListMapper") == []


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("valueMapper", {"inputValue": "a", "valueMap": "x"}, r"Value Map \(valueMap\)"),
        ("valueMapper", {"inputValue": object()}, "can be compared as text"),
        ("valueListMapper", {"inputValueList": "x"}, r"\(inputValueList\) must be a list"),
    ],
)
def test_what_cannot_be_mapped_says_why(key: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(StepError, match=message):
        result("data-mapper", key, **inputs)


def deduplicated(items: list[Value], kept: dict[str, Value], step: str = "step") -> Value:
    inputs = {"keyFieldNames": ["id"], "data": items}
    outcome = run(
        "process-data", "deduplicate", inputs, context(state={Scope.FLOW: kept}, step=step)
    )
    for change in outcome.changes:
        assert change.scope is Scope.FLOW
        kept[change.key] = change.value
    return outcome.result


def test_items_are_given_once_in_all_executions_of_the_flow() -> None:
    kept: dict[str, Value] = {}
    first = [{"id": 2, "n": "b"}, {"id": 1}, {"id": 2, "n": "c"}]
    assert deduplicated(first, kept) == [{"id": 2, "n": "b"}, {"id": 1}]
    assert deduplicated([{"id": 3}, {"id": 2.0}], kept) == [{"id": 3}]
    assert deduplicated([{"id": 3}], kept) == []
    assert deduplicated([{"id": 3}], kept, step="another") == [{"id": 3}]


def test_without_fields_the_whole_item_counts() -> None:
    items = [{"a": 1, "b": 2}, {"b": 2, "a": 1}, "x", "x"]
    assert result("process-data", "deduplicate", data=items) == [{"a": 1, "b": 2}, "x"]


def test_what_is_remembered_is_bounded_and_keeps_the_newest() -> None:
    kept: dict[str, Value] = {}
    most = process_data.MAX_REMEMBERED
    deduplicated([{"id": number} for number in range(most)], kept)
    deduplicated([{"id": "newest"}], kept)
    assert [len(digests) for digests in kept.values()] == [most]
    assert deduplicated([{"id": "newest"}, {"id": 0}], kept) == []
    assert deduplicated([{"id": most - 1}], kept) == [{"id": most - 1}]


def test_what_has_no_fields_is_refused() -> None:
    with pytest.raises(StepError, match=r"Data \(data\) must be a list of objects, found 5"):
        deduplicated([5], {})
    with pytest.raises(StepError, match="must be a list"):
        result("process-data", "deduplicate", data="x")
    with pytest.raises(StepError, match="does not hold what was given before"):
        deduplicated([{"id": 1}], {"processData.deduplicate.step": 7})


@pytest.mark.parametrize(
    ("code", "expected"),
    [('{"a": [1]}', {"a": [1]}), ("text {", "text {"), ({"b": 2}, {"b": 2}), ("", None)],
)
def test_a_placeholder_gives_what_it_is_given(code: Value, expected: Value) -> None:
    assert result("result-placeholder", "actions", code=code) == expected


PAGE = """<html><head><title>T</title><style>p{}</style></head><body><h1>Big &amp; new</h1>
<p>One<br>two  <b>three</b></p><script>x()</script><ul><li>a</li><li>b</li></ul></body></html>"""


def test_html_becomes_text() -> None:
    plain = result("html-utils", "htmlToPlaintext", html=PAGE)
    assert plain == "Big & new\n\nOne\ntwo three\n\n* a\n\n* b"
    odd = "a</script>b<script>x</script>c<p>d</p>e<td>1</td><td>2</td>"
    assert result("html-utils", "htmlToPlaintext", html=odd) == "abc\n\nd\n\ne1 2"
    assert result("html-utils", "stripHtmlTags", html="<p>a <b>&lt;b</b></p>") == "a <b"
    assert result("html-utils", "htmlToPlaintext") == ""


def test_html_is_encoded_and_decoded() -> None:
    encoded = result("html-utils", "encodeHtml", text="<a & 'b'>")
    assert encoded == "&lt;a &amp; &#x27;b&#x27;&gt;"
    assert result("html-utils", "decodeHtml", html=encoded) == "<a & 'b'>"


def test_stylesheets_become_attributes_and_others_are_not_fetched() -> None:
    page = (
        "<style>p { color: red }</style><link rel='stylesheet' href='file:///etc/passwd'><p>a</p>"
    )
    inlined = result("html-utils", "convertInlineCss", html=page)
    assert '<p style="color: red;">a</p>' in inlined
    assert "root:" not in inlined


def test_html_is_laid_out() -> None:
    page = "<!doctype html><div><p>One <b>two</b>\n three</p><pre> a\n  b</pre></div>"
    lines = [
        "<div>",
        "  <p>",
        "    One <b>two</b> three",
        "  </p>",
        "  <pre> a",
        "  b</pre>",
        "</div>",
    ]
    laid_out = "\n".join(["<!doctype html>", *lines, ""])
    assert result("html-utils", "formatHtml", html=page) == laid_out
    assert result("html-utils", "formatHtml", html=laid_out) == laid_out


@pytest.mark.parametrize(
    "key", ["convertInlineCss", "decodeHtml", "formatHtml", "htmlToPlaintext", "stripHtmlTags"]
)
def test_what_is_no_html_is_refused(key: str) -> None:
    with pytest.raises(StepError, match=r"HTML \(html\) must be a text"):
        result("html-utils", key, html={"a": object()})
