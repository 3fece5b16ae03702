"""Writing the journal: what a run has said, as records and as what follows from them.

Takes in runs; gives out what to append and what to answer. Whoever appends it is the host.
"""

from typing import NamedTuple

from eventlog.blobs import Blobs
from eventlog.log import NewRecord
from processors import execution, flow_answers, journal_records
from processors.interpreter import Run
from processors.journal import Journal
from schemas import codec, events
from schemas.topics import TRIGGERS


class Written(NamedTuple):
    """What a run has said: records of the journal, and what follows from them.

    Invocations go on to admission with them; the trigger's answer goes out once they are durable.
    """

    records: list[NewRecord]
    onward: list[NewRecord]
    last: events.Event | None = None
    """The last event; where it is terminal the run ends with it, whatever the run says now."""
    dispatched: events.FlowDispatched | None = None
    answer: events.TriggerAnswered | None = None
    flow_answer: events.FlowAnswered | None = None
    """For the step that waits for this execution, which has ended."""

    def behind(self, records: list[NewRecord]) -> "Written":
        return self._replace(records=records + self.records) if records else self


async def written(journal: Journal, run: Run, blobs: Blobs) -> Written:
    """What `run` has said since the last time, made ready for the log.

    Large results have gone to the blob store. Raises BlobsUnavailable.
    """
    said, run.said = run.said, []
    answer, run.answer = run.answer, None
    if not said:
        return Written([], [], answer=answer)
    invoked: list[events.FlowInvoked] = []
    dispatched: events.FlowDispatched | None = None
    for index, event in enumerate(said):
        if isinstance(event, events.FlowInvoked):
            said[index] = event = await journal_records.with_stored_body(event, blobs)
            execution.invoke(journal.state, journal.head, event)
            invoked.append(event)
        elif isinstance(event, events.FlowDispatched):
            dispatched = event
    flow_answer = None
    if isinstance(said[-1], execution.Terminal):
        flow_answer = flow_answers.answered(run.admitted, said[-1])
        if flow_answer is not None:
            said[-1:] = [flow_answer, flow_answers.without_response(said[-1])]
    led_on = [onward(event) for event in invoked]
    place = journal_records.Place(journal.partition, journal.claim, run.admitted.instance_id)
    records, last = await journal_records.records(said, run.admitted.execution_id, place, blobs)
    run.ended = run.ended or isinstance(last, execution.Terminal)
    if isinstance(last, events.ExecutionFailed):  # perhaps by a value that JSON cannot hold
        flow_answer = flow_answers.answered(run.admitted, last)
    return Written(records, led_on, last, dispatched, answer, flow_answer)


def onward(event: events.FlowInvoked) -> NewRecord:
    return NewRecord(TRIGGERS.name, event.instance_id, codec.encode([event]))
