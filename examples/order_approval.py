"""An order as a durable flow: reserve, wait for a person's approval, charge with retries.

    penstock deploy examples/order_approval.py
    penstock executions signal EXECUTION_ID approved --data '{"by": "ann"}'

Kill the server at any moment: what has been recorded is not done again. While the order waits, it
holds no memory. Call it with `"card": "flaky"` to see retries, with `"total": 5` to see it go
through without approval.
"""

from datetime import timedelta

from penstock.sdk import (
    ConfigVar,
    Integration,
    Permanent,
    Retry,
    StepFailed,
    TimedOut,
    current,
    flow,
    webhook,
)


def reserve(sku):
    """Touches the warehouse. The key makes a repeat after a crash known as one."""
    print("reserving", sku, "under", current().idempotency_key)
    return {"sku": sku, "shelf": 7}


def release(stock):
    print("releasing", stock["sku"])


def charge(card, total):
    if card == "stolen":
        raise Permanent("the card is stolen")
    if card == "flaky" and current().attempt < 3:
        raise ConnectionError("the bank is away")
    return f"{total} paid by {card}"


@flow(trigger=webhook(), name="Order")
async def order(context, trigger):
    """Takes {"sku", "total", "card"}."""
    asked = trigger.body.data
    stock = await context.step("reserve stock", reserve, asked["sku"])
    approved_by = "nobody"
    if asked["total"] > int(context.config["Approve Above"]):
        context.log("waiting for approval of", asked["total"])
        try:
            approval = await context.wait_for("approved", timeout=timedelta(days=3))
        except TimedOut:
            await context.step("release stock", release, stock)
            return {"status": "expired"}
        approved_by = approval["by"]
    try:
        receipt = await context.step(
            "charge", charge, asked["card"], asked["total"], retry=Retry(attempts=5, backoff=2.0)
        )
    except StepFailed as failed:
        await context.step("release stock", release, stock)
        return {"status": "declined", "why": str(failed)}
    number = await context.state.increment("orders")
    return {"status": "placed", "number": number, "receipt": receipt, "approvedBy": approved_by}


integration = Integration(
    name="Order Approval",
    description="Orders above a limit wait for a person.",
    flows=[order],
    config=[ConfigVar(key="Approve Above", data_type="number", default="100")],
)
