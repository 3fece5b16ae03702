"""`penstock publish` and `penstock versions`: releases of an integration, and all its versions."""

from typing import Annotated

import typer

from penstock import show

IntegrationId = Annotated[str, typer.Argument(metavar="ID", help="As `import --json` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def publish(
    integration_id: IntegrationId,
    version: Annotated[int | None, typer.Option(min=1, help="This one, not the latest.")] = None,
    comment: Annotated[str, typer.Option(help="What is new in it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Mark a version of an integration as released, its latest one by default.

    An imported version can be deployed at once; releasing one tells people that it is fit for use.
    """
    from penstock import client

    path = f"/integrations/{client.segment(integration_id)}/release"
    wanted = {"version": version, "comment": comment}
    answer = client.server().post(path, {k: v for k, v in wanted.items() if v is not None})
    if as_json:
        return show.as_json(answer)
    show.write(f"released version {answer['version']} of {integration_id}")


def versions(integration_id: IntegrationId, as_json: AsJson = False) -> None:
    """List the versions of an integration, the latest first."""
    from penstock import client

    found = client.server().get(f"/integrations/{client.segment(integration_id)}/versions")
    if as_json:
        return show.as_json(found)
    show.table(
        ("version", "imported", "released", "comment"),
        [
            (one["version"], one["importedAt"], one["releasedAt"], one["comment"])
            for one in found["versions"]
        ],
    )
