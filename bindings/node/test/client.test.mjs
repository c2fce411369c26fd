import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Client, RawJson } from 'actionpass';
import { ISSUER, TENANT, codeOf, errorOf } from './help.mjs';

const program = fileURLToPath(new URL('../node_modules/.bin/actionpass', import.meta.url));

/** Where the service listens, from the line that says so. */
async function listening(service) {
  let said = '';
  for await (const part of service.stdout) {
    said += part;
    const [, address] = /listening on (\S+);/.exec(said) ?? [];
    if (address !== undefined) return `http://${address}`;
  }
  throw new Error(`the service did not start: ${said}`);
}

test('the client asks the service that the command serves', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'actionpass-'));
  const home = join(folder, 'home');
  const run = (...rest) => execFileSync(program, ['--home', home, ...rest], { stdio: 'pipe', encoding: 'utf8' });
  let service;
  try {
    run('init', '--issuer', ISSUER, '--tenant', TENANT);
    const any = ['agent', 'owner', 'runtime', 'audience', 'tenant'].flatMap((of) => [`--${of}`, '*']);
    const token = run('clients', 'add', '--may', 'authorize,verify,consume,requests,ledger', ...any, 'host').trim();
    service = spawn('sh', ['-c', 'exec "$0" "$@" 2>&1', program, '--home', home, 'serve', '--listen', '127.0.0.1:0']);
    const url = await listening(service);
    const client = new Client({ url, token });
    await client.health();

    const text = readFileSync(join(home, 'examples', 'allow.json'), 'utf8');
    const action = JSON.parse(text);
    const caller = { tenant: action.tenant, ...action.actor };
    const decided = await client.authorize({ action: new RawJson(text), caller });
    assert.equal(decided.decision, 'allow');
    const call = { token: decided.pass.token, action, tenant: TENANT, audience: action.capability.tool };
    assert.equal((await client.verify(call)).valid, true);
    assert.equal((await client.consume(call)).valid, true);
    const again = await client.consume(call);
    assert.deepEqual([again.valid, again.codes], [false, ['already_used']]);

    const step = JSON.parse(readFileSync(join(home, 'examples', 'step_up.json'), 'utf8'));
    const waiting = await client.authorize({ action: step, caller: { tenant: step.tenant, ...step.actor } });
    assert.equal(waiting.decision, 'step_up');
    const { id } = waiting.request;
    assert.equal((await client.request(id)).request.id, id);
    assert.ok((await client.requests({ state: 'pending' })).requests.some((request) => request.id === id));
    assert.equal((await client.cancel(id)).state, 'cancelled');
    assert.equal((await client.jwks()).keys.length, 1);
    assert.ok((await client.ledgerHead()).size > 0);
    assert.equal((await client.trust()).schema, 'actionpass.trust.v1');
    const twice = new RawJson(text.replace('"tenant"', '"tenant": "org:other", "tenant"'));
    assert.equal(await codeOf(client.authorize({ action: twice, caller })), 'member_duplicate');
    const refused = await errorOf(client.revoke({ target: { kind: 'pass', id: decided.pass.id, issuer: ISSUER }, reason: 'r' }));
    assert.equal(refused.code, 'client_forbidden');
    assert.match(await codeOf(new Client({ url, token: 'another' }).ledgerHead()), /^client_/);
  } finally {
    if (service !== undefined && service.exitCode === null) {
      service.kill();
      await once(service, 'exit');
    }
    rmSync(folder, { recursive: true });
  }
});
