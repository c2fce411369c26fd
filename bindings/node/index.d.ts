// Declarations of the npm package actionpass. `codes.d.ts` is written by `cargo xtask codes`.
import type { KeyObject } from 'node:crypto';
import type { KnownCode } from './codes.d.ts';

// ── values ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Json = null | boolean | number | string | Json[] | { [member: string]: Json };

/**
 * A plain JSON value, or raw JSON as it was received (text in `RawJson`, or bytes), in which duplicate members are seen.
 * A bare string is refused, since it may be a value or JSON text.
 */
export type JsonInput = object | number | boolean | null | RawJson | Uint8Array;

/** JSON text as it was received. */
export class RawJson {
  constructor(text: string);
  readonly text: string;
}

export interface Action {
  readonly schema: 'actionpass.action.v1';
  readonly id?: string;
  readonly tenant: string;
  readonly actor: { readonly agent: string; readonly humanOwner: string; readonly runtime: string; readonly via?: readonly string[] };
  readonly intent: { readonly task: string; readonly summary?: string };
  readonly capability: { readonly tool: string; readonly resource: string; readonly payload: unknown };
  readonly toolDefinition?: { readonly server: string; readonly definitionHash: string };
  readonly context?: { readonly [member: string]: unknown };
}

export type ActionInput = Action | RawJson | Uint8Array;

export type Digest = `sha256:${string}`;

/** Every code of the library; open, so that a new release breaks no build. */
export type Code = KnownCode | (string & {});

/** What every failure is. A refusal of a pass has all its codes. */
export class ActionPassError extends Error {
  readonly code: Code;
  readonly codes: readonly Code[];
  /** Where in raw JSON, in bytes from its start. */
  readonly offset?: number;
  /** The member that it is about. */
  readonly path?: string;
}

/** The hash of a payload: SHA-256 of its RFC 8785 bytes. */
export function hash(payload: JsonInput): Digest;
/** The RFC 8785 text of a payload. */
export function canonicalize(payload: JsonInput): string;

// ── keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Jwk {
  kty?: string;
  crv?: string;
  x?: string;
  y?: string;
  kid?: string;
  [member: string]: unknown;
}

/** Anything that signs the bytes it is handed, as a JWS has it: 64 bytes for ES256. The private key never enters the library. */
export interface Signer {
  readonly publicJwk: Jwk;
  readonly custodian?: string;
  sign(input: Uint8Array): Promise<Uint8Array | ArrayBuffer> | Uint8Array | ArrayBuffer;
}

export type KeyUri = `${'file' | 'env' | 'pkcs11' | 'awskms' | 'vault' | 'tpm' | 'ssh-agent'}:${string}`;

/**
 * What signs: a private `CryptoKey` (ES256; others with their pair), a pair as `generateKeyPair` returns it, a `KeyObject`, a
 * signer, or the URI of a key. `passphrase` names what keeps the passphrase of an encrypted file: `file:PATH`, `env:NAME`.
 */
export type SigningKey = CryptoKey | CryptoKeyPair | KeyObject | Signer | KeyUri | { readonly uri: KeyUri; readonly passphrase?: string };

/** A public key: a `CryptoKey`, a `KeyObject`, a JWK, or text in PEM. */
export type VerificationKey = CryptoKey | KeyObject | Jwk | string;

export function signerFrom(key: CryptoKey | CryptoKeyPair | KeyObject | Signer): Promise<Signer & { readonly custodian: string }>;

// ── decisions ──────────────────────────────────────────────────────────────────────────────────────────────────────

export interface IssuedPass {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: Date;
}

export interface Reason {
  readonly code: Code;
  readonly rule?: string;
  readonly path?: string;
}

export interface Decision {
  readonly decision: 'allow' | 'deny' | 'step_up';
  readonly reasons: readonly Reason[];
  /** What would turn it, if it isn't an allow. */
  readonly required: readonly { readonly [member: string]: unknown }[];
}

export interface Authorization {
  readonly decision: Decision;
  readonly actionId: string;
  readonly actionHash: Digest;
  readonly payloadHash: Digest;
  readonly policy: { readonly id: string; readonly digest: Digest; readonly rules: readonly string[] };
  readonly record: { readonly seq: number; readonly id: string; readonly ledgerHash: Digest };
  /** The approval request that waits for people. */
  readonly request?: {
    readonly id: string;
    readonly state: string;
    readonly expiresAt: string;
    /** Of a service: the page where people decide on it. */
    readonly review?: string;
  };
  /** The pass of an allow, else undefined. */
  readonly pass: IssuedPass | undefined;
  /** The pass; throws `ActionPassError` with the reasons' codes where there is none. Not enumerable. */
  readonly actionPass: IssuedPass;
}

/** Who calls, as the host knows it: never as the agent says. */
export interface Caller {
  readonly tenant: string;
  readonly agent: string;
  readonly humanOwner: string;
  readonly runtime: string;
  readonly via?: readonly string[];
}

/** Where decisions are kept: in memory up to so many records (100,000; then everything is refused), or in an SQLite file. */
export type Store = 'memory' | { readonly memory: { readonly capacity: number } } | { readonly sqlite: string };

export interface IssuerParts {
  readonly issuer: string;
  readonly tenants: readonly string[];
  /** All of the tenants, unless some are named. */
  readonly agents?: readonly string[];
  /** The tools of each audience; a tool without one is its own. */
  readonly audiences?: { readonly [audience: string]: readonly string[] };
  readonly signer: SigningKey;
  /** The text of a `policy.toml`. */
  readonly policy: string;
  /** Trust in memory is made to believe the issuer's key; in a file it has to be there. */
  readonly trust: Trust;
  readonly store?: Store;
  /** In seconds. */
  readonly pass?: { readonly lifetime?: number };
  /** In seconds. */
  readonly signingTimeout?: number;
  readonly dangerouslyAcceptAssertedApprovals?: boolean;
}

/** An issuer: it judges, records, and signs what is allowed. */
export class Issuer {
  private constructor();
  /** Of a home that `actionpass init` made, or of parts. */
  static open(options: { readonly home: string; readonly passphrase?: string } | IssuerParts): Promise<Issuer>;
  authorize(options: {
    readonly action: ActionInput;
    readonly caller: Caller;
    /** What the host attests: `{schema: "actionpass.facts.v1", source, asOf, facts}`. */
    readonly facts?: JsonInput;
    readonly approvals?: readonly string[];
    readonly audience?: string;
    /** How many seconds a step_up waits for people. */
    readonly wait?: number;
    /** Whether a step_up opens an approval request. */
    readonly open?: boolean;
    /** Records what would be decided, and gives no pass. */
    readonly observe?: boolean;
    readonly signal?: AbortSignal;
  }): Promise<Authorization>;
  revoke(
    what:
      | { readonly pass: string; readonly issuer?: string }
      | { readonly approval: string; readonly approver: string }
      | { readonly key: string }
      | { readonly principal: string },
    why: { readonly reason: string; readonly by: string },
  ): Promise<{ readonly revocation: { readonly [member: string]: unknown }; readonly record: Authorization['record'] }>;
  /** Its name, the `iss` of its passes. */
  readonly name: string;
  /** For verifiers in this process: they see what the issuer revokes. */
  readonly trust: Trust;
  /** For executors in this process. */
  readonly replayStore: ReplayStore;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface HumanApproval {
  readonly issuer: string;
  readonly reason: string;
  readonly mode?: 'human';
}

export interface PolicyOverride {
  readonly issuer: string;
  readonly reason: string;
  readonly mode: 'policy_override';
  readonly policyDigest: Digest;
  readonly rules: readonly string[];
}

/** An approver's signed yes to exactly this action: a compact JWS. `lifetime` is in seconds, 15 minutes unless it is set. */
export function approve(
  options: (HumanApproval | PolicyOverride) & { readonly action: ActionInput; readonly as: string; readonly key: SigningKey; readonly lifetime?: number },
): Promise<string>;

/** Somebody who approves, with their key. */
export class Approver {
  constructor(options: { readonly as: string; readonly key: SigningKey; readonly lifetime?: number });
  approve(action: ActionInput, options: HumanApproval | PolicyOverride): Promise<string>;
}

// ── executors ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** A key and what it is believed for: passes of an issuer, or approvals of a principal. */
export type TrustedKey =
  | { readonly key: VerificationKey; readonly issuer: string; readonly tenants?: readonly string[] }
  | { readonly key: VerificationKey; readonly principal: string; readonly roles?: readonly string[]; readonly tenants?: readonly string[] };

/** Public keys and revocations. */
export class Trust {
  private constructor();
  /** Of a document, as `actionpass trust export` gives it. */
  static parse(json: Uint8Array | string): Trust;
  /** Of these keys and no others. */
  static of(keys: readonly TrustedKey[]): Promise<Trust>;
  /** Of a file, as it is at each call. */
  static watch(path: string): Trust;
  readonly version: number;
  toJSON(): { readonly [member: string]: unknown };
}

/** Where an executor marks passes as used. All of one audience share one. */
export class ReplayStore {
  private constructor();
  /**
   * In memory, a million marks unless `capacity` is set. What was used before this process started is not known, so passes issued
   * before now and in the next 31 seconds are refused (`replay_state_lost`), unless no executor of the audience ran before: `first`.
   */
  static memory(options?: { readonly capacity?: number; readonly first?: boolean }): ReplayStore;
  /** In an SQLite file. One that is missing has forgotten what was used, so the first one is made on purpose: `create`. */
  static sqlite(path: string, options?: { readonly create?: boolean }): Promise<ReplayStore>;
}

/** The call that is about to be made. What isn't stated isn't compared. */
export type Call =
  | { readonly action: ActionInput }
  | { readonly tool: string; readonly resource: string; readonly payload: JsonInput; readonly agent?: string; readonly task?: string };

/** A pass for which everything held: there is none that doesn't. */
export interface VerifiedPass {
  readonly valid: true;
  readonly id: string;
  /** The payload that was approved, a new value each time: execute this one. */
  readonly payload: Json;
  readonly payloadBytes: Uint8Array;
  readonly expiresAt: Date;
  readonly compared: readonly string[];
  readonly claims: { readonly [member: string]: unknown };
  readonly approvals: readonly { readonly id: string; readonly mode: string; readonly approvedBy: string; readonly assurance: 'signed' | 'asserted' }[];
}

export interface VerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly tenant: string;
  readonly trust: Trust;
  /** The ids of the obligations that the executor enforces. */
  readonly obligations?: readonly string[];
  /** In seconds; an hour unless it is set. */
  readonly maxLifetime?: number;
  /** In seconds; any age unless it is set. */
  readonly maxRevocationsAge?: number;
  readonly dangerouslyAcceptAssertedApprovals?: boolean;
}

/** Checks passes: throws `ActionPassError` with every code where one doesn't hold. */
export class Verifier {
  constructor(options: VerifierOptions);
  /** Without using the pass up. Nobody executes on this alone. */
  verify(token: string, call: Call): VerifiedPass;
  /** Uses the pass up: of all with one store exactly one succeeds. */
  consume(token: string, call: Call, store: ReplayStore): Promise<VerifiedPass>;
  /** Uses the pass up, and runs with the payload that was approved, never with the one that was sent. */
  run<T>(token: string, call: Call, store: ReplayStore, execute: (payload: Json, pass: VerifiedPass) => Promise<T> | T): Promise<T>;
}

/** A verifier with its store. */
export class Executor {
  constructor(options: VerifierOptions & { readonly store: ReplayStore });
  verify(token: string, call: Call): VerifiedPass;
  consume(token: string, call: Call): Promise<VerifiedPass>;
  run<T>(token: string, call: Call, execute: (payload: Json, pass: VerifiedPass) => Promise<T> | T): Promise<T>;
}

// ── guards ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A call of a tool: its name, and what its handler is about to get. */
export interface ToolCall {
  readonly tool: string;
  readonly payload: JsonInput;
}

/** A call that was not made: the decision says why. `code` and `codes` are those of its reasons. */
export class NotAllowedError extends ActionPassError {
  readonly authorization: Authorization;
}

export interface GuardOptions {
  /** Who calls, as the host knows it. */
  readonly caller: () => Caller;
  /** What the agent works on. */
  readonly task: () => string;
  /** What a call acts on, `kind:value`. */
  readonly resource: (tool: string, payload: Json) => string;
  /** What the tool is called in policy; its own name unless it is set. */
  readonly tool?: (tool: string) => string;
  readonly facts?: (action: Action) => JsonInput | undefined | Promise<JsonInput | undefined>;
  /** How many seconds a call that has to be approved waits for people to decide on its request; none unless it is set. */
  readonly wait?: number;
  /** Asks people while the agent waits: gives the approvals they signed, or none. */
  readonly onStepUp?: (waiting: Authorization, action: Action) => readonly string[] | Promise<readonly string[]>;
}

/** Decides on a call, uses its pass up, and runs it with the payload that was approved. Throws `NotAllowedError` where it may not. */
export interface Guard {
  <T>(call: ToolCall, execute: (payload: Json) => Promise<T> | T): Promise<T>;
  /**
   * Decides on a call and runs nothing: for frameworks that interrupt an agent before they execute. A step_up opens its approval request
   * and asks nobody; the pass of an allow is kept for this very call.
   */
  ask(call: ToolCall): Promise<{ readonly authorization: Authorization; readonly action: Action }>;
}

/** A guard before tools of this process, which asks an issuer of this process or a service. */
export function guard(by: Issuer | Client, options: GuardOptions): Guard;

// ── the service ────────────────────────────────────────────────────────────────────────────────────────────────────

type Answer = { readonly [member: string]: any };

/** Asks one service: questions and answers are those of its HTTP interface. */
export class Client {
  constructor(options: { readonly url: string; readonly token: string });
  authorize(question: object): Promise<Answer>;
  verify(question: object): Promise<Answer>;
  consume(question: object): Promise<Answer>;
  outcome(report: object): Promise<Answer>;
  request(id: string): Promise<Answer>;
  requests(of?: { readonly state?: string; readonly tenant?: string; readonly agent?: string; readonly after?: string }): Promise<Answer>;
  vote(id: string, token: string): Promise<Answer>;
  cancel(id: string): Promise<Answer>;
  revoke(revocation: object): Promise<Answer>;
  trust(): Promise<Answer>;
  jwks(): Promise<Answer>;
  ledgerHead(): Promise<Answer>;
  health(): Promise<void>;
}

// ── the first five minutes ─────────────────────────────────────────────────────────────────────────────────────────

/** A pull request in a repository that doesn't exist: for it alone a name that nobody signed counts. */
export const demoAction: Action;

/** A name and nothing to prove it. */
export interface AssertedArtifact {
  readonly kind: 'asserted';
  readonly actionHash: Digest;
  readonly payloadHash: Digest;
  readonly approvedBy: string;
  readonly reason: string;
}

/** Counts for `demoAction` only, unless both sides opt in dangerously. Use `approve`. */
export function createApprovalArtifact(options: {
  readonly action: ActionInput;
  readonly mode: 'human';
  readonly approvedBy: string;
  readonly reason: string;
}): { artifact: AssertedArtifact };

export interface TrustedApprover {
  readonly principal: string;
  readonly key: VerificationKey;
  readonly roles?: readonly string[];
}

/** Decides with a store that lives as long as the key. Without a policy it decides on `demoAction` and nothing else. */
export function authorize(options: {
  readonly action: ActionInput;
  readonly issuer: string;
  readonly tenant: string;
  readonly signingKey: SigningKey;
  /** The action's actor unless it is stated. */
  readonly caller?: Caller;
  /** The text of a `policy.toml`. */
  readonly policy?: string;
  readonly approvalArtifact?: AssertedArtifact;
  readonly approvals?: readonly string[];
  readonly approvers?: readonly TrustedApprover[];
  readonly facts?: JsonInput;
  readonly audience?: string;
  readonly store?: Store;
  readonly dangerouslyAcceptAssertedApprovals?: boolean;
}): Promise<Authorization>;

/** Rejects with `ActionPassError` where the pass doesn't hold: a result that could be mistaken for a yes never exists. */
export function verifyActionPass(options: {
  readonly token: string;
  readonly action: ActionInput;
  readonly verificationKey: VerificationKey;
  readonly issuer: string;
  /** That of the action's tool unless it is stated. */
  readonly audience?: string;
  /** That of the action unless it is stated. */
  readonly tenant?: string;
  readonly approvers?: readonly TrustedApprover[];
  readonly dangerouslyAcceptAssertedApprovals?: boolean;
}): Promise<VerifiedPass>;
