"""Settings of a flow in an integration file: retries, queue, batches, schemas of its calls.

Takes in the place of a flow and the flow as far as it has been read; gives out their shapes in
`definitions`, and a problem for each rule that is broken (platform-behaviour, 2.7, 6.5 and 6.7).
"""

from typing import Any

from schemas import integration_inputs
from schemas.definitions import Flow, FlowRetry, Queue, Reference, TriggerResolver
from schemas.integration_inputs import Names
from schemas.yaml_places import Place, plain

LARGEST_BATCH = 1_000_000


def retry(place: Place, flow: Flow, names: Names) -> FlowRetry | None:
    config = place.mapping("retryConfig")
    if config is None:
        return None
    return FlowRetry(
        max_attempts=config.count("maxAttempts", 0, 10),
        delay_minutes=config.number("delayMinutes", 0, 60),
        exponential=config.flag("usesExponentialBackoff"),
        unique_request_id=_id_field(config, "uniqueRequestIdField", flow, names),
    )


def idempotency_key(place: Place, flow: Flow, names: Names) -> Reference | None:
    """Our own: where a request holds what it is known by, like its header Idempotency-Key."""
    return _id_field(place, "idempotencyKeyField", flow, names)


def queue(place: Place, flow: Flow, names: Names, *, is_preprocess: bool) -> Queue:
    config = place.mapping("queueConfig")
    if config is None:
        return Queue()
    limited = config.gives("concurrencyLimit")
    limit = config.count("concurrencyLimit", 2, 15, 2)
    found = Queue(
        fifo=config.flag("usesFifoQueue"),
        concurrency_limit=limit if limited else None,
        singleton=config.flag("singletonExecutions"),
        dedupe_id=_id_field(config, "dedupeIdField", flow, names),
    )
    _check_queue(config, found, flow, is_preprocess=is_preprocess)
    return found


def _check_queue(config: Place, queue: Queue, flow: Flow, *, is_preprocess: bool) -> None:
    fifo, singleton = queue.fifo, queue.singleton
    trigger = flow.steps[0].component if flow.steps else ""
    scheduled = trigger == "schedule-triggers" or any(step.schedule for step in flow.steps[:1])
    refusals = (
        (fifo and flow.is_synchronous, "a synchronous flow cannot have a FIFO queue"),
        (fifo and scheduled, "a scheduled flow cannot have a FIFO queue"),
        (fifo and singleton, "a FIFO queue and singletonExecutions exclude one another"),
        (fifo and trigger == "management-triggers", "a management flow cannot have a FIFO queue"),
        (fifo and is_preprocess, "the preprocess flow cannot have a FIFO queue"),
        (singleton and not scheduled, "singletonExecutions needs a trigger with a schedule"),
    )
    for refused, why in refusals:
        if refused:
            config.wrong(why)


def resolver(place: Place) -> TriggerResolver | None:
    config = place.mapping("triggerResolver")
    if config is None:
        return None
    return TriggerResolver(
        enabled=config.flag("enabled", True),
        batch_size=config.count("batchSize", 1, LARGEST_BATCH, 1),
        concurrent_batch_limit=config.count("concurrentBatchLimit", 1, LARGEST_BATCH),
        initial_sync_on_deploy=config.flag("runInitialSyncOnDeploy"),
    )


def schemas(place: Place) -> dict[str, Any]:
    """The JSON Schemas as they stand; what they say is checked where something is held to them."""
    found = {}
    for purpose, schema in place.entries("schemas"):
        if schema.is_mapping():
            found[purpose] = plain(schema.node)
    return found


def _id_field(config: Place, key: str, flow: Flow, names: Names) -> Reference | None:
    """The id of a request is looked up in the trigger's results."""
    place = config.get(key)
    if place is None or place.is_empty_text():
        return None
    before = len(config.problems)
    found = integration_inputs.read(place, Names(names.config_vars))
    trigger = flow.steps[0].key if flow.steps else ""
    if len(config.problems) > before or found == integration_inputs.NOTHING:
        return None
    if not isinstance(found, Reference) or (found.step, found.kind) != (trigger, "results"):
        place.at("value").wrong(f"{key} must be a reference to {trigger}.results, the trigger's")
        return None
    return found
