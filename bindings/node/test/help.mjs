// What the suites share: keys, parts, and a policy that allows, asks and denies.
import { readFileSync } from 'node:fs';
import { generateKeyPair } from 'jose';
import { Executor, Issuer, ReplayStore, Trust } from 'actionpass';

export const ISSUER = 'https://issuer.example';
export const TENANT = 'org:example';

export const POLICY = `schema = "actionpass.policy.v1"
id = "test"
[[rule]]
id = "note.write"
effect = "allow"
agent = "agent:codex-prod"
tool = "notes.write"
resource = "note:*"
when = [{ path = "payload", members = ["text", "number", "list"] }]
[[rule]]
id = "note.share"
effect = "step_up"
agent = "agent:codex-prod"
tool = "notes.share"
resource = "note:*"
approvals = { count = 1, roles = ["maintainer"], not_owner = true }
[[rule]]
id = "note.secret"
effect = "deny"
tool = "notes.share"
when = [{ path = "payload.text", equals = "secret" }]
overridable_by = ["maintainer"]
reason = "secrets stay"
`;

export const CALLER = Object.freeze({
  tenant: TENANT,
  agent: 'agent:codex-prod',
  humanOwner: 'user:owner@example.com',
  runtime: 'runtime:codex-cli',
});

export function actionOf(payload, tool = 'notes.write') {
  return {
    schema: 'actionpass.action.v1',
    tenant: TENANT,
    actor: { agent: CALLER.agent, humanOwner: CALLER.humanOwner, runtime: CALLER.runtime },
    intent: { task: 'T-1' },
    capability: { tool, resource: 'note:1', payload },
  };
}

/** An issuer of parts and an executor for one tool. */
export async function parts(options = {}) {
  const signer = 'signer' in options ? options.signer : await generateKeyPair('ES256');
  const trust = options.trust ?? (await Trust.of([]));
  const issuer = await Issuer.open({ issuer: ISSUER, tenants: [TENANT], policy: POLICY, ...options, signer, trust });
  const executor = (audience = 'notes.write') =>
    new Executor({ issuer: ISSUER, audience, tenant: TENANT, trust, store: ReplayStore.memory({ first: true }) });
  return { signer, trust, issuer, executor };
}

/** The error that work throws or rejects with. */
export async function errorOf(work) {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

export async function codeOf(work) {
  return (await errorOf(work)).code;
}

export function fileBeside(name) {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}
