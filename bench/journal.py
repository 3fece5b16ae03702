"""A journal as it stands after a load: executions of a flow that saves three values, all ended.

What each execution leaves is one record of `admissions` and one of `executions`.
"""

from bench.flows import FLOW
from eventlog.log import EventLog, NewRecord
from processors import execution_host, journal_keeping
from schemas import codec, events, ids
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, EXECUTIONS

BODY = '{"order": 1042, "lines": [{"sku": "A-100", "quantity": 3}], "note": "' + "x" * 29 + '"}'
"""100 bytes."""
REQUEST = events.Request(
    method="POST",
    path="",
    headers=[["content-type", "application/json"]],
    query=[],
    body=BODY,
    encoding=events.BodyEncoding.TEXT,
    body_bytes=len(BODY),
    content_type="application/json",
)
PARTITION = 0
CHUNK = 500

_START = Instant(1_700_000_000 * SECOND)
_INSTANCE = ids.InstanceId(ids.derived("bench", "instance"))
_ENDPOINT = ids.EndpointId(ids.derived("bench", "endpoint"))
_CUSTOMER = ids.CustomerId(ids.derived("bench", "customer"))
_INTEGRATION = ids.IntegrationId(ids.derived("bench", "integration"))


EVENTS = 9
"""How many events one execution leaves."""


async def append(log: EventLog, executions: int, *, first: int = 0) -> None:
    """Append what `executions` executions left, numbered from `first`."""
    end = first + executions
    for begin in range(first, end, CHUNK):
        numbers = range(begin, min(begin + CHUNK, end))
        await log.append([record for number in numbers for record in _records(number)])


async def checkpoint(log: EventLog, executions: int) -> None:
    """Leave what a worker leaves that has followed all of them: checkpoint and positions."""
    said = events.JournalCheckpointed(
        started_through={str(PARTITION): executions - 1},
        decided_through={str(PARTITION): executions - 1},
    )
    record = NewRecord(EXECUTIONS.name, "", codec.encode([said]), PARTITION)
    [at] = await log.append([record])
    await log.commit(journal_keeping.JOURNAL_READER, EXECUTIONS, PARTITION, at.offset)
    await log.commit(execution_host.ExecutionHost.reader, ADMISSIONS, PARTITION, executions)


def _records(number: int) -> list[NewRecord]:
    execution = ids.execution_of(PARTITION, number)
    admitted, ended = codec.encode([_admitted(execution, number)]), _journal(execution, number)
    return [
        NewRecord(ADMISSIONS.name, _INSTANCE, admitted, PARTITION),
        NewRecord(EXECUTIONS.name, _INSTANCE, codec.encode(ended), PARTITION),
    ]


def _journal(execution: ids.ExecutionId, number: int) -> list[events.Event]:
    said: list[events.Event] = [_started(execution, number)]
    for key in ("save1", "save2", "save3"):
        said += [_saved(execution, key), _succeeded(execution, key)]
    return [*said, events.ExecutionCompleted(execution_id=execution)]


def _saved(execution: ids.ExecutionId, key: str) -> events.StateChanged:
    return events.StateChanged(
        execution_id=execution,
        scope=events.Scope.EXECUTION,
        owner=execution,
        key=key,
        value=1042,
    )


def _succeeded(execution: ids.ExecutionId, step: str) -> events.StepSucceeded:
    return events.StepSucceeded(execution_id=execution, step=step, result={"value": 1042})


def _started(execution: ids.ExecutionId, number: int) -> events.ExecutionStarted:
    return events.ExecutionStarted(
        execution_id=execution,
        instance_id=_INSTANCE,
        flow=FLOW,
        admission_partition=PARTITION,
        admission_offset=number,
        trigger_partition=PARTITION,
        trigger_offset=number,
    )


def _admitted(execution: ids.ExecutionId, number: int) -> events.ExecutionAdmitted:
    return events.ExecutionAdmitted(
        execution_id=execution,
        trigger_partition=PARTITION,
        trigger_offset=number,
        received_at=Instant(_START + number),
        endpoint_id=_ENDPOINT,
        instance_id=_INSTANCE,
        customer_id=_CUSTOMER,
        integration_id=_INTEGRATION,
        version=1,
        flow=FLOW,
        request=REQUEST,
        synchronous=False,
        reply_to="",
        request_no=0,
    )
