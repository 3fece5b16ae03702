"""HTTP inputs: what the actions of http declare that they take; pure."""

from processors.actions import Input, Kind

DEFAULT_TIMEOUT_MS = 60_000
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
FORM_METHODS = ("POST", "PUT", "PATCH")

URL = Input(
    key="url",
    label="URL",
    required=True,
    description="Where the request goes: an absolute http:// or https:// URL.",
    example="https://api.example.com/v1/orders",
)
DATA = Input(
    key="data",
    label="Data",
    kind=Kind.ANY,
    passes_stored=True,
    description="The body. An object is sent as JSON; a text as it is, as form data unless a "
    "Content-Type header says otherwise; a file as its bytes with its content type.",
    example='{"order": 17}',
)
METHOD = Input(
    key="method",
    label="Method",
    default="GET",
    description="GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS.",
    example="POST",
)
CONNECTION = Input(
    key="connection",
    label="Connection",
    kind=Kind.CONNECTION,
    description="Adds credentials: `username` and `password` as Basic, `token` (also "
    "`token.access_token`, `access_token`, `accessToken`) or `apiKey` as Bearer; an `apiKey` "
    "with `headerName` as that header.",
    example='{"username": "ada", "password": "…"}',
)
HEADERS = Input(
    key="headers",
    label="Headers",
    kind=Kind.PAIRS,
    description="Sent as given; they win over those of the connection and of the data.",
    example="X-Request-Source: orders",
)
TIMEOUT = Input(
    key="timeout",
    label="Timeout",
    kind=Kind.NUMBER,
    default=DEFAULT_TIMEOUT_MS,
    description="How many milliseconds each attempt may take.",
    example="2000",
)
OPTIONS = (
    CONNECTION,
    HEADERS,
    Input(
        key="queryParams",
        label="Query Parameters",
        kind=Kind.PAIRS,
        description="Added to the URL, encoded; one whose value is null is left out.",
        example="page: 2",
    ),
    Input(
        key="responseType",
        label="Response Type",
        default="json",
        description="json: the parsed body, or text where it is not JSON. text: the text. binary: "
        "an object with the bytes as `data`, and `contentType`; above 256 KiB they go to the blob "
        "store as they come.",
        example="binary",
    ),
    TIMEOUT,
    Input(
        key="includeFullResponse",
        label="Include Full Response",
        kind=Kind.BOOLEAN,
        default=False,
        description="Gives an object with `status`, `statusText`, `headers` and `data` instead of "
        "the data alone. HEAD always does.",
        example="true",
    ),
    Input(
        key="maxRetries",
        label="Max Retry Count",
        kind=Kind.NUMBER,
        default=0,
        description="How often a failed attempt is followed by another, within this one step. All "
        "together may take 15 minutes.",
        example="3",
    ),
    Input(
        key="retryDelayMS",
        label="Retry Delay (ms)",
        kind=Kind.NUMBER,
        default=0,
        description="How many milliseconds to wait before another attempt.",
        example="500",
    ),
    Input(
        key="retryOnAllErrors",
        label="Retry On All Errors",
        kind=Kind.BOOLEAN,
        default=False,
        description="Tries again after any failure; otherwise after a lost connection, and after "
        "a status of 500 and above where the method is not POST or PATCH.",
        example="true",
    ),
    Input(
        key="useExponentialBackoff",
        label="Use Exponential Backoff",
        kind=Kind.BOOLEAN,
        default=False,
        description="Doubles the delay each time; from 100 ms where none is given.",
        example="true",
    ),
    Input(
        key="ignoreSslErrors",
        label="Ignore SSL Errors",
        kind=Kind.BOOLEAN,
        default=False,
        description="Does not check the server's certificate.",
        example="false",
    ),
    Input(
        key="debugRequest",
        label="Debug Request",
        kind=Kind.BOOLEAN,
        default=False,
        description="Writes method, URL, sizes and status to the log.",
        example="true",
    ),
)
FORM = (
    Input(
        key="formData",
        label="Form Data",
        kind=Kind.PAIRS,
        description="Fields and their values, each sent as a text.",
        example="order: 17",
    ),
    Input(
        key="fileData",
        label="File Data",
        kind=Kind.PAIRS,
        passes_stored=True,
        description="Fields and their files: texts, bytes, or objects with data and contentType.",
        example="invoice: downloadFile.results",
    ),
    Input(
        key="fileDataFileNames",
        label="File Data File Names",
        kind=Kind.PAIRS,
        description="Fields of files and how the file is called; by default as its field.",
        example="invoice: invoice-17.pdf",
    ),
    Input(
        key="httpMethod",
        label="HTTP Method",
        default="post",
        description=f"One of {', '.join(FORM_METHODS)}.",
        example="put",
    ),
)
