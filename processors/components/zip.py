"""Zip: archives and gzip files made and unpacked, in memory and within bounds.

The same files give the same archive: entries carry no time of their own.
"""

import zlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from processors.actions import Input, Kind, Runs, StepError
from processors.components import computed
from processors.components.files import bytes_of, content_input
from processors.components.refusals import unfit
from schemas.values import Value

MAX_UNPACKED_BYTES = 50 * 1024 * 1024
MAX_ENTRIES = 10_000
_GZIP = 16 + zlib.MAX_WBITS
_BEGINNING = (1980, 1, 1, 0, 0, 0)


def _file(key: str, label: str, description: str) -> Input:
    example = '{"data": …, "contentType": "application/octet-stream"}'
    return content_input(key, label, description, example)


_DATA = _file("fileData", "File Data", "A text or a file.")
_GZIP_DATA = _file("gzipFileData", "Gzip File Data", "The gzip file.")
_ZIP_DATA = _file("zipFileData", "Zip File Data", "The archive.")
_FILES = Input(
    key="files",
    label="Files",
    kind=Kind.JSON,
    required=True,
    description="An object: under each file's name its content, a text or a file.",
    example='{"orders/1.json": "{}"}',
)


def _compress(given: Mapping[str, Any]) -> Value:
    compressor = zlib.compressobj(wbits=_GZIP)
    content = compressor.compress(bytes_of(_DATA, given["fileData"])) + compressor.flush()
    return {"data": content, "contentType": "application/gzip"}


def _decompress(given: Mapping[str, Any]) -> Value:
    rest = bytes_of(_GZIP_DATA, given["gzipFileData"])
    unpacked = bytearray()
    while True:
        unpacker = zlib.decompressobj(wbits=_GZIP)
        try:
            unpacked += unpacker.decompress(rest, MAX_UNPACKED_BYTES + 1 - len(unpacked))
        except zlib.error as error:
            raise StepError(f"Gzip File Data (gzipFileData) is no gzip file: {error}") from error
        if len(unpacked) > MAX_UNPACKED_BYTES:
            raise StepError(f"The gzip file unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        if not unpacker.eof:
            raise StepError("Gzip File Data (gzipFileData) ends before its end")
        rest = unpacker.unused_data.lstrip(b"\0")
        if not rest:
            return {"data": bytes(unpacked), "contentType": "application/octet-stream"}


def _zip(given: Mapping[str, Any]) -> Value:
    import io
    import zipfile

    files = given["files"]
    if not isinstance(files, dict) or not all(files):
        raise unfit(_FILES, "an object of files by their names", files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, bytes_of(_FILES, content))
    return {"data": out.getvalue(), "contentType": "application/zip"}


def _unzip(given: Mapping[str, Any]) -> Value:
    import io
    import zipfile

    packed = bytes_of(_ZIP_DATA, given["zipFileData"])
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return _entries(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise StepError(f"Zip File Data (zipFileData) cannot be read: {error}") from error
    except RuntimeError as error:  # zipfile's answer to an entry with a password
        raise StepError("Zip File Data (zipFileData) is encrypted") from error


def _entries(archive: Any) -> Value:
    listed = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(listed) > MAX_ENTRIES:
        raise StepError(f"The archive has {len(listed)} files; {MAX_ENTRIES} are allowed")
    files: dict[str, bytes] = {}
    left = MAX_UNPACKED_BYTES
    for entry in listed:
        with archive.open(entry) as file:  # what its header says of its size is not believed
            content: bytes = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise StepError(f"The archive unpacks to more than {MAX_UNPACKED_BYTES} bytes")
        files[entry.filename] = content
    return files


_tool = partial(computed.action, "zip", runs=Runs.THREAD)

ACTIONS = (
    _tool(
        "compressGzip",
        "Compress Gzip",
        "Gives the gzip file of a text or a file.",
        _compress,
        _DATA,
    ),
    _tool(
        "decompressGzip",
        "Decompress Gzip",
        f"Gives the file; of at most {MAX_UNPACKED_BYTES} bytes.",
        _decompress,
        _GZIP_DATA,
    ),
    _tool(
        "unzip",
        "Unzip",
        f"Gives an object with the bytes of each file under its name; {MAX_UNPACKED_BYTES} bytes "
        "in all at most.",
        _unzip,
        _ZIP_DATA,
    ),
    _tool("zip", "Zip", "Gives an archive of the files.", _zip, _FILES),
)
