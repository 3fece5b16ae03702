"""`penstock components`: what the built-in components offer, and what their actions take."""

from typing import Annotated

import typer

from penstock import show
from schemas.errors import Unusable


def components(
    name: Annotated[
        str | None, typer.Argument(metavar="[COMPONENT[/ACTION]]", help="As a file names it.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference page.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the built-in actions, or show those of one component with their inputs."""
    from penstock import component_docs
    from processors import registry

    component, _, key = (name or "").partition("/")
    chosen = [
        action
        for action in registry.ACTIONS.values()
        if (not component or action.component == component)
        and (not key or action.key.lower() == key.lower())
    ]
    if not chosen:
        raise Unusable(f"there is no built-in {'action' if key else 'component'} {name!r}")
    if as_json:
        show.as_json({"actions": component_docs.objects(chosen)})
    elif markdown:
        show.write_text(component_docs.markdown(chosen))
    elif component:
        show.write_text(component_docs.sections(chosen))
    else:
        rows = sorted((component_docs.component_key(one), one.label) for one in chosen)
        show.table(("ACTION", "LABEL"), rows)
