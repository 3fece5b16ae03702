"""The bodies of lifecycle commands: what is asked for over HTTP, and what the asker is told."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ingress import lifecycle


def _named(text: str) -> str:
    """As names in integration files: PostgreSQL's texts cannot hold U+0000."""
    if not text.strip() or "\0" in text:
        raise PydanticCustomError("name", "A name is not blank and does not hold U+0000")
    return text


Name = Annotated[str, Field(max_length=500), AfterValidator(_named)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImportBody(_Body):
    """`definition` is the text of an integration file, or of a Python file."""

    definition: str
    language: Literal["yaml", "python"] = "yaml"


class DeployBody(ImportBody):
    """`config` values are texts; a connection's may be an object of its fields."""

    customer: Name = lifecycle.DEFAULT_CUSTOMER
    instance: Name | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    apiKeys: dict[str, list[str]] = Field(default_factory=dict)
    rateLimit: Annotated[int, Field(le=1_000_000)] | None = None


class ImportedBody(BaseModel):
    integrationId: str
    version: int
    flows: list[str]
    unknownComponents: list[str]
    warnings: list[str] = Field(default_factory=list)


class DeployedFlow(BaseModel):
    name: str
    webhookUrl: str
    apiKeys: list[str]


class DeployedBody(BaseModel):
    integrationId: str
    instanceId: str
    version: int
    flows: list[DeployedFlow]
    unknownComponents: list[str]
    warnings: list[str] = Field(default_factory=list)


class StatusBody(BaseModel):
    instanceId: str
    status: str
    warnings: list[str] = Field(default_factory=list)
