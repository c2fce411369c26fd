// The four functions of the first five minutes.
import { call, failure, wait } from './error.js';
import { optionsFrom, optionsOf, rawOf, textOf } from './json.js';
import { authorizationOf } from './issuer.js';
import { identity, nativeKey, publicKeyText } from './keys.js';
import { native } from './native.js';
import { VerifiedPass, keyEntries } from './verifier.js';

function frozen(value) {
  if (typeof value === 'object' && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}

/** A pull request in a repository that doesn't exist: for it alone a name that nobody signed counts. */
export const demoAction = frozen(JSON.parse(native.demoAction()));

/** Artifacts are what this module made: text that looks like one is none. */
const artifacts = new WeakMap();

/** A person's yes that nobody signed. It counts for `demoAction`; everywhere else use `approve`. */
export function createApprovalArtifact(options) {
  const { action, ...rest } = optionsFrom(options, ['action', 'mode', 'approvedBy', 'reason']);
  const raw = rawOf(action, 'action');
  const stated = optionsOf(rest);
  const made = call(() => new native.NativeArtifact(raw, stated));
  const artifact = frozen(JSON.parse(call(() => made.toJSONText())));
  artifacts.set(artifact, made);
  return { artifact };
}

/** Issuers by key and options: an approval is used once for as long as the key lives. */
const byKey = new WeakMap();
const byUri = new Map();

function issuersOf(key) {
  const which = identity(key);
  if (typeof which === 'string') {
    if (!byUri.has(which)) byUri.set(which, new Map());
    return byUri.get(which);
  }
  if (typeof which !== 'object' || which === null) return new Map();
  if (!byKey.has(which)) byKey.set(which, new Map());
  return byKey.get(which);
}

async function issuerOf(options, key, raw, tool) {
  const issuers = issuersOf(key);
  // An audience is one of the tool that it was first asked for with.
  const name = JSON.stringify([options, tool]);
  if (!issuers.has(name)) {
    const opened = nativeKey(key).then((signer) => wait(() => native.openQuickstart(options, signer, raw)));
    issuers.set(name, opened);
    opened.catch(() => issuers.delete(name));
  }
  return issuers.get(name);
}

let hasWarned = false;

function warn() {
  if (hasWarned) return;
  hasWarned = true;
  process.emitWarning(
    'the demo action is allowed by a name that nobody signed; for actions of your own hand over a policy, and approvals of `approve`',
    { type: 'ActionPassDemoWarning', code: 'ACTIONPASS_DEMO' },
  );
}

/** Decides on an action with a store of its own. */
export async function authorize(options) {
  const known = [
    'action',
    'issuer',
    'tenant',
    'signingKey',
    'caller',
    'policy',
    'approvalArtifact',
    'approvals',
    'approvers',
    'facts',
    'audience',
    'store',
    'dangerouslyAcceptAssertedApprovals',
  ];
  const { action, signingKey, caller, approvalArtifact, approvals, approvers, facts, audience, ...rest } = optionsFrom(options, known);
  const raw = rawOf(action, 'action');
  const attested = facts === undefined ? undefined : rawOf(facts, 'facts');
  const artifact = approvalArtifact === undefined ? undefined : artifacts.get(approvalArtifact);
  if (approvalArtifact !== undefined && artifact === undefined) {
    throw failure('approval_malformed', '`approvalArtifact` is none that `createApprovalArtifact` made', 'approvalArtifact');
  }
  const stated = optionsOf({ caller, approvals, audience });
  const trusted = approvers === undefined ? undefined : await keyEntries(approvers, 'approvers');
  const tool = audience === undefined ? '' : JSON.parse(call(() => native.canonicalize(raw))).capability?.tool;
  const issuer = await issuerOf(optionsOf({ ...rest, approvers: trusted, audience }), signingKey, raw, tool);
  if (issuer.isDemo) warn();
  return authorizationOf(JSON.parse(await wait(() => issuer.authorize(raw, attested, artifact, stated))));
}

/** Checks a pass for the action that is about to run. It rejects where the pass doesn't hold: there is no result that says no. */
export async function verifyActionPass(options) {
  const known = [
    'token',
    'action',
    'verificationKey',
    'issuer',
    'audience',
    'tenant',
    'approvers',
    'dangerouslyAcceptAssertedApprovals',
  ];
  const { token, action, verificationKey, approvers, ...rest } = optionsFrom(options, known);
  const text = textOf(token, 'token');
  const raw = rawOf(action, 'action');
  const trusted = approvers === undefined ? undefined : await keyEntries(approvers, 'approvers');
  const stated = optionsOf({ ...rest, approvers: trusted });
  const key = await publicKeyText(verificationKey, 'verificationKey');
  return VerifiedPass.of(call(() => native.verifyActionPass(text, raw, key, stated)));
}
