import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { generateKeyPair } from 'jose';
import { Approver, Client, Executor, Issuer, RawJson, ReplayStore, Trust, Verifier } from 'actionpass';
import { CALLER, ISSUER, TENANT, actionOf, codeOf, errorOf, parts } from './help.mjs';

const run = promisify(execFile);

test('an executor runs with the approved payload, once', async () => {
  const { issuer, executor } = await parts();
  const sent = { text: 'hello', number: 1.0 };
  const action = actionOf(sent);
  const { actionPass, actionId, record } = await issuer.authorize({ action, caller: CALLER });
  assert.ok(actionId.startsWith('act_') && record.seq > 0 && actionPass.expiresAt > new Date());
  const notes = executor();
  let seen;
  const ran = notes.run(actionPass.token, { action }, async (payload, pass) => {
    seen = payload;
    return pass.id;
  });
  sent.text = 'changed meanwhile';
  assert.equal(await ran, actionPass.id);
  assert.deepEqual(seen, { text: 'hello', number: 1 });
  sent.text = 'hello';
  assert.equal(await codeOf(notes.run(actionPass.token, { action }, () => assert.fail('it ran'))), 'already_used');
});

test('what isn\'t the approved call doesn\'t run', async () => {
  const { issuer, executor, trust } = await parts();
  const action = actionOf({ text: 'hello' });
  const { actionPass: { token } } = await issuer.authorize({ action, caller: CALLER });
  const notes = executor();
  const never = () => assert.fail('it ran');
  const call = { tool: 'notes.write', resource: 'note:1', payload: { text: 'hello' } };
  assert.equal(notes.verify(token, call).valid, true);
  assert.deepEqual(notes.verify(token, { ...call, agent: CALLER.agent, task: 'T-1' }).compared, ['agent', 'task', 'tool', 'resource', 'payload']);
  for (const [changed, codes] of [
    [{ ...call, payload: { text: 'hell0' } }, ['payload_hash_mismatch']],
    [{ ...call, tool: 'notes.share', resource: 'note:2' }, ['tool_mismatch', 'resource_mismatch']],
    [{ ...call, agent: 'agent:other' }, ['agent_mismatch']],
    [{ ...call, payload: new RawJson('{"text":"hello","text":"x"}') }, ['member_duplicate']],
    [{ ...call, payload: undefined }, ['value_not_json']],
    [{ ...call, tolo: 1 }, ['argument_invalid']],
    [{ action: actionOf({ text: 'other' }) }, ['payload_hash_mismatch']],
  ]) {
    assert.deepEqual((await errorOf(notes.run(token, changed, never))).codes, codes);
    assert.deepEqual((await errorOf(() => notes.verify(token, changed))).codes, codes);
  }
  assert.equal(await codeOf(notes.run('x.y.z', call, never)), 'token_malformed');
  assert.equal(await codeOf(notes.run(`${token}\ud800`, call, never)), 'value_not_json');
  assert.equal(await codeOf(notes.run(7, call, never)), 'argument_invalid');
  const elsewhere = new Verifier({ issuer: ISSUER, audience: 'others', tenant: 'org:other', trust });
  assert.deepEqual((await errorOf(() => elsewhere.verify(token, call))).codes, ['audience_mismatch', 'tenant_mismatch']);
  assert.equal(await codeOf(() => new Verifier({ issuer: ISSUER, audience: 'x', tenant: TENANT })), 'argument_invalid');
  assert.equal((await errorOf(() => new Verifier({ issuer: ISSUER, audience: 'x', tenant: 'x', trust }))).path, 'tenant');
  assert.equal(await codeOf(new Verifier({ issuer: ISSUER, audience: 'notes.write', tenant: TENANT, trust }).consume(token, call, {})), 'argument_invalid');
  // What was refused is not used up.
  assert.equal((await notes.consume(token, call)).valid, true);
});

test('people approve, override and revoke', async () => {
  const maya = await generateKeyPair('ES256');
  const trust = await Trust.of([{ principal: 'user:maya@example.com', key: maya.publicKey, roles: ['maintainer'] }]);
  const { issuer, executor } = await parts({ trust });
  const approver = new Approver({ as: 'user:maya@example.com', key: maya, lifetime: 60 });

  const action = actionOf({ text: 'x' }, 'notes.share');
  const asked = await issuer.authorize({ action, caller: CALLER });
  assert.equal(asked.decision.decision, 'step_up');
  assert.equal(asked.decision.required.length, 1);
  const yes = await approver.approve(action, { issuer: ISSUER, reason: 'read it' });
  const decided = await issuer.authorize({ action, caller: CALLER, approvals: [yes] });
  const notes = executor('notes.share');
  assert.equal(notes.verify(decided.actionPass.token, { action }).approvals[0].approvedBy, 'user:maya@example.com');

  const secret = actionOf({ text: 'secret' }, 'notes.share');
  const denied = await issuer.authorize({ action: secret, caller: CALLER });
  assert.equal(denied.decision.decision, 'deny');
  assert.equal(await codeOf(approver.approve(secret, { issuer: ISSUER, reason: 'r', mode: 'policy_override' })), 'argument_invalid');
  const lifted = await approver.approve(secret, {
    issuer: ISSUER,
    reason: 'for the audit',
    mode: 'policy_override',
    policyDigest: denied.policy.digest,
    rules: ['note.secret'],
  });
  const after = await issuer.authorize({ action: secret, caller: CALLER, approvals: [lifted, await approver.approve(secret, { issuer: ISSUER, reason: 'r' })] });
  assert.equal(after.decision.decision, 'allow');

  const before = trust.version;
  const { revocation } = await issuer.revoke({ principal: 'user:maya@example.com' }, { reason: 'left', by: 'user:owner@example.com' });
  assert.equal(revocation.target.id, 'user:maya@example.com');
  assert.ok(trust.version > before && trust.toJSON().revocations.length === 1);
  assert.ok((await errorOf(() => notes.verify(decided.actionPass.token, { action }))).codes.includes('approval_revoked'));
  assert.equal((await issuer.authorize({ action, caller: CALLER, approvals: [yes] })).decision.decision, 'step_up');
});

test('actions that say somebody else, bad facts and a closed issuer are refused', async () => {
  const { issuer } = await parts();
  const action = actionOf({ text: 'x' });
  assert.equal(await codeOf(issuer.authorize({ action, caller: { ...CALLER, agent: 'agent:other' } })), 'caller_mismatch');
  assert.equal(await codeOf(issuer.authorize({ action })), 'argument_invalid');
  assert.equal(await codeOf(issuer.authorize({ action, caller: CALLER, facts: { x: 1 } })), 'schema_missing');
  assert.equal(await codeOf(issuer.authorize({ action, caller: CALLER, approval: 'x' })), 'argument_invalid');
  const signal = AbortSignal.abort(new Error('enough'));
  assert.match((await errorOf(issuer.authorize({ action, caller: CALLER, signal }))).message, /enough/);
  const observed = await issuer.authorize({ action, caller: CALLER, observe: true });
  assert.equal(observed.pass, undefined);
  await issuer.close();
  await issuer.close();
  assert.equal(await codeOf(issuer.authorize({ action, caller: CALLER })), 'issuer_closed');
});

test('stores are bounded or in files, and made on purpose', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'actionpass-'));
  try {
    const { issuer } = await parts({ store: { memory: { capacity: 1 } } });
    assert.equal(await codeOf(issuer.authorize({ action: actionOf({ text: 'x' }), caller: CALLER })), 'store_full');
    const path = join(folder, 'used.db');
    assert.equal(await codeOf(ReplayStore.sqlite(path)), 'store_missing');
    await ReplayStore.sqlite(path, { create: true });
    const [one, two] = [await ReplayStore.sqlite(path), await ReplayStore.sqlite(path)];
    const of = await parts({ store: { sqlite: join(folder, 'ledger.db') } });
    const action = actionOf({ text: 'x' });
    const { actionPass: { token } } = await of.issuer.authorize({ action, caller: CALLER });
    const executor = (store) => new Executor({ issuer: ISSUER, audience: 'notes.write', tenant: TENANT, trust: of.trust, store });
    await executor(one).consume(token, { action });
    assert.equal(await codeOf(executor(two).consume(token, { action })), 'already_used');
    assert.equal(await codeOf(executor(ReplayStore.memory()).consume(token, { action })), 'replay_state_lost');
    await of.issuer.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an issuer of a home that the command made', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'actionpass-'));
  try {
    const home = join(folder, 'home');
    const program = fileURLToPath(new URL('../node_modules/.bin/actionpass', import.meta.url));
    execFileSync(program, ['--home', home, 'init', '--issuer', ISSUER, '--tenant', TENANT], { stdio: 'pipe' });
    const issuer = await Issuer.open({ home });
    const action = new RawJson(readFileSync(join(home, 'examples', 'allow.json'), 'utf8'));
    const { actor, tenant, capability } = JSON.parse(action.text);
    const decided = await issuer.authorize({ action, caller: { tenant, ...actor } });
    const executor = new Executor({
      issuer: ISSUER,
      audience: capability.tool,
      tenant,
      trust: Trust.watch(join(home, 'trust.json')),
      store: issuer.replayStore,
    });
    assert.deepEqual(await executor.run(decided.actionPass.token, { action }, (payload) => payload), capability.payload);
    assert.equal(await codeOf(executor.consume(decided.actionPass.token, { action })), 'already_used');
    await issuer.close();
    assert.equal(await codeOf(Issuer.open({ home: join(folder, 'none') })), 'home_missing');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('64 authorizes at once with a key of WebCrypto end within a second', async () => {
  const { privateKey } = await generateKeyPair('ES256');
  const { issuer } = await parts({ signer: privateKey });
  const start = performance.now();
  const all = await Promise.all(
    Array.from({ length: 64 }, (_, n) => issuer.authorize({ action: actionOf({ number: n }), caller: CALLER })),
  );
  const took = performance.now() - start;
  assert.ok(all.every(({ pass }) => pass !== undefined));
  assert.ok(took < 1000, `${took} ms`);
});

test('a process with an issuer and a signer that waits for nobody ends by itself', async () => {
  const script = `
    import { parts, actionOf, CALLER } from './help.mjs';
    const { issuer, executor } = await parts();
    const action = actionOf({ text: 'x' });
    const { actionPass } = await issuer.authorize({ action, caller: CALLER });
    await executor().consume(actionPass.token, { action });
    console.log('done');`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    timeout: 20_000,
  });
  assert.equal(stdout, 'done\n');
});

test('worker threads have issuers of their own', async () => {
  const ran = Array.from({ length: 3 }, () => new Promise((resolve, reject) => {
    const worker = new Worker(new URL('worker.mjs', import.meta.url));
    worker.once('message', resolve);
    worker.once('error', reject);
  }));
  assert.deepEqual(await Promise.all(ran), ['allow', 'allow', 'allow']);
});

test('the client says why there is no answer', async () => {
  const client = new Client({ url: 'http://127.0.0.1:1', token: 'secret-token' });
  const error = await errorOf(client.health());
  assert.equal(error.code, 'service_unreachable');
  assert.doesNotMatch(error.message, /secret-token/);
  assert.equal(await codeOf(() => new Client({ url: 'http://gate.example.com', token: 't' })), 'service_address_refused');
  assert.equal((await errorOf(client.vote('x', 'y'))).path, 'id');
});
