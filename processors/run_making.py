"""Making runs: from an admission, and what is recorded of it, to a run that goes on from there.

Takes in what the catalog, the configuration of the instance and the blob store say; gives out a
Run, of YAML or Python alike. A run that cannot be made has ended already, with its reason.
"""

from collections.abc import Sequence

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from processors import execution, finding, form_reading, loading, preprocess
from processors import journal as journals
from processors import payload as payloads
from processors.actions import StepError, World
from processors.interpreter import Run
from processors.journal import Journal
from processors.payload import Body, payload
from processors.preprocess import Preprocessing
from processors.python.run import PythonRun
from processors.python.sessions import Session
from processors.recorded_steps import record_of
from schemas import configuration, events
from schemas.catalog import Catalog
from schemas.configuration import Configuration
from schemas.definitions import YAML, Definition
from schemas.events import BodyEncoding
from schemas.instants import Instant
from schemas.secrets import MasterKey
from schemas.stored import Stored

MOST_CONFIGURATIONS = 10_000


class RunMaker:
    """Makes the runs of one process."""

    def __init__(
        self, definitions: Definitions, blobs: Blobs, master_key: MasterKey, world: World
    ) -> None:
        self._definitions = definitions
        self._blobs = blobs
        self._master_key = master_key
        self._world = world
        self._finder = finding.Finder()
        """By version: the triggers that a Python file declares itself."""
        self._configurations: dict[tuple[str, str, int], Configuration] = {}

    async def make(
        self,
        journal: Journal,
        admitted: events.ExecutionAdmitted,
        now: Instant,
        said: Sequence[events.Event],
    ) -> Run:
        catalog = self._definitions.catalog
        if admitted.preprocess is not None or _is_behind(catalog, admitted):
            await self._definitions.read_to_end()
        definition = catalog.definition(admitted.integration_id, admitted.version)
        configuration = self._configuration(admitted, definition)
        flow = definition.flow(admitted.flow)
        problem = "" if flow is not None else f"version has no flow {admitted.flow!r}"
        published = catalog.versions[admitted.integration_id, admitted.version]
        kind = Run if published.language == YAML else PythonRun
        body: Body = None
        try:
            body = await self._body(admitted.request, whole=kind is PythonRun)
        except StepError as error:
            problem = f"the body of the request: {error}"
        run = kind(
            admitted=admitted,
            flow=flow or definition.flows[0],
            payload={}
            if problem
            else payload(admitted, catalog, definition, api_keys=configuration.api_keys, body=body),
            config=configuration.values,
            secrets=configuration.secrets,
            find=self._finder.find_in(published),
            read_state=lambda scope: execution.read_values(
                journal.state, scope, execution.owner_of(scope, run.admitted)
            ),
            write_state=lambda change: journals.write(journal, run.admitted, change),
            owner_of=lambda scope: execution.owner_of(scope, run.admitted),
            now=now,
            recorded=record_of(said),
            has_invoked=lambda invoked: invoked in _open(journal, run).invoked,
            failures=lambda: _open(journal, run).failures,
            answers=lambda name: (
                (sister := definition.flow(name)) is not None and sister.is_synchronous
            ),
        )
        run.past += said
        if admitted.preprocess is not None:
            run.preprocessing = self._preprocessing(run, configuration, body, said)
        if isinstance(run, PythonRun) and not problem:
            session = journal.live.setdefault(admitted.execution_id, Session(self._world))
            session.use(finding.key_of(published), published.definition)
            run.turn_s = self._world.code_timeout_s
        if problem:
            run.said.append(
                events.ExecutionFailed(execution_id=admitted.execution_id, error=problem)
            )
            run.ended = True
        return run

    async def _body(self, request: events.Request, *, whole: bool) -> Body:
        """What has to be read of a body in a blob. Raises StepError."""
        if payloads.is_form(request) and not whole:
            return await form_reading.read(self._blobs, request, self._world.max_loaded_bytes)
        if payloads.is_read(request) or (whole and request.encoding == BodyEncoding.BLOB):
            return await loading.load(Stored(request.body, request.body_bytes), self._world)
        return None

    def _preprocessing(
        self,
        run: Run,
        configuration: Configuration,
        body: Body,
        said: Sequence[events.Event],
    ) -> Preprocessing:
        catalog, admitted = self._definitions.catalog, run.admitted

        def enter(dispatched: events.FlowDispatched) -> preprocess.Entered | None:
            if dispatched.instance_id != admitted.instance_id:
                return None
            follows = preprocess.continued(admitted, dispatched)
            definition = catalog.definition(dispatched.integration_id, dispatched.version)
            flow = definition.flow(dispatched.flow)
            assert flow is not None
            keys = configuration.api_keys
            seen = payload(follows, catalog, definition, api_keys=keys, body=body)
            return preprocess.Entered(follows, flow, seen)

        return Preprocessing(
            dispatch=lambda results, last: preprocess.dispatch(
                catalog, admitted, run.payload, results, last
            ),
            enter=enter,
            known=next((e for e in said if isinstance(e, events.FlowDispatched)), None),
        )

    def _configuration(
        self, admitted: events.ExecutionAdmitted, definition: Definition
    ) -> Configuration:
        catalog = self._definitions.catalog
        if not admitted.customer_id:
            # A preprocess flow of all customers: nothing of any of them is its own.
            return Configuration({}, frozenset(), {})
        deployed = catalog.instances[admitted.instance_id].deployed
        revision = (admitted.instance_id, admitted.revision)
        sealed = catalog.configurations.get(revision, deployed.sealed)
        key = (sealed, admitted.integration_id, admitted.version)
        if key not in self._configurations:
            if len(self._configurations) >= MOST_CONFIGURATIONS:
                self._configurations.clear()
            self._configurations[key] = configuration.configured(
                self._master_key.unseal(sealed), definition
            )
        return self._configurations[key]


def _is_behind(catalog: Catalog, admitted: events.ExecutionAdmitted) -> bool:
    """Whether another process has decided with what this one has not read yet."""
    known = catalog.instances.get(admitted.instance_id)
    version = (admitted.integration_id, admitted.version)
    if version not in catalog.versions or known is None:
        return True
    return known.deployed.revision < admitted.revision


def _open(journal: Journal, run: Run) -> execution.Open:
    return journal.state.open[run.admitted.execution_id]
