// From values to JSON text, once: what isn't a JSON value, or would silently become another, is refused.
import { call, failure, wrongArgument } from './error.js';
import { native } from './native.js';

/** Nothing that the gate admits is nested deeper; a value that contains itself is. */
const MAX_DEPTH = 100;

/** JSON text as it was received: duplicate members in it are seen and refused. */
export class RawJson {
  #text;

  constructor(text) {
    if (typeof text !== 'string') throw wrongArgument('text', 'it is not a string');
    if (!text.isWellFormed()) throw notJson('', 'text with half of a surrogate pair');
    this.#text = text;
    Object.freeze(this);
  }

  get text() {
    return this.#text;
  }

  static text(value) {
    return typeof value === 'object' && value !== null && #text in value ? value.#text : undefined;
  }
}

/** Where a value is: the text of its path, or a member or element of another place. Its path is spelled out for refusals only. */
function pathOf(place) {
  if (typeof place === 'string') return place;
  return typeof place.name === 'number' ? `${pathOf(place.of)}[${place.name}]` : member(pathOf(place.of), place.name);
}

function notJson(at, what) {
  const path = pathOf(at);
  const named = path === '' ? 'the value' : `\`${path}\``;
  return failure('value_not_json', `${named} is ${what}, which is no JSON value`, path === '' ? undefined : path);
}

function member(path, name) {
  if (!/^[A-Za-z_$][\w$]*$/.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

/** A plain object: of this realm or another one, or without a prototype. */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty'));
}

function kind(value) {
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === 'string' && name !== '' ? `a ${name}` : 'an object that is not plain';
}

/** Text that JSON quotes as it is: printable ASCII without quotation marks and backslashes. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

function quoted(value, place, what) {
  if (PLAIN.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw notJson(place, `${what} with half of a surrogate pair`);
  return JSON.stringify(value);
}

function text(value, place, depth) {
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw notJson(place, String(value));
      return JSON.stringify(value);
    case 'string':
      return quoted(value, place, 'text');
    case 'object':
      break;
    default:
      throw notJson(place, typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`);
  }
  if (value === null) return 'null';
  if (depth > MAX_DEPTH) throw notJson(place, `nested deeper than ${MAX_DEPTH}, or contains itself`);
  const raw = RawJson.text(value);
  // Canonical, so that it is one value and nothing beside.
  if (raw !== undefined) return call(() => native.canonicalize(raw));
  return Array.isArray(value) ? elements(value, place, depth) : members(value, place, depth);
}

function elements(array, place, depth) {
  const { length } = array;
  const keys = Reflect.ownKeys(array);
  // Its elements and its length.
  if (keys.length < length + 1) throw notJson(place, 'an array with holes');
  if (keys.length > length + 1) throw notJson(place, 'an array with members');
  let all = '[';
  for (let index = 0; index < length; index += 1) {
    if (index > 0) all += ',';
    all += text(array[index], { of: place, name: index }, depth + 1);
  }
  return `${all}]`;
}

function members(object, place, depth) {
  if (!isPlain(object)) throw notJson(place, kind(object));
  const names = Object.keys(object);
  const all = Reflect.ownKeys(object);
  if (all.length !== names.length) throw unlisted(object, all, names, place);
  let told = '{';
  for (const name of names) {
    const at = { of: place, name };
    if (name === '__proto__') throw notJson(at, 'a member named `__proto__`');
    if (told !== '{') told += ',';
    told += `${quoted(name, at, 'a name')}:${text(object[name], at, depth + 1)}`;
  }
  return `${told}}`;
}

/** Why an object is refused that has more than its names tell: the first such member. */
function unlisted(object, all, names, place) {
  const found = all.find((name) => !names.includes(name));
  return typeof found === 'string' ? notJson({ of: place, name: found }, 'hidden') : notJson(place, 'an object with a symbol for a name');
}

/** The JSON text of a value, each part of which is read once. */
export function toJson(value, path = '') {
  return text(value, path, 0);
}

/** Raw JSON for the gate: bytes and text as they are, values as their text. */
export function rawOf(value, path) {
  if (value instanceof Uint8Array) return value;
  const raw = RawJson.text(value);
  if (raw !== undefined) return raw;
  if (typeof value === 'string') {
    throw wrongArgument(path, 'a string may be a value or JSON text: say `new RawJson(text)`');
  }
  return toJson(value, path);
}

/** Options as JSON: those that are `undefined` are not there. */
export function optionsOf(options) {
  const stated = {};
  for (const [name, value] of Object.entries(options)) if (value !== undefined) stated[name] = value;
  return toJson(stated);
}

/** The object of options that a function was handed, with no other members than these. */
export function optionsFrom(options, known, of = '') {
  if (typeof options !== 'object' || options === null) throw wrongArgument(of, 'an object of options is missing');
  for (const name of Object.keys(options)) if (!known.includes(name)) throw wrongArgument(member(of, name), 'there is no such option');
  return options;
}

/** Text that crosses as it is. */
export function textOf(value, path) {
  if (typeof value !== 'string') throw wrongArgument(path, 'it is not a string');
  if (!value.isWellFormed()) throw notJson(path, 'text with half of a surrogate pair');
  return value;
}

/** The hash of a payload: SHA-256 of its RFC 8785 bytes. */
export function hash(payload) {
  const raw = rawOf(payload, '');
  return call(() => native.hash(raw));
}

/** The RFC 8785 text of a payload. */
export function canonicalize(payload) {
  const raw = rawOf(payload, '');
  return call(() => native.canonicalize(raw));
}
