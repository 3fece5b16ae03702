"""The command line: from what is typed to calls of the other files, from failures to exit codes.

0 done · 1 failed · 2 cannot be used as given, in one sentence on stderr. What a command does not
need is not imported, so that the client commands and `--help` start fast.
"""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock import cli_keys, cli_refusals, cli_schedules, cli_signals, cli_versions, show
from penstock.cli_components import components
from penstock.show import Said
from schemas.errors import PenstockError, Unusable

if TYPE_CHECKING:
    from schemas.integration_file import Reading
    from schemas.settings import Settings

app = typer.Typer(
    help="Penstock: integrations on an event log.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
instances = typer.Typer(help="What is deployed.", no_args_is_help=True)
executions = typer.Typer(help="What has run.", no_args_is_help=True)
app.add_typer(instances, name="instances")
app.add_typer(executions, name="executions")
app.add_typer(cli_schedules.app, name="schedules")
app.add_typer(cli_refusals.app, name="refusals")

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on.")]
Data = Annotated[str | None, typer.Option(help="The data folder. [env: PENSTOCK_DATA]")]
Log = Annotated[str | None, typer.Option(help="The log. [env: PENSTOCK_LOG]")]
Views = Annotated[str | None, typer.Option(help="The views. [env: PENSTOCK_VIEWS]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _given_file(given: str) -> Path:
    """The file that is named, or that of an integration which a package publishes."""
    from penstock import packages

    if given.startswith(packages.PREFIX):
        return packages.source_of(given.removeprefix(packages.PREFIX))
    found = Path(given)
    if not found.exists():
        raise typer.BadParameter(f"File {given!r} does not exist.")
    if found.is_dir():
        raise typer.BadParameter(f"File {given!r} is a directory.")
    return found


File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        parser=_given_file,
        help="A file, or package:NAME for what an installed package publishes.",
    ),
]
InstanceId = Annotated[str, typer.Argument(metavar="ID", help="As `instances list` shows it.")]
ExecutionId = Annotated[str, typer.Argument(metavar="ID", help="As `executions list` shows it.")]
IntegrationId = Annotated[str, typer.Argument(metavar="ID", help="As `import --json` shows it.")]
Pairs = list[str] | None
PYTHON_SUFFIX = ".py"


def main() -> None:
    """The entry point. An error of ours is one sentence; any other is a bug and keeps its trace."""
    try:
        app(prog_name="penstock")
    except Said:
        sys.exit(1)
    except Unusable as error:
        show.say(f"penstock: {error}")
        sys.exit(2)
    except PenstockError as error:
        show.say(f"penstock: {error}")
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        show.say("penstock: the disk that is written to is full")
        sys.exit(1)


@app.command()
def up(
    host: Host = "127.0.0.1",
    port: Port = 8080,
    data: Data = None,
    log: Log = None,
    views: Views = None,
) -> None:
    """Run all stages."""
    from penstock import stages
    from penstock import up as together

    known = _begin(data=data, log=log, views=views)
    stages.run_in_loop(
        together.run(known, host, port, lambda url: show.write(f"penstock ready on {url}"))
    )


@app.command()
def ingress(host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Run one ingress node: all of HTTP."""
    from penstock import stages

    stages.run_in_loop(stages.run_ingress(_begin(), host, port, _ready("ingress")))


@app.command()
def worker() -> None:
    """Run one worker: decides on triggers and executes flows."""
    from penstock import stages

    stages.run_in_loop(stages.run_worker(_begin(), _ready("worker")))


@app.command()
def projector() -> None:
    """Run one projector: keeps the views up to date."""
    from penstock import stages

    stages.run_in_loop(stages.run_projector(_begin(), _ready("projector")))


def _begin(**overrides: str | None) -> "Settings":
    from penstock import startup

    startup.begin_logging()
    known = startup.read_settings(**overrides)
    startup.log_settings(known)
    return known


def _ready(stage: str) -> Callable[[], None]:
    return lambda: show.write(f"penstock {stage} ready")


@app.command()
def deploy(
    file: File,
    customer: Annotated[str | None, typer.Option(help="The customer's external id.")] = None,
    instance: Annotated[str | None, typer.Option(help="The instance's name.")] = None,
    config: Annotated[Pairs, typer.Option(metavar="KEY=VALUE", help="A config variable.")] = None,
    api_key: Annotated[Pairs, typer.Option(metavar="FLOW=KEY", help="A key of a flow.")] = None,
    rate_limit: Annotated[
        int | None, typer.Option(min=1, help="Requests per second and endpoint.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import, publish and deploy an integration."""
    keys: dict[str, list[str]] = {}
    for flow, key in _pairs("--api-key", api_key):
        keys.setdefault(flow, []).append(key)
    wanted = {
        **_written(file),
        "customer": customer,
        "instance": instance,
        "config": dict(_pairs("--config", config)),
        "apiKeys": keys,
        "rateLimit": rate_limit,
    }
    answer = _send_file(file, "/deployments", {k: v for k, v in wanted.items() if v is not None})
    show.unknown_components(answer["unknownComponents"])
    show.warnings(answer["warnings"])
    if as_json:
        show.as_json(answer)
    else:
        show.deployed(answer)


@app.command(name="import")
def import_(file: File, as_json: AsJson = False) -> None:
    """Import and publish an integration without deploying it."""
    answer = _send_file(file, "/integrations", _written(file))
    show.unknown_components(answer["unknownComponents"])
    show.warnings(answer.get("warnings", ()))
    if as_json:
        show.as_json(answer)
    else:
        show.imported(answer)


@app.command()
def export(
    integration_id: IntegrationId,
    version: Annotated[int | None, typer.Option(min=1, help="Of this version.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the file of an integration as it was imported, its latest version by default."""
    from penstock import client

    path = f"/integrations/{client.segment(integration_id)}/definition"
    found = client.server().get(path, version=version)
    show.as_json(found) if as_json else show.write_text(found["definition"])


@app.command()
def validate(file: File, as_json: AsJson = False) -> None:
    """Check an integration file. Needs no server."""
    import asyncio

    from penstock import python_files
    from processors import registry
    from schemas import integration_file, unknown_inputs

    asyncio.run(python_files.install_components())
    reading = _reading_of(file)
    unknown: list[str] = []
    warnings: list[str] = []
    if reading.definition is not None:
        unknown = integration_file.unknown_components(reading.definition, registry.known())
        inputs = unknown_inputs.unknown_inputs(reading.definition, registry.inputs_of)
        warnings = [step.sentence for step in inputs]
    valid = reading.definition is not None
    if as_json:
        found = [show.problem_object(problem) for problem in reading.problems]
        show.as_json({"valid": valid, "problems": found, "unknownComponents": unknown})
    else:
        show.problems(str(file), reading.problems)
        show.unknown_components(unknown)
        if valid:
            show.write(f"{file} is valid")
    show.warnings(warnings)
    if not valid:
        raise Said


@instances.command("list")
def list_instances(as_json: AsJson = False) -> None:
    """List the instances."""
    answer = {"instances": _all_pages("/instances", "instances", None)}
    show.as_json(answer) if as_json else show.instances(answer)


@instances.command()
def pause(instance_id: InstanceId, as_json: AsJson = False) -> None:
    """Refuse requests to an instance until it is resumed."""
    _change(instance_id, "pause", "paused", as_json)


@instances.command()
def resume(instance_id: InstanceId, as_json: AsJson = False) -> None:
    """Take requests to an instance again."""
    _change(instance_id, "resume", "resumed", as_json)


def _change(instance_id: str, verb: str, done: str, as_json: bool) -> None:
    from penstock import client

    server = client.server()
    answer = server.post(f"/instances/{client.segment(instance_id)}/{verb}")
    _show_done(instance_id, done, answer, as_json)


@instances.command()
def remove(
    instance_id: InstanceId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove an instance for good; its executions stay."""
    from penstock import client

    if not yes:
        _ask(f"Remove instance {instance_id}?")
    answer = client.server().delete(f"/instances/{client.segment(instance_id)}")
    _show_done(instance_id, "removed", answer, as_json)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Unusable("nobody to ask here: give --yes to go on")
    if not typer.confirm(question, err=True):
        show.say("nothing done")
        raise Said


def _show_done(instance_id: str, done: str, answer: Any, as_json: bool) -> None:
    show.warnings(answer["warnings"])
    if as_json:
        show.as_json(answer)
    else:
        show.write(f"{done} {instance_id}")


@executions.command("list")
def list_executions(
    flow: Annotated[str | None, typer.Option(help="Of the flow of this name.")] = None,
    status: Annotated[str | None, typer.Option(help="In this status.")] = None,
    since: Annotated[str | None, typer.Option(help="Received since this instant.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List executions, newest first."""
    found = _all_pages("/executions", "executions", limit, flow=flow, status=status, since=since)
    answer = {"executions": found}
    show.as_json(answer) if as_json else show.executions(answer)


@executions.command("show")
def show_execution(execution_id: ExecutionId, as_json: AsJson = False) -> None:
    """Show one execution with its steps."""
    from penstock import client

    found = client.server().get(f"/executions/{client.segment(execution_id)}")
    show.as_json(found) if as_json else show.execution(found)


@app.command()
def logs(
    execution_id: ExecutionId,
    level: Annotated[str | None, typer.Option(help="Of this level or above.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, from the first on.")] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Print the log lines of an execution."""
    from penstock import client

    path = f"/executions/{client.segment(execution_id)}/logs"
    found = _all_pages(path, "logs", limit + 1, level=level)
    answer = {"logs": found[:limit]}
    show.as_json(answer) if as_json else show.logs(answer)
    if len(found) > limit:
        show.say(f"there are more than {limit} lines; --limit shows more of them")


@app.command()
def events(execution_id: ExecutionId, as_json: AsJson = False) -> None:
    """Print the events of an execution as they stand on the log."""
    from penstock import client

    answer = client.server().get(f"/executions/{client.segment(execution_id)}/events")
    show.as_json(answer) if as_json else show.events(answer)


@app.command()
def rebuild(
    data: Data = None, log: Log = None, views: Views = None, as_json: AsJson = False
) -> None:
    """Drop the views and fold the log again: in the server, or here where none runs."""
    from penstock import rebuilding

    folded = rebuilding.rebuild(data=data, log=log, views=views)
    show.as_json({"rebuilt": folded}) if as_json else show.write(f"rebuilt from {folded} records")


def _all_pages(path: str, what: str, limit: int | None, **query: str | None) -> list[Any]:
    from penstock import client

    return client.server().pages(path, what, limit, **query)


def _send_file(file: Path, path: str, body: dict[str, Any]) -> Any:
    from penstock import client

    try:
        return client.server().post(path, body)
    except client.Failed as error:
        if not error.problems:
            raise
        show.problems(str(file), error.problems)
        raise Said from error


def _written(file: Path) -> dict[str, Any]:
    """What the server is told of a file: its text, and in which language it is written."""
    language = "python" if file.suffix == PYTHON_SUFFIX else "yaml"
    return {"definition": _text_of(file), "language": language}


def _reading_of(file: Path) -> "Reading":
    """What the file declares, or its problems. A Python file is run in a process of its own."""
    import asyncio

    from penstock import python_files
    from processors import literal_inputs, registry
    from schemas import integration_file

    if file.suffix == PYTHON_SUFFIX:
        found = asyncio.run(python_files.read(_text_of(file)))
        return integration_file.Reading(found.definition, found.problems)
    return integration_file.read(_bytes_of(file), literal_inputs.checks(registry.find))


def _text_of(file: Path) -> str:
    try:
        return _bytes_of(file).decode()
    except UnicodeDecodeError as error:
        raise Unusable(f"{file} cannot be read as UTF-8 text: {error}") from error


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Unusable(f"{file} cannot be read: {error}") from error


def _pairs(option: str, given: Pairs) -> list[tuple[str, str]]:
    found = []
    for text in given or []:
        key, equals, value = text.partition("=")
        if not key or not equals:
            # The text may be a secret and is not shown.
            raise Unusable(f"{option} needs NAME=VALUE, with a name and an equals sign")
        found.append((key, value))
    return found


# Help lists commands in the order in which they are named to typer: these come last.
app.command("publish")(cli_versions.publish)
app.command("versions")(cli_versions.versions)
app.command()(components)
instances.command("keys")(cli_keys.keys)
executions.command("signal")(cli_signals.signal)
