"""Isolation: what the code of authors may do, and that it fails its own step or flow alone."""

from pathlib import Path

from eventlog.sqlite import SqliteLog
from schemas import events
from schemas.topics import EXECUTIONS
from tests.processors import instances, python_instances
from tests.processors.at_work import processing

SECRET = "t0ken-of-the-shop"

IN_A_STEP = {
    "throws": ("raise ValueError('no')", "ValueError: no (line"),
    "hangs": ("while True: pass", "took longer than 1 s"),
    "sleeps": ("time.sleep(100)", "took longer than 1 s"),
    "hangs_in_c": ("re.match('(a*)*b', 'a' * 40)", "took longer than 1 s"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "exits_at_once": ("os._exit(3)", "exit code 3"),
    "kills_itself": ("os.kill(os.getpid(), 9)", "SIGKILL"),
    "kills_its_group": ("os.kill(0, 15); time.sleep(9)", "SIGTERM"),
    "crashes": ("ctypes.string_at(0)", "SIGSEGV"),
    "eats_memory": ("bytearray(10 ** 10)", "more memory"),
    "eats_memory_slowly": ("[bytes(10 ** 6) for _ in range(10 ** 5)]", "more memory"),
    "recurses": ("recurse()", "RecursionError"),
    "closes_everything": ("os.closerange(3, 200)", "its process"),
    "writes_junk_to_its_worker": ("write_everywhere(b'junkjunk')", "wrote on the connection"),
    "writes_nonsense_to_its_worker": ("write_everywhere(b'\\0\\0\\0\\2{}')", "makes no sense"),
    "returns_a_function": ("return recurse", "no JSON"),
    "returns_itself": ("x = []; x.append(x); return x", "nested too deep"),
    "returns_too_much": ("return 'x' * (51 * 1024 * 1024)", "are allowed"),
    "tells_a_secret": ("raise ValueError(current().config['Shop']['token'])", "ValueError: ***"),
}
"""What a step does, and what its error says."""

SIDE_BY_SIDE = """
def nap():
    time.sleep(0.05)
    return threading.active_count()

@flow(trigger=webhook(), name="many_at_once")
async def many_at_once(context, trigger):
    running = await context.gather(*(context.step("nap", nap) for _ in range(100)))
    assert max(running) < 40, max(running)
"""

IN_THE_FLOW = {
    "flow_throws": ("{}['sku']", "KeyError: 'sku' (line"),
    "flow_hangs": ("while True: pass", "outside of its steps, took longer than 2 s"),
    "flow_exits": ("os._exit(5)", "outside of its steps: it ended its process (exit code 5)"),
    "flow_waits_for_nothing": ("await asyncio.Future()", "none of its steps"),
    "flow_sleeps": ("await asyncio.sleep(1)", "context.sleep"),
}

IN_A_TRIGGER = {
    "trigger_throws": ("raise ValueError('no')", "ValueError: no (line"),
    "trigger_hangs": ("while True: pass", "took longer than 1 s"),
    "trigger_exits": ("os._exit(3)", "exit code 3"),
    "trigger_returns_nonsense": ("return 5", "a trigger returns a TriggerResult, not int"),
    "trigger_chooses_no_branch": ("return TriggerResult(payload={}, branch='No')", "No"),
}

HARMLESS = {
    "prints": "print('x' * 10 ** 6); [print(n) for n in range(10 ** 4)]",
    "writes_to_its_outputs": "os.write(1, b'junk'); os.write(2, b'junk')",
    "forks": "os.fork() or os._exit(0)",
    "changes_the_module": "global recurse; recurse = None; sys.modules.clear()",
}

TRIGGER = """
@trigger(key="{name}", timeout={timeout_s}, branches=["Yes"])
def the_{name}(context, payload, params):
    {code}

@flow(trigger=starts(the_{name}), name="{name}")
async def {name}(context, trigger):
    return None
"""
HEAD = """
import asyncio, ctypes, os, re, sys, threading, time
from penstock.sdk import ConfigVar, Integration, TriggerResult, current, flow, starts, trigger
from penstock.sdk import webhook

def recurse():
    recurse()

def write_everywhere(data):
    for descriptor in range(3, 60):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
"""
STEP = """
def step_{name}():
    {code}

@flow(trigger=webhook(), name="{name}")
async def {name}(context, trigger):
    return await context.step("step", step_{name}, timeout={timeout_s})
"""
FLOW = """
@flow(trigger=webhook(), name="{name}")
async def {name}(context, trigger):
    {code}
"""


def limit_s(name: str) -> int:
    """How long it may take. Only what never ends comes to its limit, however busy the machine."""
    return 1 if "longer than 1 s" in (IN_A_STEP | IN_A_TRIGGER).get(name, ("", ""))[1] else 60


def source() -> str:
    in_steps = {name: code for name, (code, _) in IN_A_STEP.items()} | HARMLESS
    flows = [
        STEP.format(name=name, code=code, timeout_s=limit_s(name))
        for name, code in in_steps.items()
    ]
    flows += [FLOW.format(name=name, code=code) for name, (code, _) in IN_THE_FLOW.items()]
    flows += [
        TRIGGER.format(name=name, code=code, timeout_s=limit_s(name))
        for name, (code, _) in IN_A_TRIGGER.items()
    ]
    flows.append(SIDE_BY_SIDE)
    names = ", ".join(["many_at_once", *in_steps, *IN_THE_FLOW, *IN_A_TRIGGER])
    triggers = ", ".join(f"the_{name}" for name in IN_A_TRIGGER)
    shop = "ConfigVar(key='Shop', connection=('shop', 'key'), fields={'token': ''})"
    given = f"flows=[{names}], config=[{shop}], triggers=[{triggers}]"
    tail = f"integration = Integration(name='Test', {given})"
    return "\n".join([HEAD, *flows, tail])


async def test_each_kind_of_hostile_code_fails_its_own_execution_with_the_reason(
    tmp_path: Path,
) -> None:
    expected = {
        name: error for name, (_, error) in (IN_A_STEP | IN_THE_FLOW | IN_A_TRIGGER).items()
    }
    expected |= dict.fromkeys([*HARMLESS, "many_at_once"], "")
    log = await SqliteLog.open(tmp_path / "log.db")
    await python_instances.deploy(log, source(), config={"Shop": {"token": SECRET}})
    async with processing(log, tmp_path, code_timeout_s=60):
        for name in expected.keys() - {"flow_hangs"}:
            await log.append([instances.call(name)])
        await instances.ended(log, len(expected) - 1)
    async with processing(log, tmp_path, code_timeout_s=1):
        await log.append([instances.call("flow_hangs")])
        said = await instances.ended(log, len(expected))
    flows = {e.execution_id: e.flow for e in instances.of(events.ExecutionStarted, said)}
    errors = {flows[e.execution_id]: "" for e in instances.of(events.ExecutionCompleted, said)}
    errors |= {flows[e.execution_id]: e.error for e in instances.of(events.ExecutionFailed, said)}
    wrong = {
        n: e for n, e in errors.items() if expected[n] not in e or bool(e) != bool(expected[n])
    }
    assert not wrong
    assert errors.keys() == expected.keys()
    assert SECRET not in repr(said)
    await log.close()


PARRICIDE = """
import os, time
from penstock.sdk import Integration, flow, webhook

def parricide():
    os.kill(os.getppid(), 9)
    time.sleep(9)

@flow(trigger=webhook(), name="kills")
async def kills(context, trigger):
    await context.step("kill", parricide)

@flow(trigger=webhook(), name="goes_on")
async def goes_on(context, trigger):
    return await context.step("one", abs, -1)

integration = Integration(name="Test", flows=[kills, goes_on])
"""


async def test_the_worker_goes_on_when_the_process_that_has_loaded_the_code_is_killed(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await python_instances.deploy(log, PARRICIDE)
    async with processing(log, tmp_path):
        await log.append([instances.call("kills")])
        await instances.ended(log, 1)
        await log.append([instances.call("goes_on")])
        said = await instances.ended(log, 2)
    assert len(instances.of(events.ExecutionFailed, said)) == 1
    assert len(instances.of(events.ExecutionCompleted, said)) == 1
    assert len(instances.of(events.PartitionClaimed, said)) == log.partitions(EXECUTIONS)
    await log.close()
