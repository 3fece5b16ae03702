"""Forms: multipart/form-data, piece by piece or whole (RFC 7578). Pure.

Takes in the bytes of a body as they come; gives out its parts, with the contents of those that the
reader wants to keep. As a value a form is a dict: part name → `{data, contentType, fileName?}`, and
a list of those where a name comes more than once. A part is parsed like a body of its content type
(schemas.bodies); one without a content type is text, or bytes where it is a file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from schemas import bodies
from schemas.bodies import Malformed, Media
from schemas.errors import Bug, Refused
from schemas.values import Value

MAX_PARTS = 1_000
MAX_KEPT_BYTES = 16 * 1024 * 1024
"""So much JSON may a form hold when it is checked piece by piece."""


@dataclass(slots=True)
class Part:
    """One part. `content` is empty where the reader did not want it."""

    name: str
    content_type: str
    file_name: str | None
    chunks: list[bytes] = field(default_factory=list)
    start: int = 0
    size: int = 0
    """Where its content stands in the body, and how long it is."""
    is_left: bool = False
    """Whether it is in the body only: too large for one that is not kept."""

    @property
    def content(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def media(self) -> Media:
        return bodies.media_of(self.content_type)


def is_json(part: Part) -> bool:
    return part.media.is_json


def everything(_part: Part) -> bool:
    return True


class Form:
    """Reads one form. `keep` says of a part whose headers are there whether to keep its content.

    Of any other part the content is kept up to `inline_bytes`.
    """

    def __init__(
        self,
        media: Media,
        *,
        keep: Callable[[Part], bool],
        max_kept_bytes: int | None = None,
        inline_bytes: int = 0,
    ) -> None:
        self.parts: list[Part] = []
        self._keep = keep
        self._room = max_kept_bytes
        self._inline = inline_bytes
        self._chunk, self._fed = b"", 0
        self._keeps = self._ended = False
        self._boundary, self._boundaries = b"\r\n--" + media.boundary + b"\r\n", 0
        self._name, self._value = bytearray(), bytearray()
        self._headers: dict[str, str] = {}
        if not media.boundary:
            raise _malformed("it has no boundary in its content type")
        try:
            self._parser = MultipartParser(
                media.boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _malformed("its boundary is too long") from error

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes. Raises Malformed, and Refused where JSON takes too much room."""
        # Counting is a hundred times as fast as parsing: who sends far too many costs nothing.
        self._boundaries += chunk.count(self._boundary)
        if self._boundaries > MAX_PARTS:
            raise _too_many()
        self._chunk = chunk
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            said = str(error)
            raise _malformed(f"{said[:1].lower()}{said[1:200]}") from error
        self._fed += len(chunk)

    def close(self) -> list[Part]:
        """The parts, once all bytes are there; kept JSON is checked. Raises Malformed."""
        if not self._ended:
            raise _malformed("it ends before its last boundary")
        for part in self.parts:
            if part.chunks and is_json(part):
                _json_of(part)
        return self.parts

    def _begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise _too_many()
        self._headers = {}

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._name, self._value = bytearray(), bytearray()

    def _end_headers(self) -> None:
        disposition = self._headers.get("content-disposition", "")
        _, options = parse_options_header(disposition)
        name, file_name = options.get(b"name"), options.get(b"filename")
        if name is None:
            raise _malformed("a part of it has no name")
        default = "text/plain" if file_name is None else "application/octet-stream"
        content_type = self._headers.get("content-type", "").strip() or default
        shown = None if file_name is None else _text(file_name)
        part = Part(_text(name), content_type, shown)
        self.parts.append(part)
        self._keeps = self._keep(part)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        if data is self._chunk:  # else it is the end of the chunk before, looked at once more
            part.start = self._fed + start - part.size
        part.size += end - start
        if not self._keeps and part.size > self._inline:
            part.is_left = True
            part.chunks.clear()
            return
        if self._room is not None:
            self._room -= end - start
            if self._room < 0:
                message = "The JSON parts of the form are too large together."
                raise Refused(message, status=413, reason="too_large")
        part.chunks.append(data[start:end])

    def _end(self) -> None:
        self._ended = True


def parsed(raw: bytes, media: Media) -> dict[str, Value]:
    """The value of a whole form. Raises Malformed."""
    form = Form(media, keep=everything)
    form.feed(raw)
    return value_of(form.close(), _kept_whole)


def _kept_whole(part: Part) -> Value:
    raise Bug(f"the content of part {part.name!r} was not kept")


def value_of(parts: Sequence[Part], left: Callable[[Part], Value]) -> dict[str, Value]:
    """The value of a form; `left` gives what stands for a part whose content is not kept."""
    found: dict[str, Value] = {}
    repeated: set[str] = set()
    for part in parts:
        value = _value_of(part, left)
        if part.name not in found:
            found[part.name] = value
        elif part.name in repeated:
            found[part.name].append(value)
        else:
            repeated.add(part.name)
            found[part.name] = [found[part.name], value]
    return found


def _value_of(part: Part, left: Callable[[Part], Value]) -> dict[str, Value]:
    media = part.media
    data: Value = _json_of(part) if media.is_json and part.chunks else None
    if part.is_left:
        data = left(part)
    elif not media.is_json:
        raw = part.content
        text = bodies.text_of(raw, media) if media.is_text else None
        data = raw if text is None else text
    value: dict[str, Value] = {"data": data, "contentType": part.content_type}
    if part.file_name is not None:
        value["fileName"] = part.file_name
    return value


def _json_of(part: Part) -> Value:
    try:
        return bodies.parsed_json(part.content, part.media)
    except Malformed as error:
        message = f"The part {part.name[:100]!r} of the form: {error}"
        raise Malformed(message, error.reason or "malformed_json") from error


def _text(name: bytes) -> str:
    """Names are UTF-8 where they can be (RFC 7578, 5.1)."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _too_many() -> Malformed:
    return Malformed(f"The form has more than {MAX_PARTS} parts.", "too_many_parts")


def _malformed(why: str) -> Malformed:
    return Malformed(f"The multipart body is malformed: {why}.", "malformed_multipart")
