import assert from 'node:assert/strict';
import vm from 'node:vm';
import { createHash, randomInt } from 'node:crypto';
import test from 'node:test';
import reference from 'canonicalize';
import { RawJson, canonicalize, hash } from 'actionpass';
import { errorOf } from './help.mjs';

const of = (value) => `sha256:${createHash('sha256').update(reference(value)).digest('hex')}`;

/** A value that the gate admits. */
function random(depth) {
  const text = () => Array.from({ length: randomInt(6) }, () => 'aé€😀"\\\n\u2028 z'.at(randomInt(10)) ?? '').join('').toWellFormed();
  switch (randomInt(depth > 3 ? 6 : 8)) {
    case 0:
      return null;
    case 1:
      return randomInt(2) === 1;
    case 2:
      return randomInt(2 ** 47) - 2 ** 46;
    case 3:
      return Number((randomInt(2 ** 40) / 2 ** randomInt(40)).toPrecision(12));
    case 4:
    case 5:
      return text();
    case 6:
      return Array.from({ length: randomInt(5) }, () => random(depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: randomInt(5) }, (_, n) => [`${text()}${n}`, random(depth + 1)]));
  }
}

test('hashes are those of npm canonicalize and SHA-256', () => {
  for (let n = 0; n < 10_000; n += 1) {
    const value = [random(0)];
    assert.equal(canonicalize(value), reference(value));
    assert.equal(hash(value), of(value));
    assert.equal(hash(new RawJson(JSON.stringify(value, undefined, 1))), of(value));
    assert.equal(hash(Buffer.from(JSON.stringify(value))), of(value));
  }
});

test('values that are none in JSON are refused with their path', async () => {
  const hidden = Object.defineProperty({}, 'x', { value: 1, enumerable: false });
  const around = {};
  around.around = around;
  // eslint-disable-next-line no-sparse-arrays
  for (const [value, path] of [
    [{ a: NaN }, 'a'],
    [{ a: [1, Infinity] }, 'a[1]'],
    [{ a: undefined }, 'a'],
    [{ a: 1n }, 'a'],
    [{ a: () => 1 }, 'a'],
    [{ a: Symbol('s') }, 'a'],
    [{ 'a b': { c: new Date(0) } }, '["a b"].c'],
    [{ a: new Map() }, 'a'],
    [{ a: new Set() }, 'a'],
    [{ a: [1, , 3] }, 'a'],
    [{ a: Object.assign([1], { more: 2 }) }, 'a'],
    [JSON.parse('{"a":{"__proto__":{"b":1}}}'), 'a.__proto__'],
    [{ a: 'x\ud800' }, 'a'],
    [{ '\udc00': 1 }, '["\\udc00"]'],
    [{ a: { [Symbol('s')]: 1 } }, 'a'],
    [{ a: hidden }, 'a.x'],
    [{ a: new (class Money {})() }, 'a'],
    [{ a: new String('x') }, 'a'],
    [{ a: Buffer.from('x') }, 'a'],
    [{ a: Promise.resolve(1) }, 'a'],
    [undefined, undefined],
  ]) {
    const error = await errorOf(() => hash(value));
    assert.deepEqual([error.code, error.path], ['value_not_json', path], String(path));
  }
  assert.equal((await errorOf(() => hash(around))).code, 'value_not_json');
  assert.equal((await errorOf(() => hash(new RawJson('{"a":"\ud800"}')))).code, 'value_not_json');
  assert.equal((await errorOf(() => hash('{}'))).code, 'argument_invalid');
});

test('each part is read once, and nothing that others changed takes part', () => {
  let reads = 0;
  const sly = {
    get amount() {
      reads += 1;
      return reads === 1 ? 10 : 9999;
    },
  };
  assert.equal(hash(sly), of({ amount: 10 }));
  assert.equal(reads, 1);
  Object.defineProperty(Array.prototype, 'toJSON', { value: () => 'other', configurable: true });
  try {
    assert.equal(canonicalize({ a: [1] }), '{"a":[1]}');
  } finally {
    delete Array.prototype.toJSON;
  }
  const elsewhere = vm.runInNewContext('({ b: [1, { c: null }], a: "x" })');
  assert.equal(canonicalize(elsewhere), '{"a":"x","b":[1,{"c":null}]}');
});

test('raw JSON keeps what the parser of JavaScript would lose', async () => {
  const twice = new RawJson('{"amount":10,"amount":9999}');
  const error = await errorOf(() => hash(twice));
  assert.deepEqual([error.code, error.offset], ['member_duplicate', 13]);
  assert.equal((await errorOf(() => hash(Buffer.from('{"a":"\\ud800"}')))).code, 'lone_surrogate');
  assert.equal((await errorOf(() => hash(Buffer.from([0xff])))).code, 'invalid_utf8');
  assert.equal((await errorOf(() => hash({ a: 2 ** 53 }))).code, 'number_unsafe_integer');
  assert.equal((await errorOf(() => hash({ a: twice }))).code, 'member_duplicate');
  assert.equal((await errorOf(() => hash({ a: new RawJson('1,"b":2') }))).code, 'trailing_bytes');
  assert.equal(canonicalize({ a: new RawJson(' {"b": 1.0} ') }), '{"a":{"b":1}}');
});
