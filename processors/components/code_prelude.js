/* The inside of a code step's sandbox, before its code: what it finds, how it is started and how
   its result is taken. An expression that gives one function, which code_sandbox.py calls. It is
   evaluated as one line, so it has no comments to the end of a line. What it uses later it takes
   now, because the code may change any global. */
(function () {
  'use strict';
  const MAX_LINES = 1000, MAX_CHARS = 4096;
  const stringify = JSON.stringify, parse = JSON.parse, text = String, from = Array.from;
  const isArray = Array.isArray;
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
  const nothing = () => undefined;
  const consoleLike = () => ({
    ...logger(), dir: (value) => log('info')(value), dirxml: log('info'), table: log('info'),
    group: log('info'), groupCollapsed: log('info'), groupEnd: nothing, time: nothing,
    timeLog: nothing, timeEnd: nothing, count: nothing, countReset: nothing, clear: nothing,
    assert: (holds, ...values) => { if (!holds) log('error')('Assertion failed', ...values); },
  });
  const describe = (error) => {
    try {
      if (isError(error)) return stringify({ message: text(error), stack: text(error.stack) });
    } catch (unprintable) { /* its message throws */ }
    return stringify({ message: show(error) + ' was thrown', stack: '' });
  };

  let now = 0, random = () => 0, library = '', loaded, send;
  const RealDate = Date, construct = Reflect.construct;
  const TheDate = function Date(...given) {
    if (!new.target) return text(new TheDate());
    return construct(RealDate, given.length ? given : [now], new.target);
  };
  TheDate.prototype = RealDate.prototype;
  TheDate.prototype.constructor = TheDate;
  TheDate.now = () => now;
  TheDate.parse = RealDate.parse;
  TheDate.UTC = RealDate.UTC;
  globalThis.Date = TheDate;
  let origin = 0;
  globalThis.performance = { now: () => now - origin };
  const seeded = (seed) => {
    const state = [1779033703, 3144134277, 1013904242, 2773480762];
    for (let i = 0; i < seed.length; i += 1) {
      for (let j = 0; j < 4; j += 1) {
        state[j] = Math.imul(state[j] ^ seed.charCodeAt(i), 597399067 + 2 * j) ^ (state[j] >>> 15);
      }
    }
    return () => {
      const sum = (state[0] + state[1] + state[3]) | 0;
      state[3] = (state[3] + 1) | 0;
      state[0] = state[1] ^ (state[1] >>> 9);
      state[1] = (state[2] + (state[2] << 3)) | 0;
      state[2] = ((state[2] << 21) | (state[2] >>> 11)) + sum | 0;
      return sum >>> 0;
    };
  };
  Math.random = () => random() / 4294967296;

  let timers = [], asked = [], waiting = [], count = 0;
  const later = (repeats) => (call, delay, ...given) => {
    if (typeof call !== 'function') throw new TypeError('a timer needs a function');
    const after = delay > 0 ? +delay : 0;
    count += 1;
    const every = repeats ? after || 1 : 0;
    apply(push, timers, [{ id: count, at: now + after, call, given, every }]);
    return count;
  };
  const forget = (id) => { timers = timers.filter((timer) => timer.id !== id); };
  globalThis.setTimeout = later(false);
  globalThis.setInterval = later(true);
  globalThis.setImmediate = (call, ...given) => setTimeout(call, 0, ...given);
  globalThis.clearTimeout = globalThis.clearInterval = globalThis.clearImmediate = forget;
  globalThis.queueMicrotask = (call) => { apply(then, resolved(), [call]); };
  const nextTick = (call, ...given) => queueMicrotask(() => call(...given));
  globalThis.process = { env: {}, nextTick };

  const load = () => {
    if (!loaded) loaded = evaluate(library)(random);
    return loaded;
  };
  const fetch = (url, options) => {
    if (!send) throw new TypeError('this step has no network: fetch is there in runCodeWithFetch');
    return load().fetchOver(send)(url, options);
  };
  const names = ['Buffer', 'TextEncoder', 'TextDecoder', 'atob', 'btoa', 'URL', 'URLSearchParams',
    'crypto', 'structuredClone', 'Headers'];
  const define = Object.defineProperty;
  for (let i = 0; i < names.length; i += 1) {
    const put = (value) => {
      define(globalThis, names[i], { value, writable: true, configurable: true });
    };
    define(globalThis, names[i], {
      configurable: true,
      get: () => load()[names[i]],
      set: put,
    });
  }
  globalThis.fetch = fetch;
  const MODULES = {
    buffer: () => ({ Buffer: load().Buffer, atob: load().atob, btoa: load().btoa }),
    crypto: () => load().crypto,
    url: () => ({ URL: load().URL, URLSearchParams: load().URLSearchParams }),
    util: () => load().util,
    querystring: () => load().querystring,
  };

  Uint8Array.prototype.toJSON = function () { return { type: 'Buffer', data: from(this) }; };
  globalThis.console = consoleLike();
  globalThis.module = { exports: {} };
  globalThis.exports = module.exports;
  const isOwn = Object.prototype.hasOwnProperty;
  globalThis.require = (name) => {
    const bare = text(name).replace(/^node:/, '');
    if (apply(isOwn, MODULES, [bare])) return MODULES[bare]();
    const known = 'buffer, crypto, querystring, url and util';
    throw new Error(`require(${stringify(name)}): code steps have ${known}, and no other modules`);
  };

  const unread = (message) => {
    const fail = () => { throw new Error(message); };
    return new Proxy({}, { get: fail, has: fail, ownKeys: fail, getOwnPropertyDescriptor: fail });
  };

  const start = (code, input) => {
    const revive = (key, value) => {
      if (!value || value.type !== 'Buffer') return value;
      if (typeof value.tooLarge === 'string') return unread(value.tooLarge);
      if (typeof value.base64 === 'string' && value.base64.length % 4 === 0) return load().decoded(value.base64);
      return isArray(value.data) ? load().Buffer.from(value.data) : value;
    };
    const given = input.indexOf('"type":"Buffer"') < 0 ? parse(input) : parse(input, revive);
    now = given.now || 0;
    origin = now;
    random = seeded(given.seed || '');
    if (given.fetch) {
      send = (request) => new Promise((resolve) => { apply(push, asked, [{ request, resolve }]); });
    }
    evaluate(code);
    let run = module.exports;
    if (typeof run !== 'function') run = run && run.default;
    if (typeof run !== 'function') {
      throw new Error('the code must set module.exports to a function (context, stepResults)');
    }
    const { context, stepResults } = given;
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
  const next = (limit) => {
    if (settled.is) return '';
    if (asked.length) {
      waiting = asked;
      asked = [];
      return 'f' + stringify(waiting.map((one) => one.request));
    }
    if (!timers.length) return '';
    const first = timers.reduce((a, b) => (b.at < a.at ? b : a));
    if (first.at > origin + limit) throw new Error('the code waits too long');
    now = first.at;
    if (first.every) first.at += first.every;
    else forget(first.id);
    first.call(...first.given);
    return 't';
  };
  const answered = (answers) => {
    const told = waiting;
    waiting = [];
    parse(answers).forEach((answer, i) => told[i].resolve(answer));
    return '';
  };
  const STEPS = { start, finish, next, answered, library: (source) => { library = source; } };
  return (what, argument, input) => {
    try {
      return STEPS[what](argument, input);
    } catch (error) {
      return 'e' + describe(error);
    }
  };
})()
