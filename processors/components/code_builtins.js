// What JavaScript has had since 2021 and QuickJS 2021 has not: methods of ECMAScript 2022 to 2025,
// for code that was written for Node 22. Evaluated once in each sandbox, before the author's code.
(function () {
  'use strict';
  const give = (target, methods) => {
    for (const name of Reflect.ownKeys(methods)) {
      if (name in target) continue;
      Object.defineProperty(target, name, { value: methods[name], writable: true, configurable: true });
    }
  };
  const place = (index, length) => { const at = Math.trunc(index) || 0; return at < 0 ? length + at : at; };
  const lastPlace = (list, test, self) => {
    for (let i = list.length - 1; i >= 0; i -= 1) if (test.call(self, list[i], i, list)) return i;
    return -1;
  };
  const from = Array.from;
  const ofAny = { at(index) { return this[place(index, this.length)]; } };
  const ofLists = {
    ...ofAny,
    findLast(test, self) { return this[lastPlace(this, test, self)]; },
    findLastIndex(test, self) { return lastPlace(this, test, self); },
  };
  give(String.prototype, {
    at(index) { return this[place(index, this.length)]; },
    isWellFormed() { return !/[\ud800-\udfff]/u.test(this); },
    toWellFormed() { return this.replace(/[\ud800-\udfff]/gu, '\ufffd'); },
  });
  give(Object.getPrototypeOf(Uint8Array.prototype), ofLists);
  give(Array.prototype, {
    ...ofLists,
    toReversed() { return from(this).reverse(); },
    toSorted(compare) { return from(this).sort(compare); },
    toSpliced(...given) { const made = from(this); made.splice(...given); return made; },
    with(index, value) {
      const at = place(index, this.length);
      if (!(at in from(this))) throw new RangeError(`there is no element ${index}`);
      const made = from(this);
      made[at] = value;
      return made;
    },
  });
  give(Array, {
    async fromAsync(items, map, self) {
      const made = [];
      const one = async (item) => { made.push(map ? await map.call(self, item, made.length) : item); };
      if (items[Symbol.asyncIterator] || items[Symbol.iterator]) for await (const item of items) await one(item);
      else for (const item of from(items)) await one(await item);
      return made;
    },
  });
  const grouped = (items, key, add) => { let i = 0; for (const item of items) { add(key(item, i), item); i += 1; } };
  give(Object, {
    hasOwn(target, name) { return Object.prototype.hasOwnProperty.call(target, name); },
    groupBy(items, key) {
      const made = Object.create(null);
      grouped(items, key, (name, item) => { (made[name] = made[name] || []).push(item); });
      return made;
    },
  });
  give(Map, {
    groupBy(items, key) {
      const made = new Map();
      grouped(items, key, (name, item) => { if (!made.has(name)) made.set(name, []); made.get(name).push(item); });
      return made;
    },
  });
  give(Promise, {
    withResolvers() {
      const made = {};
      made.promise = new this((resolve, reject) => { made.resolve = resolve; made.reject = reject; });
      return made;
    },
  });
  give(Set.prototype, {
    union(other) { return new Set([...this, ...other.keys()]); },
    intersection(other) { return new Set([...this].filter((one) => other.has(one))); },
    difference(other) { return new Set([...this].filter((one) => !other.has(one))); },
    symmetricDifference(other) {
      return new Set([...this.difference(other), ...[...other.keys()].filter((one) => !this.has(one))]);
    },
    isSubsetOf(other) { return [...this].every((one) => other.has(one)); },
    isSupersetOf(other) { return [...other.keys()].every((one) => this.has(one)); },
    isDisjointFrom(other) { return ![...this].some((one) => other.has(one)); },
  });
})()
