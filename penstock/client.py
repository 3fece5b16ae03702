"""Client: calls of the server's API, for the commands that people type.

Takes in PENSTOCK_URL and the admin token; gives out the JSON of the answers. Every failure is one
sentence: WrongToken and Unusable are for exit code 2, ServerAway and Failed for 1.
"""

import os
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from penstock import startup
from schemas.errors import PenstockError, Unusable

DEFAULT_URL = "http://127.0.0.1:8080"
API = "/api/v1"
CONNECT_S = 5.0
ANSWER_S = 60.0
CHANGED_S = 900.0
"""For what changes something: hooks of an instance run one after another, 30 s each at most."""


class ServerAway(PenstockError):
    """Nobody answers at the URL."""


class WrongToken(Unusable):
    """The server does not know this token."""


class Failed(PenstockError):
    """The server refused. `problems` are those of an integration file."""

    def __init__(self, message: str, problems: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Server:
    """The server at `url`; `token` is empty where none was found."""

    url: str
    token: str = field(repr=False)
    looked_in: str = ""

    def get(self, path: str, **query: str | int | None) -> Any:
        given = {key: value for key, value in query.items() if value is not None}
        return self._call("GET", path, params=given)

    def pages(self, path: str, what: str, limit: int | None, **query: str | None) -> list[Any]:
        """Up to `limit` rows of a list, however many pages that takes; all of them for None."""
        found: list[Any] = []
        after: str | None = None
        while True:
            wanted = 100 if limit is None else min(100, limit - len(found))
            answer = self.get(path, limit=wanted, after=after, **query)
            found += answer[what]
            after = answer["next"]
            if after is None or (limit is not None and len(found) >= limit):
                return found

    def post(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
        return self._call("POST", path, json=body, headers=headers or {})

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        timeout = httpx.Timeout(ANSWER_S if method == "GET" else CHANGED_S, connect=CONNECT_S)
        try:
            with httpx.Client(timeout=timeout, headers=headers, trust_env=False) as client:
                response = client.request(method, self.url + API + path, **options)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise ServerAway(
                f"no server answers at {self.url}; start one with `penstock up`"
            ) from error
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
            raise Unusable(f"PENSTOCK_URL={self.url!r} is not a URL: {error}") from error
        except httpx.HTTPError as error:
            raise ServerAway(f"{self.url} broke off: {type(error).__name__}: {error}") from error
        return self._content(response)

    def _content(self, response: httpx.Response) -> Any:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise self._wrong_token()
        try:
            content = orjson.loads(response.content) if response.content else None
        except orjson.JSONDecodeError:
            content = None
            if response.is_success:
                raise Failed(f"{self.url} is not a Penstock server: no JSON", []) from None
        if response.is_success:
            return content
        found = content if isinstance(content, dict) else {}
        message = str(found.get("error") or f"{self.url} answered {response.status_code}")
        if found.get("reason") == "bad_parameter":
            raise Unusable(message)
        raise Failed(message, found.get("problems") or [])

    def _wrong_token(self) -> WrongToken:
        if self.token:
            return WrongToken(
                f"wrong token for {self.url}: set PENSTOCK_TOKEN to the server's, "
                f"or PENSTOCK_DATA to its data folder"
            )
        return WrongToken(
            f"no token for {self.url}: PENSTOCK_TOKEN is not set and {self.looked_in} is not there"
        )


def server() -> Server:
    """The server that the environment names."""
    known = startup.read_settings()
    url = os.environ.get("PENSTOCK_URL") or DEFAULT_URL
    path = known.data_dir / startup.TOKEN_FILE
    try:
        token = known.token or path.read_text("utf-8").strip()
    except FileNotFoundError:
        token = ""
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read: {error}") from error
    if not token.isascii() or not token.isprintable():
        raise WrongToken("the token holds characters that no token has")
    return Server(url.rstrip("/"), token, str(path))


def segment(text: str) -> str:
    """`text` as one segment of a path: ids are base64 and may hold slashes."""
    return quote(text, safe="")
