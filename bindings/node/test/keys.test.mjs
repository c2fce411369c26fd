import assert from 'node:assert/strict';
import { generateKeyPairSync, createPrivateKey, createPublicKey } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import { Trust, approve, signerFrom } from 'actionpass';
import { CALLER, ISSUER, actionOf, codeOf, parts } from './help.mjs';

const action = actionOf({ text: 'hello' });

async function issueWith(signer, options = {}) {
  const { issuer } = await parts({ signer, ...options });
  const decided = await issuer.authorize({ action, caller: CALLER });
  await issuer.close();
  return decided.actionPass.token;
}

test('jose verifies our passes, of every kind of key', async () => {
  const webcrypto = await generateKeyPair('ES256');
  const exported = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const object = createPrivateKey({ key: await crypto.subtle.exportKey('jwk', exported.privateKey), format: 'jwk' });
  const signer = await signerFrom(webcrypto);
  const edwards = await generateKeyPair('Ed25519');
  const wide = await generateKeyPair('ES384');
  for (const [name, key, publicKey] of [
    ['a pair', webcrypto, webcrypto.publicKey],
    ['a private key alone', webcrypto.privateKey, webcrypto.publicKey],
    ['a KeyObject', object, createPublicKey(object)],
    ['a signer', signer, webcrypto.publicKey],
    ['a pair of Ed25519', edwards, edwards.publicKey],
    ['a KeyObject of Ed25519', generateKeyPairSync('ed25519').privateKey, undefined],
    ['a pair of ES384', wide, wide.publicKey],
  ]) {
    const token = await issueWith(key);
    const of = publicKey ?? createPublicKey(key);
    const { payload, protectedHeader } = await jwtVerify(token, of, { issuer: ISSUER, audience: 'notes.write', typ: 'actionpass+jwt' });
    assert.equal(payload.sub, CALLER.agent, name);
    assert.equal(protectedHeader.kid, await calculateJwkThumbprint(await exportJWK(of)), name);
  }
  assert.equal(webcrypto.privateKey.extractable, false);
});

test('a key at a URI signs, and nothing of it is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'actionpass-'));
  try {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const path = join(folder, 'key.pem');
    writeFileSync(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    await jwtVerify(await issueWith(`file:${path}`), publicKey, { issuer: ISSUER });
    chmodSync(path, 0o644);
    assert.equal(await codeOf(issueWith({ uri: `file:${path}` })), 'key_file_permissions');
    assert.equal(await codeOf(issueWith(`file:${path}.missing`)), 'key_file_missing');
    assert.equal(await codeOf(issueWith('nowhere:x')), 'key_scheme_unknown');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('signers that misbehave make no pass', async () => {
  const good = await signerFrom(await generateKeyPair('ES256'));
  const other = await signerFrom(await generateKeyPair('ES256'));
  for (const [sign, code] of [
    [() => { throw new Error('the drawer is locked'); }, 'custodian_unavailable'],
    [async () => { throw new Error('the drawer is locked'); }, 'custodian_unavailable'],
    [() => new Promise(() => {}), 'custodian_unavailable'],
    [async (input) => (await good.sign(input)).subarray(1), 'signature_self_check_failed'],
    [async () => new Uint8Array(64), 'signature_self_check_failed'],
    [(input) => other.sign(input), 'signature_self_check_failed'],
    [() => 'signed', 'custodian_unavailable'],
    [() => undefined, 'custodian_unavailable'],
  ]) {
    assert.equal(await codeOf(issueWith({ ...good, sign }, { signingTimeout: 1 })), code, String(sign));
  }
  const error = await approve({ action, issuer: ISSUER, as: 'user:m@example.com', reason: 'r', key: { ...good, sign: () => { throw new Error('locked'); } } }).catch((thrown) => thrown);
  assert.equal(error.code, 'custodian_unavailable');
  assert.match(error.message, /locked/);
});

test('what is no key is refused', async () => {
  const pair = await generateKeyPair('ES256');
  const rsa = await crypto.subtle.generateKey({ name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['sign', 'verify']);
  for (const key of [undefined, null, 7, {}, pair.publicKey, rsa.privateKey, rsa, generateKeyPairSync('x25519').privateKey, (await generateKeyPair('Ed25519')).privateKey, { sign: () => new Uint8Array(64) }]) {
    assert.equal(await codeOf(issueWith(key)), 'argument_invalid');
  }
  // Signs with another key each time: no public key fits.
  const keys = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
  assert.equal(await codeOf(issueWith({ publicKey: keys[0].publicKey, privateKey: keys[1].privateKey })), 'signature_self_check_failed');
  const jwk = await crypto.subtle.exportKey('jwk', (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])).privateKey);
  assert.equal(await codeOf(Trust.of([{ issuer: ISSUER, key: jwk }])), 'private_key_member');
});
