// The issuer's side: decisions, approvals, revocations.
import { call, failure, wait, wrongArgument } from './error.js';
import { optionsFrom, optionsOf, rawOf, textOf } from './json.js';
import { nativeKey } from './keys.js';
import { native } from './native.js';
import { ReplayStore, Trust } from './verifier.js';

const SECRET = Symbol('made here only');

/** A decision that is recorded, with the pass if it is an allow. */
export function authorizationOf(answer) {
  const { decision, reasons, required, pass, ...rest } = answer;
  const issued = pass && Object.freeze({ ...pass, expiresAt: new Date(pass.expiresAt) });
  const authorization = { ...rest, decision: Object.freeze({ decision, reasons, required }), pass: issued };
  // Throws where there is none, so it must not be read by whoever prints or copies a decision.
  Object.defineProperty(authorization, 'actionPass', {
    enumerable: false,
    get() {
      if (issued !== undefined) return issued;
      const codes = [...new Set(reasons.map(({ code }) => code))];
      const [code = decision] = codes;
      const error = failure(code, `there is no pass: the decision is ${decision}`);
      if (codes.length > 1) error.codes = Object.freeze(codes);
      throw error;
    },
  });
  return Object.freeze(authorization);
}

/** Rejects once the signal says so; what was asked may be decided and recorded nevertheless. */
export async function orAborted(signal, work) {
  if (signal === undefined) return work();
  signal.throwIfAborted();
  let stop;
  const aborted = new Promise((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const PARTS = [
  'issuer',
  'tenants',
  'agents',
  'audiences',
  'policy',
  'store',
  'pass',
  'signingTimeout',
  'dangerouslyAcceptAssertedApprovals',
];

/** An issuer: it judges, records, and signs what is allowed. */
export class Issuer {
  #native;

  constructor(secret, made) {
    if (secret !== SECRET) throw wrongArgument('', 'an issuer is opened by `Issuer.open`');
    this.#native = made;
  }

  static async open(options) {
    if (typeof options === 'object' && options !== null && 'home' in options) {
      const { home, passphrase } = optionsFrom(options, ['home', 'passphrase']);
      const source = passphrase === undefined ? undefined : textOf(passphrase, 'passphrase');
      const root = textOf(home, 'home');
      return new Issuer(SECRET, await wait(() => native.openHome(root, source)));
    }
    const { signer, trust, ...parts } = optionsFrom(options, [...PARTS, 'signer', 'trust']);
    const stated = optionsOf(parts);
    const believed = Trust.native(trust, 'trust');
    const key = await nativeKey(signer, 'signer');
    return new Issuer(SECRET, await wait(() => native.openIssuer(stated, key, believed)));
  }

  async authorize(options) {
    const known = ['action', 'caller', 'facts', 'approvals', 'audience', 'wait', 'open', 'observe', 'signal'];
    const { action, facts, signal, ...rest } = optionsFrom(options, known);
    const raw = rawOf(action, 'action');
    const attested = facts === undefined ? undefined : rawOf(facts, 'facts');
    const stated = optionsOf(rest);
    return orAborted(signal, async () =>
      authorizationOf(JSON.parse(await wait(() => this.#native.authorize(raw, attested, stated)))),
    );
  }

  async revoke(what, { reason, by } = {}) {
    const target = optionsFrom(what, ['pass', 'issuer', 'approval', 'approver', 'key', 'principal'], 'what');
    const stated = optionsOf({ ...target, reason, by });
    return JSON.parse(await wait(() => this.#native.revoke(stated)));
  }

  /** Its name, the `iss` of its passes. */
  get name() {
    return call(() => this.#native.name());
  }

  /** Whom it believes, for verifiers in this process: they see what it revokes. */
  get trust() {
    return Trust.from(call(() => this.#native.trust()));
  }

  /** Which of its passes were used, for executors in this process. */
  get replayStore() {
    return ReplayStore.from(call(() => this.#native.replayStore()));
  }

  async close() {
    await wait(() => this.#native.close());
  }
}

// Node 20 has the symbol since 20.4.
if (Symbol.asyncDispose) {
  Object.defineProperty(Issuer.prototype, Symbol.asyncDispose, {
    async value() {
      await this.close();
    },
  });
}

/** An approver's signed yes to exactly this action: a compact JWS. */
export async function approve(options) {
  const known = ['action', 'issuer', 'as', 'key', 'reason', 'mode', 'policyDigest', 'rules', 'lifetime'];
  const { action, key, ...rest } = optionsFrom(options, known);
  const raw = rawOf(action, 'action');
  const stated = optionsOf(rest);
  const signer = await nativeKey(key, 'key');
  return wait(() => native.approve(raw, signer, stated));
}

/** Somebody who approves, with their key. */
export class Approver {
  #as;
  #key;
  #lifetime;

  constructor(options) {
    const { as, key, lifetime } = optionsFrom(options, ['as', 'key', 'lifetime']);
    this.#as = textOf(as, 'as');
    this.#key = key;
    this.#lifetime = lifetime;
  }

  async approve(action, options) {
    const stated = optionsFrom(options, ['issuer', 'reason', 'mode', 'policyDigest', 'rules']);
    return approve({ ...stated, action, as: this.#as, key: this.#key, lifetime: this.#lifetime });
  }
}
