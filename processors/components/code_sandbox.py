"""The inside of a sandbox: a process of its own that runs JavaScript; takes frames, gives frames.

It is started as a script and imports nothing of ours. JavaScript stays out of the process that
starts it because no limit of QuickJS (1.19) holds everywhere: `JSON.stringify` of something nested
100,000 deep ends the process by a segmentation fault, and a regular expression that backtracks or
`Array(4294967295).indexOf(1)` never looks at the clock. Here an alarm of the kernel ends both.

    in    a head (seconds, bytes of memory, bytes of result, length of code, of input), code, input
    out   `r` once nothing of the last run is left; then per run a kind, a length and a text:
          `o` JSON of {result, logs}   `e` JSON of {message, stack}
"""

import json
import os
import resource
import signal
import struct
import sys
import time
from typing import Any

import quickjs

HEAD = struct.Struct(">dQQQQ")
REPLY = struct.Struct(">cQ")
READY = b"r"
DONE = b"o"
FAILED = b"e"
_GRACE_S = 0.25
_STACK_BYTES = 512 * 1024

PRELUDE = r"""
(function () {
  'use strict';
  const MAX_LINES = 1000, MAX_CHARS = 4096;
  const stringify = JSON.stringify, parse = JSON.parse, text = String, from = Array.from;
  const apply = Reflect.apply, resolved = Promise.resolve.bind(Promise);
  const evaluate = globalThis.eval;
  const then = Promise.prototype.then, push = Array.prototype.push, slice = String.prototype.slice;
  const isError = (value) => value instanceof Error, settled = { is: '', value: undefined };
  const lines = [];
  let dropped = 0;

  const show = (value) => {
    try {
      if (typeof value === 'string') return value;
      if (isError(value)) return text(value);
      const shown = typeof value === 'object' ? stringify(value) : undefined;
      return shown === undefined ? text(value) : shown;
    } catch (error) {
      return '(a value that cannot be shown)';
    }
  };
  const log = (level) => (...values) => {
    if (lines.length >= MAX_LINES) { dropped += 1; return; }
    let line = '';
    for (let i = 0; i < values.length; i += 1) line += (i ? ' ' : '') + show(values[i]);
    apply(push, lines, [[level, apply(slice, line, [0, MAX_CHARS])]]);
  };
  const logger = () => ({
    trace: log('trace'), debug: log('debug'), info: log('info'), log: log('info'),
    warn: log('warn'), error: log('error'), metric: log('metric'),
  });
  const describe = (error) => {
    try {
      if (isError(error)) return stringify({ message: text(error), stack: text(error.stack) });
    } catch (unprintable) { /* its message throws */ }
    return stringify({ message: show(error) + ' was thrown', stack: '' });
  };

  Uint8Array.prototype.toJSON = function () { return { type: 'Buffer', data: from(this) }; };
  globalThis.console = logger();
  globalThis.module = { exports: {} };
  globalThis.exports = module.exports;
  globalThis.require = (name) => {
    throw new Error(`require(${stringify(name)}): code steps have no modules`);
  };

  const start = (code, input) => {
    evaluate(code);
    let run = module.exports;
    if (typeof run !== 'function') run = run && run.default;
    if (typeof run !== 'function') {
      throw new Error('the code must set module.exports to a function (context, stepResults)');
    }
    const { context, stepResults } = parse(input);
    context.logger = logger();
    apply(then, resolved(run(context, stepResults)), [
      (value) => { settled.is = 'fulfilled'; settled.value = value; },
      (error) => { settled.is = 'rejected'; settled.value = error; },
    ]);
  };
  const finish = (limit) => {
    if (settled.is === 'rejected') return 'e' + describe(settled.value);
    if (settled.is !== 'fulfilled') {
      return 'e' + stringify({ message: 'the promise of the code never settles', stack: '' });
    }
    let value = settled.value;
    if (value !== undefined && value !== null && typeof value !== 'object') {
      throw new TypeError(`the code must return an object with data, not a ${typeof value}`);
    }
    if (value && typeof value.data === 'function') {
      throw new TypeError('data is a function, which no step result can hold');
    }
    value = stringify(value === undefined ? null : value);
    if (value === undefined) throw new TypeError('the result has no JSON');
    if (value.length > limit) {
      throw new RangeError(`the result is larger than ${limit} characters of JSON`);
    }
    if (dropped) apply(push, lines, [['warn', `${dropped} more lines were dropped`]]);
    return 'o{"result":' + value + ',"logs":' + stringify(lines) + '}';
  };
  return (what, argument, input) => {
    try {
      return what === 'start' ? start(argument, input) : finish(argument);
    } catch (error) {
      return 'e' + describe(error);
    }
  };
})()
""".replace("\n", " ")
"""On one line, so that line numbers in a stack are those of the author's code."""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        context = quickjs.Context()
        context.set_max_stack_size(_STACK_BYTES)
        step = context.eval(PRELUDE)
        _write(READY)
        head = _read(HEAD.size)
        if not head:
            return
        limit_s, *limits, code_bytes, given_bytes = HEAD.unpack(head)
        code, given = _read(code_bytes).decode(), _read(given_bytes).decode()
        # Ends the process, whatever it is doing; stands until the last object is freed.
        signal.setitimer(signal.ITIMER_REAL, limit_s + _GRACE_S)
        kind, answer = _run(context, step, code, given, limit_s, *limits)
        _write(REPLY.pack(kind, len(answer)) + answer)
        del context, step
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run(
    context: Any, step: Any, code: str, given: str, limit_s: float, memory: int, result: int
) -> tuple[bytes, bytes]:
    context.set_memory_limit(memory)
    try:
        reply = _answer(context, step, code, given, time.monotonic() + limit_s)
        # Room for the result as JSON, which may be built from pieces that are doubled each time.
        context.set_memory_limit(memory + 4 * result)
        reply = reply or step("finish", result)
    except quickjs.JSException as error:
        return FAILED, json.dumps({"message": str(error), "stack": ""}).encode()
    except (UnicodeError, ValueError, MemoryError) as error:
        return FAILED, json.dumps({"message": str(error), "stack": ""}).encode()
    return reply[:1].encode(), reply[1:].encode("utf-8", "replace")


def _answer(context: Any, step: Any, code: str, given: str, deadline: float) -> str:
    """What went wrong on the way to a settled promise; nothing where all is well."""
    _limit(context, deadline)
    failure: str | None = step("start", code, given)
    while failure is None and context.execute_pending_job():
        _limit(context, deadline)
    _limit(context, deadline)
    return failure or ""


def _limit(context: Any, deadline: float) -> None:
    """Give the next call what is left of the time: QuickJS starts its clock anew at each call."""
    context.set_time_limit(max(0.001, deadline - time.monotonic()))


def _read(count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = os.read(sys.stdin.fileno(), min(count - len(parts), 1 << 20))
        if not part:
            return b""
        parts += part
    return bytes(parts)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


if __name__ == "__main__":
    main()
