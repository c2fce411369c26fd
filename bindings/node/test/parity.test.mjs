// The canonical bytes and hashes of npm `canonicalize` and ours: of 10,000 values from a seed, and of the bodies of real webhooks.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import rfc8785 from 'canonicalize';
import { RawJson, canonicalize, hash } from 'actionpass';
import { codeOf } from './help.mjs';

const SEED = 20261130;
const VALUES = 10_000;

/** Numbers from 0 to 2^32 − 1, the same in every run (splitmix32). */
function* numbers(state) {
  for (;;) {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    yield (mixed ^ (mixed >>> 15)) >>> 0;
  }
}

/** Values of every shape, and how many of each there were. */
class Values {
  #random = numbers(SEED);
  seen = { null: 0, boolean: 0, number: 0, string: 0, array: 0, object: 0 };

  #below(end) {
    return this.#random.next().value % end;
  }

  #pick(list) {
    return list[this.#below(list.length)];
  }

  /** Any double that is one of JSON and no integer that other readers round. */
  #number() {
    const bits = new DataView(new ArrayBuffer(8));
    bits.setUint32(0, this.#random.next().value);
    bits.setUint32(4, this.#random.next().value);
    const double = bits.getFloat64(0);
    const drawn = this.#pick([double, this.#below(1000), -this.#below(2 ** 32), this.#below(10 ** 6) / 1000, 2 ** -this.#below(1075), -0, 1e21, 2 ** 53 - 1]);
    const isRefused = !Number.isFinite(drawn) || /^-?\d{16,}$/.test(String(drawn)) && !Number.isSafeInteger(drawn);
    return isRefused ? 0.1 : drawn;
  }

  /** Text of every plane, with what has to be escaped and what must not be. */
  #text() {
    const ranges = [[0, 0x20], [0x20, 0x60], [0x7f, 0x80], [0x300, 0x70], [0x2000, 0x100], [0xe000, 0x2000], [0x1f300, 0x300], [0x10fff0, 16]];
    const points = Array.from({ length: this.#below(12) }, () => {
      const [first, count] = this.#pick(ranges);
      return first + this.#below(count);
    });
    return String.fromCodePoint(...points);
  }

  next(depth = 0) {
    const kind = this.#pick(depth < 5 ? Object.keys(this.seen) : ['null', 'boolean', 'number', 'string']);
    this.seen[kind] += 1;
    switch (kind) {
      case 'null':
        return null;
      case 'boolean':
        return this.#below(2) === 1;
      case 'number':
        return this.#number();
      case 'string':
        return this.#text();
      case 'array':
        return Array.from({ length: this.#below(6) }, () => this.next(depth + 1));
      default:
        return Object.fromEntries(Array.from({ length: this.#below(6) }, () => [this.#text(), this.next(depth + 1)]));
    }
  }
}

function compare(value, told) {
  const text = rfc8785(value);
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  assert.equal(canonicalize(value), text, told);
  assert.equal(hash(value), digest, told);
  // As it might have been received: members in another order, with white space, and characters that need no escape escaped.
  const received = JSON.stringify(value, null, 2).replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  assert.equal(hash(new RawJson(received)), digest, told);
}

test('10,000 generated values have the bytes and hashes that npm canonicalize gives them', () => {
  const values = new Values();
  for (let index = 0; index < VALUES; index += 1) compare([values.next()], `value ${index} of seed ${SEED}`);
  for (const [kind, count] of Object.entries(values.seen)) assert.ok(count > VALUES / 10, `${kind}: ${count}`);
});

test('bodies of 329 webhooks have the bytes and hashes that npm canonicalize gives them', () => {
  const file = new URL('../node_modules/@octokit/webhooks-examples/api.github.com/index.json', import.meta.url);
  let bodies = 0;
  for (const { name, examples } of JSON.parse(readFileSync(file, 'utf8'))) {
    for (const body of examples) {
      bodies += 1;
      compare(body, name);
    }
  }
  assert.equal(bodies, 329);
});

test('integers that other readers round are refused, though npm canonicalize writes them', async () => {
  for (const unsafe of [2 ** 53, -(2 ** 60), 123456789012345680000]) {
    assert.equal(rfc8785(unsafe), String(unsafe));
    assert.equal(await codeOf(() => hash(unsafe)), 'number_unsafe_integer');
  }
});
