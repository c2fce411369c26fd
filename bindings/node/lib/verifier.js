// The executor's side: whom to believe, what is accepted, which passes were used.
import { ActionPassError, call, wait, wrongArgument } from './error.js';
import { optionsFrom, optionsOf, rawOf, textOf, toJson } from './json.js';
import { publicKeyText } from './keys.js';
import { native } from './native.js';

const SECRET = Symbol('made here only');

/** What is believed of a key: JWK objects stay, everything else becomes PEM or JWK. */
async function keyEntry(given, path) {
  const stated = optionsFrom(given, ['key', 'issuer', 'principal', 'roles', 'tenants'], path);
  const key = await publicKeyText(stated.key, `${path}.key`);
  const entry = JSON.parse(optionsOf({ ...stated, key: undefined }));
  return { ...entry, key: key.trimStart().startsWith('{') ? JSON.parse(key) : key };
}

export async function keyEntries(entries, path) {
  if (!Array.isArray(entries)) throw wrongArgument(path, 'it is no array');
  return Promise.all(entries.map((entry, index) => keyEntry(entry, `${path}[${index}]`)));
}

/** Public keys and revocations. */
export class Trust {
  #native;

  constructor(secret, made) {
    if (secret !== SECRET) throw wrongArgument('', 'trust comes from `Trust.parse`, `Trust.of` or `Trust.watch`');
    this.#native = made;
  }

  static parse(json) {
    const raw = typeof json === 'string' ? textOf(json, 'json') : rawOf(json, 'json');
    return new Trust(SECRET, call(() => native.NativeTrust.parse(raw)));
  }

  static async of(keys) {
    const entries = toJson(await keyEntries(keys, 'keys'));
    return new Trust(SECRET, call(() => native.NativeTrust.of(entries)));
  }

  static watch(path) {
    const text = textOf(path, 'path');
    return new Trust(SECRET, call(() => native.NativeTrust.watch(text)));
  }

  static from(made) {
    return new Trust(SECRET, made);
  }

  static native(trust, path) {
    if (!(trust instanceof Trust)) throw wrongArgument(path, 'it is no Trust');
    return trust.#native;
  }

  get version() {
    return call(() => this.#native.version());
  }

  toJSON() {
    return JSON.parse(call(() => this.#native.toJSONText()));
  }
}

/** Where an executor marks passes as used. */
export class ReplayStore {
  #native;

  constructor(secret, made) {
    if (secret !== SECRET) throw wrongArgument('', 'a store comes from `ReplayStore.memory` or `ReplayStore.sqlite`');
    this.#native = made;
  }

  static memory(options = {}) {
    const stated = optionsOf(optionsFrom(options, ['capacity', 'first']));
    return new ReplayStore(SECRET, call(() => native.NativeReplayStore.memory(stated)));
  }

  static async sqlite(path, options = {}) {
    const stated = optionsOf(optionsFrom(options, ['create'], 'options'));
    const text = textOf(path, 'path');
    return new ReplayStore(SECRET, await wait(() => native.openReplayStore(text, stated)));
  }

  static from(made) {
    return new ReplayStore(SECRET, made);
  }

  static native(store) {
    if (!(store instanceof ReplayStore)) throw wrongArgument('store', 'it is no ReplayStore');
    return store.#native;
  }
}

/** A pass for which everything held. There is none that doesn't. */
export class VerifiedPass {
  #told;
  #payload;
  #parsed;

  constructor(told, payload) {
    this.#told = told;
    this.#payload = payload;
  }

  /** What the native half answered: a verdict, or a refusal, which is thrown. */
  static of(answer) {
    if (answer.startsWith('!')) throw new ActionPassError(JSON.parse(answer.slice(1)));
    const end = answer.indexOf('\n');
    return new VerifiedPass(answer.slice(0, end), answer.slice(end + 1));
  }

  get #verdict() {
    this.#parsed ??= JSON.parse(this.#told);
    return this.#parsed;
  }

  get valid() {
    return true;
  }

  get id() {
    return this.#verdict.id;
  }

  /** The payload that was approved: each time a new value. */
  get payload() {
    return JSON.parse(this.#payload);
  }

  get payloadBytes() {
    return new TextEncoder().encode(this.#payload);
  }

  get expiresAt() {
    return new Date(this.#verdict.expiresAt);
  }

  get compared() {
    return this.#verdict.compared;
  }

  get claims() {
    return this.#verdict.claims;
  }

  get approvals() {
    return this.#verdict.approvals;
  }

  toJSON() {
    return this.#verdict;
  }
}

/** What crosses of a call: the head of one in parts, and raw JSON. */
function callOf(stated) {
  if (typeof stated === 'object' && stated !== null && 'action' in stated) {
    return [undefined, rawOf(optionsFrom(stated, ['action'], 'call').action, 'call.action')];
  }
  const { tool, resource, payload, agent, task } = optionsFrom(stated, ['tool', 'resource', 'payload', 'agent', 'task'], 'call');
  return [optionsOf({ tool, resource, agent, task }), rawOf(payload, 'call.payload')];
}

const ACCEPTS = [
  'issuer',
  'audience',
  'tenant',
  'obligations',
  'maxLifetime',
  'maxRevocationsAge',
  'dangerouslyAcceptAssertedApprovals',
];

/** What an executor accepts. */
export class Verifier {
  #native;

  constructor(options) {
    const { trust, ...accepts } = optionsFrom(options, [...ACCEPTS, 'trust']);
    const stated = optionsOf(accepts);
    const believed = Trust.native(trust, 'trust');
    this.#native = call(() => new native.NativeVerifier(stated, believed));
  }

  /** Checks a pass without using it up. */
  verify(token, stated) {
    const [head, raw] = callOf(stated);
    const text = textOf(token, 'token');
    return VerifiedPass.of(call(() => this.#native.verify(text, head, raw)));
  }

  /** Checks a pass and uses it up: of all with one store exactly one succeeds. */
  async consume(token, stated, store) {
    const [head, raw] = callOf(stated);
    const text = textOf(token, 'token');
    const used = ReplayStore.native(store);
    return VerifiedPass.of(await wait(() => this.#native.consume(text, head, raw, used)));
  }

  /** Uses a pass up, and runs with the payload that was approved, never with the one that was sent. */
  async run(token, stated, store, execute) {
    if (typeof execute !== 'function') throw wrongArgument('execute', 'it is no function');
    const pass = await this.consume(token, stated, store);
    return execute(pass.payload, pass);
  }
}

/** A verifier with its store. */
export class Executor {
  #verifier;
  #store;

  constructor(options) {
    const { store, ...rest } = optionsFrom(options, [...ACCEPTS, 'trust', 'store']);
    ReplayStore.native(store);
    this.#verifier = new Verifier(rest);
    this.#store = store;
  }

  verify(token, stated) {
    return this.#verifier.verify(token, stated);
  }

  async consume(token, stated) {
    return this.#verifier.consume(token, stated, this.#store);
  }

  async run(token, stated, execute) {
    return this.#verifier.run(token, stated, this.#store, execute);
  }
}
