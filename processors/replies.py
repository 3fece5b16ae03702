"""Replies: what waiting callers need, one record for each ingress node and batch."""

from collections import defaultdict
from collections.abc import Iterable

from eventlog import at_hand
from eventlog.log import NewRecord
from schemas import events
from schemas.topics import REPLIES

Reply = events.AdmissionDecided | events.ResultReady | events.TriggerAnswered


def records_of(replies: Iterable[Reply]) -> list[NewRecord]:
    """The records that tell each node what its callers wait for."""
    by_node: defaultdict[str, list[events.Event]] = defaultdict(list)
    for reply in replies:
        by_node[reply.reply_to].append(reply)
    return [NewRecord(REPLIES.name, node, at_hand.encode(said)) for node, said in by_node.items()]
