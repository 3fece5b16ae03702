// The standard library of code steps: what authors know from Node and browsers, as far as it needs
// neither files nor network. An expression: a function that takes a source of random numbers from
// 0 to 2^32 - 1 and gives the globals by name. It is compiled when the first of them is used.
(function (random) {
  'use strict';

  // Texts and bytes (WHATWG Encoding; RFC 4648).

  const utf8 = (text) => {
    const out = [];
    for (const character of text) {
      let point = character.codePointAt(0);
      if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
      if (point < 0x80) out.push(point);
      else if (point < 0x800) out.push(0xc0 | (point >> 6), 0x80 | (point & 63));
      else if (point < 0x10000) out.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
      else out.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    }
    return out;
  };

  const joined = (codes) => {
    let text = '';
    for (let i = 0; i < codes.length; i += 4096) {
      text += String.fromCharCode.apply(null, codes.slice(i, i + 4096));
    }
    return text;
  };

  const fromUtf8 = (bytes, fatal) => {
    const units = [];
    let i = 0;
    const bad = () => {
      if (fatal) throw new TypeError('The encoded data was not valid for encoding utf-8');
      units.push(0xfffd);
    };
    while (i < bytes.length) {
      const first = bytes[i];
      i += 1;
      if (first < 0x80) { units.push(first); continue; }
      const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
      if (!more) { bad(); continue; }
      let low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
      let high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
      let point = first & (0x3f >> more);
      let seen = 0;
      while (seen < more && i < bytes.length && bytes[i] >= low && bytes[i] <= high) {
        point = (point << 6) | (bytes[i] & 63);
        low = 0x80; high = 0xbf; seen += 1; i += 1;
      }
      if (seen < more) { bad(); continue; }
      if (point < 0x10000) units.push(point);
      else units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
    }
    return joined(units);
  };

  const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const toBase64 = (bytes, extra, padded) => {
    const digits = DIGITS + extra;
    let text = '';
    for (let i = 0; i < bytes.length; i += 3) {
      const count = Math.min(3, bytes.length - i);
      const group = (bytes[i] << 16) | ((bytes[i + 1] || 0) << 8) | (bytes[i + 2] || 0);
      for (let j = 0; j <= count; j += 1) text += digits[(group >> (18 - 6 * j)) & 63];
      if (padded) text += '='.repeat(3 - count);
    }
    return text;
  };
  const VALUES = {};
  for (let i = 0; i < 62; i += 1) VALUES[DIGITS[i]] = i;
  Object.assign(VALUES, { '+': 62, '-': 62, '/': 63, _: 63 });
  const fromBase64 = (text) => {
    const out = [];
    let held = 0, bits = 0;
    for (const character of text) {
      if (character === '=') break;
      const value = VALUES[character];
      if (value === undefined) continue;
      held = ((held << 6) | value) & 0xffff; bits += 6;
      if (bits >= 8) { bits -= 8; out.push((held >> bits) & 255); }
    }
    return out;
  };

  const units16 = (text) => {
    const out = [];
    for (let i = 0; i < text.length; i += 1) { const u = text.charCodeAt(i); out.push(u & 255, u >> 8); }
    return out;
  };
  const latin1 = (text) => Array.from({ length: text.length }, (_, i) => text.charCodeAt(i) & 255);
  const fromHex = (text) => {
    const out = [];
    for (let i = 0; i + 1 < text.length; i += 2) {
      const pair = text.slice(i, i + 2);
      if (!/^[0-9a-fA-F]{2}$/.test(pair)) break;
      out.push(parseInt(pair, 16));
    }
    return out;
  };
  const CODECS = {
    utf8: [utf8, (b) => fromUtf8(b, false)],
    hex: [fromHex, (b) => Array.from(b, (n) => n.toString(16).padStart(2, '0')).join('')],
    base64: [fromBase64, (b) => toBase64(b, '+/', true)],
    base64url: [fromBase64, (b) => toBase64(b, '-_', false)],
    latin1: [latin1, (b) => joined(Array.from(b))],
    ascii: [latin1, (b) => joined(Array.from(b, (n) => n & 127))],
    utf16le: [units16, (b) => joined(Array.from({ length: b.length >> 1 }, (_, i) => b[2 * i] | (b[2 * i + 1] << 8)))],
  };
  const ALIASES = { 'utf-8': 'utf8', binary: 'latin1', ucs2: 'utf16le', 'ucs-2': 'utf16le', 'utf-16le': 'utf16le' };
  const codec = (name) => {
    const wanted = String(name === undefined || name === null ? 'utf8' : name).toLowerCase();
    const known = ALIASES[wanted] || wanted;
    if (!Object.prototype.hasOwnProperty.call(CODECS, known)) throw new TypeError(`Unknown encoding: ${name}`);
    return CODECS[known];
  };

  // Buffer, as far as Node's is used to convert, compare, cut and join.

  class Buffer extends Uint8Array {
    static _over(bytes) {
      const made = new Buffer(bytes.length);
      made.set(bytes);
      return made;
    }
    static alloc(size, fill, encoding) {
      const made = new Buffer(size);
      return fill === undefined ? made : made.fill(fill, 0, size, encoding);
    }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static isEncoding(name) { try { codec(name); return typeof name === 'string'; } catch (error) { return false; } }
    static byteLength(value, encoding) { return typeof value === 'string' ? codec(encoding)[0](value).length : value.byteLength; }
    static compare(a, b) { return Buffer.from(a).compare(b); }
    static concat(list, total) {
      const size = total === undefined ? list.reduce((sum, one) => sum + one.length, 0) : total;
      const made = new Buffer(size);
      let at = 0;
      for (const one of list) {
        made.set(one.subarray(0, Math.max(0, size - at)), Math.min(at, size));
        at += one.length;
      }
      return made;
    }
    toString(encoding, start, end) { return codec(encoding)[1](this.subarray(start, end)); }
    toLocaleString(encoding, start, end) { return this.toString(encoding, start, end); }
    slice(start, end) { return this.subarray(start, end); }
    equals(other) { return this.compare(other) === 0; }
    compare(other) {
      const length = Math.min(this.length, other.length);
      for (let i = 0; i < length; i += 1) if (this[i] !== other[i]) return this[i] < other[i] ? -1 : 1;
      return Math.sign(this.length - other.length);
    }
    copy(target, at = 0, start = 0, end = this.length) {
      const part = this.subarray(start, Math.min(end, start + target.length - at));
      target.set(part, at);
      return part.length;
    }
    write(text, offset, length, encoding) {
      const at = typeof offset === 'number' ? offset : 0;
      const named = [offset, length, encoding].find((one) => typeof one === 'string');
      const most = typeof length === 'number' ? length : this.length;
      const bytes = codec(named)[0](text).slice(0, Math.min(most, this.length - at));
      this.set(bytes, at);
      return bytes.length;
    }
    fill(value, start = 0, end = this.length, encoding) {
      if (typeof value === 'number') return super.fill(value, start, end);
      const bytes = typeof value === 'string' ? codec(encoding)[0](value) : value;
      for (let i = start; i < end; i += 1) this[i] = bytes.length ? bytes[(i - start) % bytes.length] : 0;
      return this;
    }
    indexOf(value, from = 0, encoding) {
      if (typeof value === 'number') return super.indexOf(value & 255, from);
      const wanted = typeof value === 'string' ? codec(encoding)[0](value) : value;
      for (let i = Math.max(0, from); i + wanted.length <= this.length; i += 1) {
        let j = 0;
        while (j < wanted.length && this[i + j] === wanted[j]) j += 1;
        if (j === wanted.length) return i;
      }
      return -1;
    }
    includes(value, from, encoding) { return this.indexOf(value, from, encoding) >= 0; }
    _view() { return new DataView(this.buffer, this.byteOffset, this.byteLength); }
  }
  const NUMBERS = { UInt8: 'Uint8', Int8: 'Int8', UInt16: 'Uint16', Int16: 'Int16', UInt32: 'Uint32', Int32: 'Int32', Float: 'Float32', Double: 'Float64', BigUInt64: 'BigUint64', BigInt64: 'BigInt64' };
  const hidden = (target, name, value) => Object.defineProperty(target, name, { value, writable: true, configurable: true });
  for (const [name, kind] of Object.entries(NUMBERS)) {
    const size = name.includes('64') || name === 'Double' ? 8 : name.includes('8') ? 1 : name.includes('16') ? 2 : 4;
    for (const order of size === 1 ? [''] : ['LE', 'BE']) {
      hidden(Buffer.prototype, `read${name}${order}`, function (at = 0) { return this._view()[`get${kind}`](at, order === 'LE'); });
      hidden(Buffer.prototype, `write${name}${order}`, function (value, at = 0) { this._view()[`set${kind}`](at, value, order === 'LE'); return at + size; });
    }
  }
  // Not a static method: Uint8Array.from, which it hides, would be called with other arguments.
  hidden(Buffer, 'from', (value, encoding, length) => {
    if (typeof value === 'string') return Buffer._over(codec(encoding)[0](value));
    if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
    if (value && value.type === 'Buffer' && Array.isArray(value.data)) return Buffer._over(value.data);
    if (value && typeof value === 'object' && value.length !== undefined) return Buffer._over(Array.from(value));
    throw new TypeError('Buffer.from needs a string, an array, a Buffer or an ArrayBuffer');
  });

  const bytesOf = (value, encoding) => (typeof value === 'string' ? codec(encoding)[0](value)
    : value instanceof ArrayBuffer ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength));

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return new Uint8Array(utf8(String(text))); }
  }
  class TextDecoder {
    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      const known = { 'utf-8': 'utf8', utf8: 'utf8', 'utf-16le': 'utf16le', 'utf-16': 'utf16le', latin1: 'latin1', ascii: 'latin1', 'iso-8859-1': 'latin1', 'windows-1252': 'latin1' };
      this._codec = known[String(label).trim().toLowerCase()];
      if (!this._codec) throw new RangeError(`The encoding ${label} is not supported`);
      Object.assign(this, { encoding: String(label).toLowerCase(), fatal, ignoreBOM });
    }
    decode(value) {
      if (value === undefined) return '';
      const bytes = bytesOf(value);
      const text = this._codec === 'utf8' ? fromUtf8(bytes, this.fatal) : CODECS[this._codec][1](bytes);
      return this.ignoreBOM || text.charCodeAt(0) !== 0xfeff ? text : text.slice(1);
    }
  }
  const refused = (message) => Object.assign(new Error(message), { name: 'InvalidCharacterError' });
  const btoa = (value) => {
    const text = String(value);
    if (/[^\0-\xff]/.test(text)) throw refused('btoa takes characters up to U+00FF');
    return toBase64(latin1(text), '+/', true);
  };
  const atob = (value) => {
    const text = String(value).replace(/[\t\n\f\r ]+/g, '');
    const bare = text.length % 4 === 0 ? text.replace(/={1,2}$/, '') : text;
    if (bare.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(bare)) throw refused('the text is not base64');
    return joined(fromBase64(bare));
  };

  // Bytes that code is given: padded base64 of ours, in a loop that makes no other object.

  const CODES = new Uint8Array(128);
  for (let i = 0; i < 62; i += 1) CODES[DIGITS.charCodeAt(i)] = i;
  CODES[43] = 62; CODES[47] = 63;
  let former = null, copied = null; // `body` and `rawBody` are often the same
  const decoded = (text) => {
    if (text === former) return Buffer._over(copied);
    const last = fromBase64(text.slice(-4)), end = text.length - 4;
    const out = new Buffer(Math.max(0, end / 4 * 3) + last.length);
    let at = 0;
    for (let i = 0; i < end; i += 4) {
      const group = (CODES[text.charCodeAt(i)] << 18) | (CODES[text.charCodeAt(i + 1)] << 12) | (CODES[text.charCodeAt(i + 2)] << 6) | CODES[text.charCodeAt(i + 3)];
      out[at] = group >> 16; out[at + 1] = (group >> 8) & 255; out[at + 2] = group & 255;
      at += 3;
    }
    out.set(last, at);
    former = text;
    copied = out;
    return out;
  };

  // URLs (WHATWG URL), without international host names.

  const PORTS = { 'http:': '80', 'https:': '443', 'ftp:': '21', 'ws:': '80', 'wss:': '443' };
  const PARTS = /^([a-zA-Z][a-zA-Z0-9+.-]*:)?(?:(\/\/)(?:([^/?#]*)@)?(\[[^\]/?#]*\]|[^/?#:@]*)(?::([^/?#]*))?)?([^?#]*)(\?[^#]*)?(#[\s\S]*)?$/;
  const escaped = (text, unsafe) => text.replace(unsafe, (run) => utf8(run).map((n) => `%${n.toString(16).toUpperCase().padStart(2, '0')}`).join(''));
  const UNSAFE = { path: /[^\x21\x24-\x3b\x3d\x40-\x5f\x61-\x7a\x7c\x7e%]+/g, query: /[^\x21\x24-\x26\x28-\x3b\x3d\x3f-\x7e%]+/g, hash: /[^\x21\x23-\x3b\x3d\x3f-\x5f\x61-\x7e%]+/g, user: /[^\x21\x24-\x2e\x30-\x39\x41-\x5a\x5f\x61-\x7a\x7e%]+/g };
  const withoutDots = (path) => {
    const kept = [];
    const parts = path.split('/');
    parts.forEach((part, index) => {
      const last = index === parts.length - 1;
      if (/^(\.|%2e){2}$/i.test(part)) { if (kept.length > 1) kept.pop(); if (last) kept.push(''); }
      else if (/^(\.|%2e)$/i.test(part)) { if (last) kept.push(''); }
      else kept.push(part);
    });
    return kept.join('/');
  };
  const invalid = (text) => Object.assign(new TypeError(`Invalid URL: ${text}`), { code: 'ERR_INVALID_URL', input: text });

  const parts = (text, base) => {
    const trimmed = String(text).replace(/^[\0-\x20]+|[\0-\x20]+$/g, '').replace(/[\t\n\r]+/g, '');
    const scheme = (/^[a-zA-Z][a-zA-Z0-9+.-]*:/.exec(trimmed) || [''])[0].toLowerCase();
    const special = scheme ? scheme in PORTS : Boolean(base && base.protocol in PORTS);
    const cut = trimmed.search(/[?#]/);
    const head = cut < 0 ? trimmed : trimmed.slice(0, cut);
    const tail = cut < 0 ? '' : trimmed.slice(cut);
    let even = special ? head.replace(/\\/g, '/') : head;
    if (scheme && special && (!base || base.protocol !== scheme || /^[^:]*:\//.test(even))) even = even.replace(/^([^:]*:)\/*/, '$1//');
    const found = PARTS.exec(even + tail);
    if (!found) throw invalid(text);
    const [, protocol, slashes, user, host, port, path, query, hash] = found;
    if (!protocol && !base) throw invalid(text);
    const made = { protocol: (protocol || base.protocol).toLowerCase(), username: '', password: '', hostname: '', port: '', pathname: '', search: '', hash: escaped(hash || '', UNSAFE.hash) };
    if (made.hash === '#') made.hash = '';
    const relative = !protocol || (protocol.toLowerCase() === (base && base.protocol) && special && !slashes);
    if (slashes) {
      const colon = (user || '').indexOf(':');
      made.username = escaped(colon < 0 ? user || '' : user.slice(0, colon), UNSAFE.user);
      made.password = escaped(colon < 0 ? '' : user.slice(colon + 1), UNSAFE.user);
      made.hostname = hostOf(host, special, text);
      made.port = portOf(port || '', made.protocol, text);
    } else if (relative && base) {
      Object.assign(made, { username: base.username, password: base.password, hostname: base.hostname, port: base.port });
    }
    let whole = path;
    if (relative && base && !slashes) {
      if (!path) whole = base.pathname;
      else if (path[0] !== '/') whole = base.pathname.replace(/[^/]*$/, '') + path;
      if (!path && query === undefined) made.search = base.search;
    }
    if (query !== undefined && query !== '?') made.search = escaped(query, UNSAFE.query);
    const opaque = !special && !slashes && !made.hostname && whole[0] !== '/';
    if (special && whole[0] !== '/') whole = `/${whole}`;
    made.pathname = opaque ? whole : escaped(withoutDots(whole), UNSAFE.path);
    return made;
  };
  const hostOf = (host, special, text) => {
    let name = host;
    if (special && name[0] !== '[') { try { name = decodeURIComponent(name); } catch (error) { throw invalid(text); } }
    name = special ? name.toLowerCase() : name;
    if (special && (!name || /[^\x21-\x7e]|[#%/:<>?@\\^|]/.test(name[0] === '[' ? name.replace(/:/g, '') : name))) throw invalid(text);
    return name;
  };
  const portOf = (port, protocol, text) => {
    if (!/^[0-9]*$/.test(port) || Number(port) > 65535) throw invalid(text);
    const number = port === '' ? '' : String(Number(port));
    return number === PORTS[protocol] ? '' : number;
  };

  const formEncoded = (text) => escaped(text, /[^*\-.0-9A-Z_a-z ]+/g).replace(/ /g, '+');
  const formDecoded = (text) => {
    const bytes = utf8(text.replace(/\+/g, ' '));
    const out = [];
    for (let i = 0; i < bytes.length; i += 1) {
      const digits = bytes[i] === 37 ? joined(bytes.slice(i + 1, i + 3)) : '';
      if (/^[0-9a-fA-F]{2}$/.test(digits)) { out.push(parseInt(digits, 16)); i += 2; } else out.push(bytes[i]);
    }
    return fromUtf8(out, false);
  };
  class URLSearchParams {
    constructor(given = '') {
      this._pairs = [];
      hidden(this, '_changed', () => {});
      if (given && typeof given === 'object') {
        const pairs = typeof given[Symbol.iterator] === 'function' ? Array.from(given) : Object.entries(given);
        for (const pair of pairs) {
          const [name, value, ...rest] = pair;
          if (value === undefined || rest.length) throw new TypeError('each pair needs a name and a value');
          this._pairs.push([String(name), String(value)]);
        }
      } else this._read(String(given).replace(/^\?/, ''));
    }
    _read(text) {
      this._pairs = text.split('&').filter(Boolean).map((part) => {
        const at = part.indexOf('=');
        return [formDecoded(at < 0 ? part : part.slice(0, at)), formDecoded(at < 0 ? '' : part.slice(at + 1))];
      });
    }
    get size() { return this._pairs.length; }
    append(name, value) { this._pairs.push([String(name), String(value)]); this._changed(); }
    delete(name, value) {
      this._pairs = this._pairs.filter((pair) => pair[0] !== String(name) || (value !== undefined && pair[1] !== String(value)));
      this._changed();
    }
    get(name) { const found = this._pairs.find((pair) => pair[0] === String(name)); return found ? found[1] : null; }
    getAll(name) { return this._pairs.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]); }
    has(name, value) { return this._pairs.some((pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value))); }
    set(name, value) {
      const at = this._pairs.findIndex((pair) => pair[0] === String(name));
      if (at < 0) this._pairs.push([String(name), String(value)]);
      else this._pairs = this._pairs.filter((pair, i) => i <= at || pair[0] !== String(name)).map((pair, i) => (i === at ? [pair[0], String(value)] : pair));
      this._changed();
    }
    sort() { this._pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); this._changed(); }
    forEach(call, self) { for (const [name, value] of this._pairs) call.call(self, value, name, this); }
    keys() { return this._pairs.map((pair) => pair[0])[Symbol.iterator](); }
    values() { return this._pairs.map((pair) => pair[1])[Symbol.iterator](); }
    entries() { return this._pairs.map((pair) => [...pair])[Symbol.iterator](); }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this._pairs.map((pair) => pair.map(formEncoded).join('=')).join('&'); }
  }

  class URL {
    constructor(text, base) {
      hidden(this, '_is', parts(text, base === undefined ? undefined : new URL(base)));
      const params = new URLSearchParams(this._is.search);
      params._changed = () => { const query = params.toString(); this._is.search = query ? `?${query}` : ''; };
      hidden(this, '_params', params);
    }
    static canParse(text, base) { try { return Boolean(new URL(text, base)); } catch (error) { return false; } }
    get searchParams() { return this._params; }
    get protocol() { return this._is.protocol; }
    set protocol(value) { this._put(`${String(value).replace(/:.*$/, '')}:${this.href.slice(this.protocol.length)}`); }
    get username() { return this._is.username; }
    set username(value) { this._is.username = escaped(String(value), UNSAFE.user); }
    get password() { return this._is.password; }
    set password(value) { this._is.password = escaped(String(value), UNSAFE.user); }
    get hostname() { return this._is.hostname; }
    set hostname(value) { this._is.hostname = hostOf(String(value), this.protocol in PORTS, value); }
    get port() { return this._is.port; }
    set port(value) { this._is.port = portOf(String(value), this.protocol, value); }
    get host() { return this.hostname + (this.port && `:${this.port}`); }
    set host(value) { const [name, port = ''] = String(value).split(/:(?=[0-9]*$)/); this.hostname = name; this.port = port; }
    get origin() { return this.protocol in PORTS ? `${this.protocol}//${this.host}` : 'null'; }
    get pathname() { return this._is.pathname; }
    set pathname(value) { const path = String(value); this._is.pathname = escaped(withoutDots(path[0] === '/' ? path : `/${path}`), UNSAFE.path).replace(/[?#]/g, encodeURIComponent); }
    get search() { return this._is.search; }
    set search(value) { const query = String(value).replace(/^\?/, ''); this._is.search = query && escaped(`?${query}`.replace(/#/g, '%23'), UNSAFE.query); this._params._read(query); }
    get hash() { return this._is.hash; }
    set hash(value) { const hash = String(value).replace(/^#/, ''); this._is.hash = hash && escaped(`#${hash}`, UNSAFE.hash); }
    get href() {
      const is = this._is;
      const user = is.username || is.password ? `${is.username}${is.password && `:${is.password}`}@` : '';
      const slashes = is.hostname || is.protocol in PORTS || is.protocol === 'file:' ? '//' : '';
      return `${is.protocol}${slashes}${user}${this.host}${is.pathname}${is.search}${is.hash}`;
    }
    set href(value) { this._put(value); }
    _put(text) { Object.assign(this._is, parts(text)); this._params._read(this._is.search.replace(/^\?/, '')); }
    toString() { return this.href; }
    toJSON() { return this.href; }
  }

  // Digests (FIPS 180-4, RFC 1321, RFC 2104). The constants are worked out, not written down.

  const PRIMES = [];
  for (let n = 2; PRIMES.length < 80; n += 1) if (PRIMES.every((p) => n % p)) PRIMES.push(n);
  const root = (value, degree) => {
    let guess = 1n << BigInt(Math.ceil(value.toString(2).length / Number(degree)));
    for (;;) {
      const next = ((degree - 1n) * guess + value / guess ** (degree - 1n)) / degree;
      if (next >= guess) return guess;
      guess = next;
    }
  };
  const fraction = (prime, degree) => root(BigInt(prime) << (64n * degree), degree) & 0xffffffffffffffffn;
  const high = (value) => Number(value >> 32n) | 0;
  const low = (value) => Number(value & 0xffffffffn) | 0;
  let constants;
  const tables = () => {
    if (!constants) {
      const cubes = PRIMES.map((p) => fraction(p, 3n));
      const roots = PRIMES.slice(0, 16).map((p) => fraction(p, 2n));
      constants = { high: cubes.map(high), low: cubes.map(low), sha512: roots.slice(0, 8), sha384: roots.slice(8), sines: Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 4294967296) | 0) };
    }
    return constants;
  };
  const padded = (bytes, block, big) => {
    const room = block === 128 ? 16 : 8;
    const size = Math.ceil((bytes.length + 1 + room) / block) * block;
    const out = new Uint8Array(size);
    out.set(bytes);
    out[bytes.length] = 0x80;
    const view = new DataView(out.buffer);
    view.setUint32(size - (big ? 4 : 8), (bytes.length << 3) >>> 0, !big);
    view.setUint32(size - (big ? 8 : 4), Math.floor(bytes.length / 0x20000000), !big);
    return view;
  };
  const words = (state, big) => {
    const out = new Uint8Array(state.length * 4);
    const view = new DataView(out.buffer);
    state.forEach((word, i) => view.setInt32(i * 4, word, !big));
    return out;
  };
  const left = (x, n) => (x << n) | (x >>> (32 - n));
  const right = (x, n) => (x >>> n) | (x << (32 - n));

  const md5 = (bytes) => {
    const { sines } = tables();
    const view = padded(bytes, 64, false);
    const turns = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    const state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
    for (let at = 0; at < view.byteLength; at += 64) {
      let [a, b, c, d] = state;
      for (let i = 0; i < 64; i += 1) {
        const round = i >> 4;
        const mix = round === 0 ? (b & c) | (~b & d) : round === 1 ? (d & b) | (~d & c) : round === 2 ? b ^ c ^ d : c ^ (b | ~d);
        const word = (round === 0 ? i : round === 1 ? 5 * i + 1 : round === 2 ? 3 * i + 5 : 7 * i) & 15;
        const turned = left((a + mix + sines[i] + view.getInt32(at + 4 * word, true)) | 0, turns[round][i & 3]);
        [a, d, c, b] = [d, c, b, (b + turned) | 0];
      }
      [a, b, c, d].forEach((word, i) => { state[i] = (state[i] + word) | 0; });
    }
    return words(state, false);
  };
  const sha1 = (bytes) => {
    const view = padded(bytes, 64, true);
    const state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476, 0xc3d2e1f0 | 0];
    const w = new Int32Array(80);
    for (let at = 0; at < view.byteLength; at += 64) {
      for (let i = 0; i < 80; i += 1) w[i] = i < 16 ? view.getInt32(at + 4 * i) : left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
      let [a, b, c, d, e] = state;
      for (let i = 0; i < 80; i += 1) {
        const f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
        const k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
        const next = (left(a, 5) + f + e + k + w[i]) | 0;
        e = d; d = c; c = left(b, 30); b = a; a = next;
      }
      [a, b, c, d, e].forEach((word, i) => { state[i] = (state[i] + word) | 0; });
    }
    return words(state, true);
  };
  const sha2 = (start) => (bytes) => {
    const k = tables().high;
    const view = padded(bytes, 64, true);
    const state = start();
    const w = new Int32Array(64);
    for (let at = 0; at < view.byteLength; at += 64) {
      for (let i = 0; i < 64; i += 1) {
        if (i < 16) { w[i] = view.getInt32(at + 4 * i); continue; }
        const x = w[i - 15], y = w[i - 2];
        w[i] = (w[i - 16] + w[i - 7] + (right(x, 7) ^ right(x, 18) ^ (x >>> 3)) + (right(y, 17) ^ right(y, 19) ^ (y >>> 10))) | 0;
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i += 1) {
        const one = (h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i]) | 0;
        const two = ((right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
      }
      [a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] = (state[i] + word) | 0; });
    }
    return words(state, true);
  };
  // Words of 64 bits as two of 32: BigInt would take ten times as long.
  const sha5 = (start) => (bytes) => {
    const { high: kh, low: kl } = tables();
    const view = padded(bytes, 128, true);
    const first = start();
    const sh = first.map(high), sl = first.map(low);
    const wh = new Int32Array(80), wl = new Int32Array(80);
    const turned = (h, l, n) => (n < 32 ? (h >>> n) | (l << (32 - n)) : (l >>> (n - 32)) | (h << (64 - n)));
    const xored = (h, l, a, b, c) => turned(h, l, a) ^ turned(h, l, b) ^ (c < 0 ? h >>> -c : turned(h, l, c));
    const xoredLow = (h, l, a, b, c) => turned(l, h, a) ^ turned(l, h, b) ^ (c < 0 ? (l >>> -c) | (h << (32 + c)) : turned(l, h, c));
    const carry = (sum) => Math.floor(sum / 4294967296);
    for (let at = 0; at < view.byteLength; at += 128) {
      for (let i = 0; i < 80; i += 1) {
        if (i < 16) { wh[i] = view.getInt32(at + 8 * i); wl[i] = view.getInt32(at + 8 * i + 4); continue; }
        const xh = wh[i - 15], xl = wl[i - 15], yh = wh[i - 2], yl = wl[i - 2];
        const sum = (wl[i - 16] >>> 0) + (wl[i - 7] >>> 0) + (xoredLow(xh, xl, 1, 8, -7) >>> 0) + (xoredLow(yh, yl, 19, 61, -6) >>> 0);
        wl[i] = sum | 0;
        wh[i] = (wh[i - 16] + wh[i - 7] + xored(xh, xl, 1, 8, -7) + xored(yh, yl, 19, 61, -6) + carry(sum)) | 0;
      }
      const h = sh.slice(), l = sl.slice();
      for (let i = 0; i < 80; i += 1) {
        const sum = (l[7] >>> 0) + (xoredLow(h[4], l[4], 14, 18, 41) >>> 0) + (((l[4] & l[5]) ^ (~l[4] & l[6])) >>> 0) + (kl[i] >>> 0) + (wl[i] >>> 0);
        const oneH = (h[7] + xored(h[4], l[4], 14, 18, 41) + ((h[4] & h[5]) ^ (~h[4] & h[6])) + kh[i] + wh[i] + carry(sum)) | 0;
        const oneL = sum | 0;
        const other = (xoredLow(h[0], l[0], 28, 34, 39) >>> 0) + (((l[0] & l[1]) ^ (l[0] & l[2]) ^ (l[1] & l[2])) >>> 0);
        const twoH = (xored(h[0], l[0], 28, 34, 39) + ((h[0] & h[1]) ^ (h[0] & h[2]) ^ (h[1] & h[2])) + carry(other)) | 0;
        for (let j = 7; j > 0; j -= 1) { h[j] = h[j - 1]; l[j] = l[j - 1]; }
        const moved = (l[4] >>> 0) + (oneL >>> 0);
        h[4] = (h[4] + oneH + carry(moved)) | 0; l[4] = moved | 0;
        const topped = (oneL >>> 0) + ((other | 0) >>> 0);
        h[0] = (oneH + twoH + carry(topped)) | 0; l[0] = topped | 0;
      }
      for (let j = 0; j < 8; j += 1) {
        const sum = (sl[j] >>> 0) + (l[j] >>> 0);
        sh[j] = (sh[j] + h[j] + carry(sum)) | 0; sl[j] = sum | 0;
      }
    }
    return words(sh.flatMap((word, i) => [word, sl[i]]), true);
  };
  const DIGESTS = {
    md5: { of: md5, block: 64 },
    sha1: { of: sha1, block: 64 },
    sha224: { of: (bytes) => sha2(() => tables().sha384.map(low))(bytes).subarray(0, 28), block: 64 },
    sha256: { of: sha2(() => tables().sha512.map(high)), block: 64 },
    sha384: { of: (bytes) => sha5(() => tables().sha384)(bytes).subarray(0, 48), block: 128 },
    sha512: { of: sha5(() => tables().sha512), block: 128 },
  };
  const digest = (name) => {
    const known = DIGESTS[String(name).toLowerCase().replace(/^sha-/, 'sha')];
    if (!known) throw new Error(`Digest method not supported: ${name}`);
    return known;
  };
  class Hash {
    constructor(finish) { hidden(this, '_parts', []); hidden(this, '_finish', finish); }
    update(value, encoding) {
      if (!this._parts) throw new Error('Digest already called');
      this._parts.push(Buffer._over(bytesOf(value, encoding)));
      return this;
    }
    digest(encoding) {
      if (!this._parts) throw new Error('Digest already called');
      const found = Buffer._over(this._finish(Buffer.concat(this._parts)));
      this._parts = null;
      return encoding && encoding !== 'buffer' ? found.toString(encoding) : found;
    }
  }
  const hmac = ({ of, block }, key) => {
    const short = key.length > block ? of(key) : key;
    const pad = (byte) => { const out = Buffer.alloc(block, byte); short.forEach((n, i) => { out[i] ^= n; }); return out; };
    return (bytes) => of(Buffer.concat([pad(0x5c), of(Buffer.concat([pad(0x36), bytes]))]));
  };
  const filled = (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = random() & 255;
    return array;
  };
  const crypto = {
    createHash: (name) => new Hash(digest(name).of),
    createHmac: (name, key) => new Hash(hmac(digest(name), bytesOf(key))),
    getHashes: () => Object.keys(DIGESTS),
    getRandomValues: filled,
    randomBytes: (size) => filled(new Buffer(size)),
    randomInt: (least, most) => (most === undefined ? random() % least : least + (random() % (most - least))),
    randomUUID: () => {
      const bytes = filled(new Buffer(16));
      bytes[6] = (bytes[6] & 15) | 64;
      bytes[8] = (bytes[8] & 63) | 128;
      return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    },
    timingSafeEqual: (a, b) => {
      if (a.length !== b.length) throw new RangeError('Input buffers must have the same byte length');
      return a.reduce((found, byte, i) => found | (byte ^ b[i]), 0) === 0;
    },
  };
  crypto.webcrypto = crypto;

  // Copies of values with their circles (HTML, 2.7).

  const structuredClone = (given) => {
    const seen = new Map();
    const fail = (what) => { throw Object.assign(new Error(`${what} cannot be cloned`), { name: 'DataCloneError' }); };
    const copy = (value) => {
      if (typeof value === 'function' || typeof value === 'symbol') fail(typeof value);
      if (value === null || typeof value !== 'object') return value;
      if (seen.has(value)) return seen.get(value);
      const keep = (made) => { seen.set(value, made); return made; };
      if (Array.isArray(value)) { const made = keep([]); for (let i = 0; i < value.length; i += 1) if (i in value) made[i] = copy(value[i]); made.length = value.length; return made; }
      if (value instanceof Date) return keep(new Date(value.getTime()));
      if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
      if (value instanceof Map) { const made = keep(new Map()); for (const [k, v] of value) made.set(copy(k), copy(v)); return made; }
      if (value instanceof Set) { const made = keep(new Set()); for (const one of value) made.add(copy(one)); return made; }
      if (value instanceof ArrayBuffer) return keep(value.slice(0));
      if (ArrayBuffer.isView(value)) return keep(new value.constructor(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength)));
      if (value instanceof Error) { const made = keep(Object.create(Object.getPrototypeOf(value))); for (const key of ['name', 'message', 'stack']) hidden(made, key, value[key]); return made; }
      if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) fail('an object of this kind');
      const made = keep({});
      for (const key of Object.keys(value)) made[key] = copy(value[key]);
      return made;
    };
    return copy(given);
  };

  // fetch (WHATWG Fetch), as far as a request with a text or bytes and its whole answer go.

  class Headers {
    constructor(given = {}) {
      hidden(this, '_map', new Map());
      const pairs = typeof given[Symbol.iterator] === 'function' ? Array.from(given) : Object.entries(given);
      for (const [name, value] of pairs) this.append(name, value);
    }
    append(name, value) { const key = String(name).toLowerCase(); this._map.set(key, this._map.has(key) ? `${this._map.get(key)}, ${value}` : String(value)); }
    delete(name) { this._map.delete(String(name).toLowerCase()); }
    get(name) { const found = this._map.get(String(name).toLowerCase()); return found === undefined ? null : found; }
    has(name) { return this._map.has(String(name).toLowerCase()); }
    set(name, value) { this._map.set(String(name).toLowerCase(), String(value)); }
    forEach(call, self) { this._map.forEach((value, name) => call.call(self, value, name, this)); }
    keys() { return this._map.keys(); }
    values() { return this._map.values(); }
    entries() { return this._map.entries(); }
    [Symbol.iterator]() { return this._map.entries(); }
  }
  class Response {
    constructor({ status, statusText, headers, url, body }) {
      Object.assign(this, { status, statusText, url, ok: status >= 200 && status < 300, headers: new Headers(headers) });
      hidden(this, '_bytes', Buffer._over(fromBase64(body)));
    }
    async arrayBuffer() { const { buffer, byteOffset, byteLength } = this._bytes; return buffer.slice(byteOffset, byteOffset + byteLength); }
    async bytes() { return new Uint8Array(this._bytes); }
    async text() { return new TextDecoder().decode(this._bytes); }
    async json() { return JSON.parse(await this.text()); }
  }
  const fetchOver = (send) => async (url, { method = 'GET', headers = {}, body } = {}) => {
    const sent = body instanceof URLSearchParams ? body.toString() : body;
    const named = new Headers(headers);
    if (body instanceof URLSearchParams && !named.has('content-type')) named.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
    else if (typeof body === 'string' && !named.has('content-type')) named.set('content-type', 'text/plain;charset=UTF-8');
    if (sent !== undefined && sent !== null && typeof sent !== 'string' && !ArrayBuffer.isView(sent) && !(sent instanceof ArrayBuffer)) throw new TypeError('the body of fetch is a string or bytes');
    const bytes = sent === undefined || sent === null ? null : toBase64(bytesOf(sent), '+/', true);
    const answer = await send({ url: String(url), method: String(method).toUpperCase(), headers: [...named], body: bytes });
    if (answer.error) throw new TypeError(answer.error);
    return new Response(answer);
  };

  // util and querystring of Node, as far as data goes.

  const inspected = (value, depth, above) => {
    if (typeof value === 'string') return above.length ? `'${value.replace(/[\\']/g, '\\$&').replace(/\n/g, '\\n')}'` : value;
    if (typeof value === 'function') return `[Function: ${value.name || '(anonymous)'}]`;
    if (typeof value === 'bigint') return `${value}n`;
    if (value === null || typeof value !== 'object') return Object.is(value, -0) ? '-0' : String(value);
    if (value instanceof Error) return value.stack ? `${value}\n${value.stack}`.trimEnd() : String(value);
    if (value instanceof Date) return value.toISOString();
    if (value instanceof RegExp) return String(value);
    if (above.includes(value)) return '[Circular *1]';
    const isList = Array.isArray(value);
    if (above.length > depth) return isList ? '[Array]' : '[Object]';
    const inner = (one) => inspected(one, depth, [...above, value]);
    if (value instanceof Map) return `Map(${value.size}) {${[...value].map(([k, v]) => ` ${inner(k)} => ${inner(v)}`).join(',')} }`;
    if (value instanceof Set) return `Set(${value.size}) {${[...value].map((one) => ` ${inner(one)}`).join(',')} }`;
    if (isList) return value.length ? `[ ${value.map(inner).join(', ')} ]` : '[]';
    const named = Object.keys(value).map((key) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : `'${key}'`}: ${inner(value[key])}`);
    return named.length ? `{ ${named.join(', ')} }` : '{}';
  };
  const inspect = (value, options) => {
    const depth = options && options.depth !== undefined ? options.depth : 2;
    return typeof value === 'string' ? `'${value}'` : inspected(value, depth === null ? Infinity : depth, []);
  };
  const PLACES = {
    s: (value) => inspected(value, 0, []), d: (value) => String(Number(value)), i: (value) => String(parseInt(value, 10)),
    f: (value) => String(parseFloat(value)), j: (value) => JSON.stringify(value), o: inspect, O: inspect,
  };
  const format = (first, ...given) => {
    let used = 0;
    const text = typeof first !== 'string' ? inspect(first) : first.replace(/%([sdifjoO%])/g, (place, kind) => {
      if (kind === '%') return '%';
      if (used >= given.length) return place;
      used += 1;
      return PLACES[kind](given[used - 1]);
    });
    return [text, ...given.slice(used).map((one) => inspected(one, 2, []))].join(' ');
  };
  const promisify = (call) => (...given) => new Promise((resolve, reject) => {
    call(...given, (error, value) => { if (error) reject(error); else resolve(value); });
  });
  const util = { format, inspect, promisify, TextEncoder, TextDecoder };
  const querystring = {
    escape: encodeURIComponent,
    unescape: (text) => formDecoded(text.replace(/\+/g, '%2B')),
    parse: (text, between = '&', equals = '=') => {
      const made = Object.create(null);
      for (const pair of String(text).split(between).filter(Boolean)) {
        const at = pair.indexOf(equals);
        const [key, value] = (at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + equals.length)]).map(formDecoded);
        made[key] = key in made ? [].concat(made[key], value) : value;
      }
      return made;
    },
    stringify: (given, between = '&', equals = '=') => Object.entries(given || {}).flatMap(([key, value]) => [].concat(value)
      .map((one) => encodeURIComponent(key) + equals + (['string', 'number', 'boolean', 'bigint'].includes(typeof one) ? encodeURIComponent(one) : ''))).join(between),
  };

  return { util, querystring, Buffer, decoded, Headers, Response, fetchOver, TextEncoder, TextDecoder, atob, btoa, URL, URLSearchParams, crypto, structuredClone };
})
