// The package without its native module, beside the cases that it issued with it: `cargo xtask bindings wasm` runs it where the package is
// installed so. Reads the cases of cross.mjs from stdin.
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { generateKeyPair } from 'jose';
import { Client, Executor, Issuer, RawJson, ReplayStore, Trust, Verifier, canonicalize, demoAction, hash, verifyActionPass } from 'actionpass';
import { codeOf, errorOf } from './help.mjs';

const cases = JSON.parse(await text(process.stdin));

test('passes are verified, and refused with the same codes', async () => {
  assert.equal(cases.length, 4);
  for (const { trust, token, action, issuer, audience, tenant, payload } of cases) {
    const verifier = new Verifier({ issuer, audience, tenant, trust: Trust.parse(JSON.stringify(trust)) });
    const verified = verifier.verify(token, { action });
    assert.equal(verified.valid, true);
    assert.equal(new TextDecoder().decode(verified.payloadBytes), payload);
    const { tool, resource } = action.capability;
    const call = { tool, resource, payload: new RawJson(payload) };
    assert.equal(verifier.verify(token, call).id, verified.id);
    for (const [changed, codes] of [
      [{ ...call, payload: { text: 'another' } }, ['payload_hash_mismatch']],
      [{ ...call, tool: 'notes.erase', resource: 'note:2' }, ['tool_mismatch', 'resource_mismatch']],
      [{ ...call, payload: new RawJson('{"a":1,"a":2}') }, ['member_duplicate']],
    ]) {
      assert.deepEqual((await errorOf(() => verifier.verify(token, changed))).codes, codes);
    }
    assert.equal(await codeOf(() => verifier.verify('x.y.z', call)), 'token_malformed');
    assert.equal(await codeOf(() => new Verifier({ issuer, audience, tenant: 'x', trust: Trust.parse(JSON.stringify(trust)) })), 'argument_invalid');
    // Another key is believed.
    const { publicKey } = await generateKeyPair('ES256');
    const others = await Trust.of([{ issuer, key: publicKey }]);
    assert.equal(await codeOf(() => new Verifier({ issuer, audience, tenant, trust: others }).verify(token, call)), 'key_unknown');
    const [key] = trust.keys.filter(({ use }) => use === 'pass');
    const check = { token, action, verificationKey: key.jwk, issuer };
    if (verified.approvals.length === 0) assert.equal((await verifyActionPass(check)).valid, true);
    else assert.deepEqual((await errorOf(verifyActionPass(check))).codes, ['approval_key_unknown']);
  }
});

test('payloads are hashed, and refused where they stand', async () => {
  for (const { action, payload } of cases) assert.equal(canonicalize(action.capability.payload), payload);
  assert.equal(hash(demoAction.capability.payload), 'sha256:dd2d07355b5ebe06ee0b137a71eb6dc77b207a623c3524f7a2a6b63b92e20f22');
  const error = await errorOf(() => hash(new RawJson('{"amount":10,"amount":9999}')));
  assert.deepEqual([error.code, error.offset], ['member_duplicate', 13]);
  // Larger than what there was room for, and again after it.
  assert.equal(await codeOf(() => hash(new RawJson(`"${'x'.repeat(2 ** 20)}"`))), 'size_exceeded');
  assert.match(hash(new RawJson(`"${'x'.repeat(10 ** 6)}"`)), /^sha256:[0-9a-f]{64}$/);
});

test('everything else says that the native module is missing', async () => {
  const { trust, token, action, issuer, audience, tenant } = cases[0];
  const believed = Trust.parse(JSON.stringify(trust));
  const signer = await generateKeyPair('ES256');
  for (const work of [
    () => ReplayStore.memory(),
    () => ReplayStore.sqlite('used.db'),
    () => Trust.watch('trust.json'),
    () => new Client({ url: 'http://localhost:8311', token: 'x' }),
    () => Issuer.open({ home: '/nowhere' }),
    () => Issuer.open({ issuer, tenants: [tenant], policy: '', signer, trust: believed }),
  ]) {
    assert.equal(await codeOf(work), 'native_module_missing', String(work));
  }
  assert.equal(await codeOf(() => new Executor({ issuer, audience, tenant, trust: believed, store: {} })), 'argument_invalid');
  assert.equal(new Verifier({ issuer, audience, tenant, trust: believed }).verify(token, { action }).valid, true);
});
