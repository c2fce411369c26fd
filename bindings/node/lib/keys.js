// Keys stay where they are: what crosses is a function that signs, or a URI.
import { createPublicKey, sign as signWith } from 'node:crypto';
import { promisify, types } from 'node:util';
import { call, wait, wrongArgument } from './error.js';
import { optionsFrom, textOf, toJson } from './json.js';
import { native } from './native.js';

const { subtle } = globalThis.crypto;
const signBytes = promisify(signWith);

/** Native keys by the object that signs: a public key is found once. */
const known = new WeakMap();

/** The function that the native half calls: it gives bytes, or words; it never throws. */
function asked(sign) {
  return async (input) => {
    try {
      const signature = await sign(input);
      if (signature instanceof Uint8Array) return signature;
      if (signature instanceof ArrayBuffer) return new Uint8Array(signature);
      return 'it gave no bytes';
    } catch (error) {
      return String(error?.message ?? error).toWellFormed().slice(0, 300) || 'it failed';
    }
  };
}

/** How WebCrypto is asked to sign with a key. */
function algorithmOf(key) {
  const { name, namedCurve } = key.algorithm;
  if (name === 'ECDSA' && namedCurve === 'P-256') return { name, hash: 'SHA-256' };
  if (name === 'ECDSA' && namedCurve === 'P-384') return { name, hash: 'SHA-384' };
  if (name === 'Ed25519') return { name };
  throw wrongArgument('signingKey', `keys for ${namedCurve ?? name} sign no passes`);
}

function privateCryptoKey(key, path) {
  if (!types.isCryptoKey(key) || key.type !== 'private' || !key.usages.includes('sign')) {
    throw wrongArgument(path, 'it is no private key that may sign');
  }
  return (input) => subtle.sign(algorithmOf(key), key, input);
}

function privateKeyObject(key) {
  const type = key.asymmetricKeyType;
  const curve = key.asymmetricKeyDetails?.namedCurve;
  const digest = { prime256v1: 'sha256', secp384r1: 'sha384' }[curve];
  if (type !== 'ed25519' && digest === undefined) throw wrongArgument('signingKey', `${curve ?? type} keys sign no passes`);
  return (input) => signBytes(digest ?? null, input, { key, dsaEncoding: 'ieee-p1363' });
}

/** The text of a public key: a JWK or PEM. */
export async function publicKeyText(key, path) {
  if (types.isCryptoKey(key)) {
    if (key.type !== 'public') throw wrongArgument(path, 'it is not a public key');
    if (!key.extractable) throw wrongArgument(path, 'it can not be exported: make it extractable, as every public key may be');
    return toJson(await subtle.exportKey('jwk', key), path);
  }
  if (types.isKeyObject(key)) {
    if (key.type !== 'public') throw wrongArgument(path, 'it is not a public key');
    return key.export({ type: 'spki', format: 'pem' });
  }
  if (typeof key === 'string') return textOf(key, path);
  if (typeof key === 'object' && key !== null) return toJson(key, path);
  throw wrongArgument(path, 'it is no public key: a CryptoKey, a KeyObject, a JWK or PEM');
}

/** A signer for any key of this process: what has its public key, and signs. */
async function foreign(key, path) {
  if (types.isKeyObject(key)) {
    if (key.type !== 'private') throw wrongArgument(path, 'it is not a private key');
    return [await publicKeyText(createPublicKey(key), path), 'keyobject', privateKeyObject(key)];
  }
  if (types.isCryptoKey(key)) {
    const sign = privateCryptoKey(key, path);
    algorithmOf(key);
    if (key.algorithm.namedCurve !== 'P-256') throw wrongArgument(path, 'hand over `{ publicKey, privateKey }`: its public key is not to be found out');
    return [await wait(() => native.recover(asked(sign))), 'webcrypto', sign];
  }
  if (types.isCryptoKey(key?.privateKey)) {
    const sign = privateCryptoKey(key.privateKey, `${path}.privateKey`);
    algorithmOf(key.privateKey);
    return [await publicKeyText(key.publicKey, `${path}.publicKey`), 'webcrypto', sign];
  }
  if (typeof key?.sign === 'function') {
    const custodian = key.custodian === undefined ? 'callback' : textOf(key.custodian, `${path}.custodian`);
    return [await publicKeyText(key.publicJwk, `${path}.publicJwk`), custodian, (input) => key.sign(input)];
  }
  throw wrongArgument(path, 'it is no key: a CryptoKey, { publicKey, privateKey }, a KeyObject, { publicJwk, sign } or a URI');
}

/** The object or text that stands for a key: two pairs of one private key are one key. */
export function identity(key) {
  return types.isCryptoKey(key?.privateKey) ? key.privateKey : key;
}

/** The native key of whatever signs. */
export async function nativeKey(key, path = 'signingKey') {
  if (typeof key === 'string') return wait(() => native.openKey(textOf(key, path), undefined));
  if (typeof key === 'object' && key !== null && typeof key.uri === 'string') {
    const { uri, passphrase } = optionsFrom(key, ['uri', 'passphrase'], path);
    const source = passphrase === undefined ? undefined : textOf(passphrase, `${path}.passphrase`);
    return wait(() => native.openKey(textOf(uri, `${path}.uri`), source));
  }
  const which = identity(key);
  if (typeof which !== 'object' || which === null) throw wrongArgument(path, 'the key that signs is missing');
  const before = known.get(which);
  if (before !== undefined) return before;
  const made = foreign(key, path).then(([publicKey, custodian, sign]) =>
    call(() => native.NativeKey.foreign(publicKey, custodian, asked(sign))),
  );
  known.set(which, made);
  // One that failed may be tried again.
  made.catch(() => known.delete(which));
  return made;
}

/** A signer for a key of WebCrypto or node:crypto, with its public key as a JWK. */
export async function signerFrom(key) {
  const [, custodian, sign] = await foreign(key, 'key');
  const made = await nativeKey(key, 'key');
  return Object.freeze({
    publicJwk: Object.freeze(JSON.parse(call(() => made.publicJwk()))),
    custodian,
    sign: async (input) => new Uint8Array(await sign(input)),
  });
}

