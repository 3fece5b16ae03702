"""A trigger that answers a third party's URL challenge, and the flow behind it.

Many services ask a new webhook address to prove itself: they send a challenge and expect it back.
This trigger answers that by itself; everything else starts the flow. In a package, the same trigger
would stand in a component under the entry point group `penstock.components`.
"""

from penstock.sdk import Input, Integration, Response, TriggerResult, flow, starts, trigger


@trigger(
    inputs={"field": Input(label="Field", default="challenge", example="challenge")},
    branches=["Challenge", "Event"],
    responds=True,
)
def events_of_third_party(context, payload, params):
    """Answers a challenge with its text; anything else is an event."""
    body = payload.body.data if isinstance(payload.body.data, dict) else {}
    challenge = body.get(params.field)
    if challenge is None:
        return TriggerResult(payload=payload, branch="Event", response=Response(status=202))
    answer = Response(body=str(challenge), content_type="text/plain")
    return TriggerResult(payload=payload, branch="Challenge", response=answer)


def remember(kind):
    print("an event of kind", kind)
    return kind


@flow(trigger=starts(events_of_third_party))
async def receive(context, trigger):
    if context.branch == "Challenge":
        return "proved"
    kind = await context.step("remember", remember, trigger.body.data["kind"])
    count = await context.state.increment(f"seen {kind}")
    return {"kind": kind, "count": count}


integration = Integration(
    name="Third Party Events", flows=[receive], triggers=[events_of_third_party]
)
