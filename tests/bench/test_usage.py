"""What processes use, read from /proc."""

import os
import subprocess
import sys
import time

from bench import usage

ROUNDED_S = 2 / os.sysconf("SC_CLK_TCK")
"""User and kernel time are each told in whole ticks."""


def test_processor_time_is_that_of_the_process_and_its_children() -> None:
    before = usage.processor_s(os.getpid())
    busy = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    with subprocess.Popen(
        [sys.executable, "-c", f"{busy}\nprint(flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert usage.processor_s(child.pid) >= 0.2 - ROUNDED_S
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        assert usage.processor_s(os.getpid()) >= before + 0.3 - 2 * ROUNDED_S
        child.kill()


def test_a_process_that_has_ended_uses_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert usage.processor_s(child.pid) == 0
    assert usage.resident_mb(child.pid) == 0
