"""Settings: read from the environment once, in an entry point, and handed on as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from schemas.errors import Unusable

PREFIX = "PENSTOCK_"
MAX_LOADED_BYTES = 100 * 1024 * 1024
MAX_DOWNLOAD_BYTES = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a process is told from outside; each field is the variable PENSTOCK_<FIELD>.

    `log` is `sqlite:///PATH` or `kafka://HOST:PORT[,HOST:PORT…][/NAME]`, where NAME stands before
    all topics; `views` a SQLAlchemy URL; `blobs` a folder or `s3://BUCKET/PREFIX`. Empty means: in
    the folder `data`. Secrets stay out of repr.

    `max_loaded_bytes` is for what has to be in memory whole: a text or JSON, received or fetched,
    and each value that is in the blob store and of which a step needs the bytes.
    `max_download_bytes` is for a binary answer that an HTTP step keeps in the blob store.
    """

    data: str = "data"
    log: str = ""
    views: str = ""
    blobs: str = ""
    public_url: str = ""
    token: str = field(default="", repr=False)
    master_key: str = field(default="", repr=False)
    max_body_bytes: int = 100 * 1024 * 1024
    max_loaded_bytes: int = MAX_LOADED_BYTES
    max_download_bytes: int = MAX_DOWNLOAD_BYTES
    result_ttl_s: int = 86_400
    code_timeout_s: float = 10.0
    allow_private_networks: bool = False

    @property
    def data_dir(self) -> Path:
        return Path(self.data)

    @property
    def log_url(self) -> str:
        return self.log or f"sqlite:///{self.data_dir / 'log.db'}"

    @property
    def views_url(self) -> str:
        return self.views or f"sqlite:///{self.data_dir / 'views.db'}"

    @property
    def blobs_url(self) -> str:
        return self.blobs or str(self.data_dir / "blobs")


def from_environment(environment: Mapping[str, str], **overrides: str | None) -> Settings:
    """The settings in force; `overrides` (from the command line) win. Raises Unusable."""
    given: dict[str, str | int | float | bool] = {}
    for known in fields(Settings):
        text = overrides.get(known.name) or environment.get(PREFIX + known.name.upper())
        if text:
            given[known.name] = _parse(known.name, text, type(known.default))
    return Settings(**given)  # type: ignore[arg-type]  # _parse gave each field its own type


_WORDS = {"1": True, "true": True, "yes": True, "on": True}
_WORDS |= {"0": False, "false": False, "no": False, "off": False}


def _parse(name: str, text: str, kind: type) -> str | int | float | bool:
    if kind is bool:
        if text.lower() not in _WORDS:
            raise Unusable(f"{PREFIX}{name.upper()}={text!r} is neither on nor off")
        return _WORDS[text.lower()]
    if kind is str:
        if name == "public_url" and not text.startswith(("http://", "https://")):
            raise Unusable(f"{PREFIX}PUBLIC_URL={text!r} begins with neither http:// nor https://")
        if name == "public_url" and not (text.isascii() and text.isprintable()):
            raise Unusable(f"{PREFIX}PUBLIC_URL={text!r} holds characters that no URL has")
        return text
    try:
        number: int | float = kind(text)
    except ValueError:
        raise Unusable(f"{PREFIX}{name.upper()}={text!r} is not of type {kind.__name__}") from None
    if number <= 0:
        raise Unusable(f"{PREFIX}{name.upper()}={text!r} is not above zero")
    return number
