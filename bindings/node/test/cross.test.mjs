// Passes between this package and the command, both ways. Those between languages go by the same protocol: `cargo xtask bindings cross`.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { canonicalize } from 'actionpass';
import { issue, verify } from './cross.mjs';
import { ISSUER, TENANT } from './help.mjs';

const program = fileURLToPath(new URL('../node_modules/.bin/actionpass', import.meta.url));
const run = (...rest) => promisify(execFile)(program, rest);

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'actionpass-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What the command makes of a case: what it would execute, or its codes. */
async function verifiedByCommand({ token, action, trust, issuer, audience, tenant }, folder, store) {
  const file = (name, text) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const call = ['--token', file('token.jwt', token), '--action', file('action.json', JSON.stringify(action))];
  const accepted = ['--trust', file('trust.json', JSON.stringify(trust)), '--issuer', issuer, '--audience', audience, '--tenant', tenant];
  try {
    const { stdout } = await run('verify', '--json', ...call, ...accepted, '--consume', '--replay-store', store);
    return JSON.parse(stdout);
  } catch (error) {
    return JSON.parse(error.stdout);
  }
}

/** A case whose call isn't the one that was approved. */
function changed(given) {
  const { capability, ...rest } = given.action;
  return { ...given, action: { ...rest, capability: { ...capability, payload: { ...capability.payload, text: 'changed' } } } };
}

test('the command verifies and uses up what this package issues', () =>
  inFolder(async (folder) => {
    const store = join(folder, 'used.db');
    await run('replay-store', 'new', store);
    const cases = await issue();
    assert.equal(cases.length, 4);
    for (const given of cases) {
      const refused = await verifiedByCommand(changed(given), folder, store);
      assert.deepEqual([refused.valid, refused.codes], [false, ['payload_hash_mismatch']], given.name);
      const verdict = await verifiedByCommand(given, folder, store);
      assert.deepEqual([verdict.valid, verdict.consumed, verdict.payloadCanonical], [true, true, given.payload], given.name);
      assert.deepEqual((await verifiedByCommand(given, folder, store)).codes, ['already_used'], given.name);
      // And this package itself, by the protocol.
      assert.deepEqual(verify(given), { valid: true, payload: given.payload });
    }
  }));

test('this package verifies what the command issues', () =>
  inFolder(async (folder) => {
    const home = ['--home', join(folder, 'home')];
    await run(...home, 'init', '--issuer', ISSUER, '--tenant', TENANT);
    const maya = ['--key', join(folder, 'maya.pem'), '--as', 'user:maya@example.com'];
    const made = await run(...home, 'keys', 'new', '--use', 'approval', '--principal', maya[3], '--out', maya[1]);
    writeFileSync(join(folder, 'maya.jwk'), made.stdout);
    await run(...home, 'trust', 'add', join(folder, 'maya.jwk'), '--use', 'approval', '--principal', maya[3], '--role', 'maintainer');
    for (const name of ['allow', 'step_up']) {
      const path = join(folder, 'home', 'examples', `${name}.json`);
      const asked = ['authorize', '--json', '--action', path];
      if (name === 'step_up') {
        const { stdout } = await run(...home, 'approve', '--action', path, ...maya, '--reason', 'read it', '--yes', '--issuer', ISSUER);
        writeFileSync(join(folder, 'approval.jwt'), stdout);
        asked.push('--approval', join(folder, 'approval.jwt'));
      }
      const decided = JSON.parse((await run(...home, ...asked)).stdout);
      const { trust } = JSON.parse((await run(...home, 'trust', 'export', '--json')).stdout);
      const action = JSON.parse(readFileSync(path, 'utf8'));
      const { tool, payload } = action.capability;
      const given = { name, trust, token: decided.pass.token, action, issuer: ISSUER, audience: tool, tenant: TENANT };
      assert.deepEqual(verify(given), { valid: true, payload: canonicalize(payload) });
      assert.deepEqual(verify(changed(given)), { valid: false, codes: ['payload_hash_mismatch'] });
    }
  }));
