// Checks a pass of ActionPass with npm `jose` before the call that it permits is made. See README.md beside this file.
//
//   npm install jose
//   node verify.mjs PASS.jwt KEYS.json PAYLOAD.json ISSUER AUDIENCE TENANT TOOL RESOURCE
import { createHash, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createLocalJWKSet, jwtVerify } from 'jose';

globalThis.crypto ??= webcrypto; // Node 18 has it, but not yet as a global.

const ALGORITHMS = ['ES256', 'ES384', 'Ed25519'];
const LEEWAY = 30;
const MAX_LIFETIME = 3600;

/** Gives the canonical payload, which is what to execute, or throws. `call` is what the executor is about to do. */
export async function verifyPass(token, jwks, payloadText, call) {
  const header = checkShape(token);
  // The key comes from our own set, by `kid`, and its algorithm with it; the token can't bring either.
  const [key, second] = jwks.keys.filter(({ kid }) => kid === header.kid);
  check(key !== undefined && second === undefined, 'key_unknown');
  check(ALGORITHMS.includes(key.alg), 'key_unsupported');
  check(header.alg === key.alg, 'algorithm_mismatch');
  const { payload: claims } = await jwtVerify(token, createLocalJWKSet(jwks), {
    algorithms: [key.alg],
    typ: 'actionpass+jwt',
    issuer: call.issuer,
    audience: call.audience,
    clockTolerance: LEEWAY,
    requiredClaims: ['sub', 'iat', 'nbf', 'exp', 'jti'],
  });
  const pass = claims.actionpass;
  check(members(claims) === 'actionpass aud exp iat iss jti nbf sub', 'claims_malformed');
  check(pass?.v === 1 && pass.canon === 'rfc8785', 'version_unsupported');
  check(typeof claims.aud === 'string', 'audience_mismatch');
  check(claims.iat <= claims.nbf && claims.nbf < claims.exp, 'claims_malformed');
  check(claims.exp - claims.iat <= MAX_LIFETIME, 'lifetime_too_long');
  check(pass.tenant === call.tenant, 'tenant_mismatch');
  check(pass.tool === call.tool, 'tool_mismatch');
  check(pass.resource === call.resource, 'resource_mismatch');
  check(pass.obligations.length === 0, 'obligation_unsupported'); // Or enforce every one of them.
  const canonical = canonicalize(JSON.parse(payloadText));
  const hash = createHash('sha256').update(canonical, 'utf8').digest('hex');
  check(pass.payloadHash === `sha256:${hash}`, 'payload_hash_mismatch');
  return { claims, payload: canonical };
}

/** One spelling only: three parts of unpadded base64url and exactly our three header members. jose is more lenient. */
function checkShape(token) {
  const parts = token.split('.');
  const strict = parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
  check(parts.length === 3 && strict, 'token_malformed');
  const header = JSON.parse(Buffer.from(parts[0], 'base64url'));
  check(members(header) === 'alg kid typ', 'header_not_allowed');
  check(header.typ === 'actionpass+jwt', 'type_mismatch');
  return header;
}

/** RFC 8785 for parsed JSON: members in UTF-16 order, numbers and strings as ECMAScript writes them. */
function canonicalize(value) {
  if (Array.isArray(value)) return `[${value.map(canonicalize).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const member = (name) => `${JSON.stringify(name)}:${canonicalize(value[name])}`;
    return `{${Object.keys(value).sort().map(member).join(',')}}`;
  }
  // 1e400 is parsed as infinity, which would be written as null.
  check(typeof value !== 'number' || Number.isFinite(value), 'payload_hash_mismatch');
  return JSON.stringify(value);
}

function members(object) {
  return Object.keys(object).sort().join(' ');
}

function check(holds, code) {
  if (!holds) throw new Error(code);
}

const [tokenFile, jwksFile, payloadFile, issuer, audience, tenant, tool, resource] = process.argv.slice(2);
const read = (file) => readFileSync(file, 'utf8');
try {
  const token = read(tokenFile).replace(/\n$/, '');
  const call = { issuer, audience, tenant, tool, resource };
  const { claims } = await verifyPass(token, JSON.parse(read(jwksFile)), read(payloadFile), call);
  console.log(`accepted: ${claims.jti}`);
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
