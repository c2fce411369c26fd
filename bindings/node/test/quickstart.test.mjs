import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { exportJWK, generateKeyPair } from 'jose';
import { approve, authorize, canonicalize, createApprovalArtifact, demoAction, hash, verifyActionPass } from 'actionpass';
import { POLICY, actionOf, codeOf, errorOf } from './help.mjs';

const run = promisify(execFile);
const LOCAL = 'https://axtary.local';
const DIGEST = 'sha256:dd2d07355b5ebe06ee0b137a71eb6dc77b207a623c3524f7a2a6b63b92e20f22';

function yesTo(action) {
  return createApprovalArtifact({ action, mode: 'human', approvedBy: 'user:reviewer@example.com', reason: 'read it' }).artifact;
}

test('the quickstart prints what it promises, and ends by itself', async () => {
  const script = fileURLToPath(new URL('quickstart.mjs', import.meta.url));
  const { stdout, stderr } = await run(process.execPath, [script], { timeout: 30_000 });
  assert.equal(stdout, `allow ${DIGEST}\ntrue\n`);
  assert.match(stderr, /ActionPassDemoWarning/);
});

test('an artifact serves once, and its key alone remembers it', async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const artifact = yesTo(demoAction);
  const ask = (options) =>
    authorize({ action: demoAction, issuer: LOCAL, tenant: 'org:example', signingKey: privateKey, ...options });
  const first = await ask({ approvalArtifact: artifact });
  assert.equal(first.decision.decision, 'allow');
  assert.equal(first.payloadHash, DIGEST);
  assert.equal(hash(demoAction.capability.payload), DIGEST);
  const verified = await verifyActionPass({
    token: first.actionPass.token,
    action: demoAction,
    verificationKey: publicKey,
    issuer: LOCAL,
  });
  assert.equal(verified.valid, true);
  assert.equal(verified.approvals[0].assurance, 'asserted');
  assert.equal(canonicalize(verified.payload), canonicalize(demoAction.capability.payload));

  const second = await ask({ approvalArtifact: artifact });
  assert.equal(second.decision.decision, 'step_up');
  assert.equal(second.pass, undefined);
  assert.ok(second.decision.reasons.some(({ code }) => code === 'approval_already_used'));
  const error = await errorOf(() => second.actionPass);
  assert.equal(error.name, 'ActionPassError');
  assert.ok(error.codes.includes('approval_already_used'));
  // Whoever prints a decision doesn't trip over it.
  assert.doesNotThrow(() => JSON.stringify({ ...second }));
  assert.equal((await ask({})).decision.decision, 'step_up');
});

test('anything but the demo action under a reserved name wants a policy', async () => {
  const { privateKey: signingKey } = await generateKeyPair('ES256');
  const other = { ...demoAction, intent: { task: 'AXT-419' } };
  const base = { tenant: 'org:example', signingKey };
  const ask = (options) => codeOf(authorize({ ...base, ...options }));
  assert.equal(await ask({ action: other, issuer: LOCAL, approvalArtifact: yesTo(other) }), 'policy_required');
  assert.equal(
    await ask({ action: demoAction, issuer: 'https://axtary.com', approvalArtifact: yesTo(demoAction) }),
    'policy_required',
  );
  // Text that looks like an artifact is none.
  const like = JSON.parse(JSON.stringify(yesTo(demoAction)));
  assert.equal(await ask({ action: demoAction, issuer: LOCAL, approvalArtifact: like }), 'approval_malformed');
  assert.equal(await codeOf(() => createApprovalArtifact({ action: demoAction, mode: 'policy_override', approvedBy: 'user:a', reason: 'r' })), 'argument_invalid');
});

test('with a policy a name alone is refused, and a signature counts', async () => {
  const [keys, maya] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
  const issuer = 'https://issuer.example';
  const approvers = [{ principal: 'user:maya@example.com', key: maya.publicKey, roles: ['maintainer'] }];
  const action = actionOf({ text: 'x' }, 'notes.share');
  const base = { action, issuer, tenant: 'org:example', signingKey: keys, policy: POLICY, approvers };
  const unsigned = await authorize({ ...base, approvalArtifact: yesTo(action) });
  assert.equal(unsigned.decision.decision, 'step_up');
  assert.ok(unsigned.decision.reasons.some(({ code }) => code === 'approval_unsigned'));

  const approval = await approve({ action, issuer, as: 'user:maya@example.com', key: maya, reason: 'read it' });
  const signed = await authorize({ ...base, approvals: [approval], audience: 'sharers' });
  const check = { token: signed.actionPass.token, action, verificationKey: await exportJWK(keys.publicKey), issuer, approvers };
  assert.equal((await verifyActionPass({ ...check, audience: 'sharers' })).claims.aud, 'sharers');
  const wrong = await errorOf(verifyActionPass(check));
  assert.deepEqual(wrong.codes, ['audience_mismatch']);
  const strangers = await errorOf(verifyActionPass({ ...check, audience: 'sharers', approvers: undefined }));
  assert.deepEqual(strangers.codes, ['approval_key_unknown']);
});
