// Checks a pass as a program does that knows JSON Web Tokens and nothing of ActionPass, for tests/tests/interop/newcomer.rs.
//
//   node verify_by_keys.mjs KEYS_URL PASS.jwt ISSUER AUDIENCE
//
// Prints {"claims": …, "refused": {…}}: what the pass says, and why it is refused where something else is expected.
import { readFileSync } from 'node:fs';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [, , url, file, issuer, audience] = process.argv;
const keys = createRemoteJWKSet(new URL(url));
const token = readFileSync(file, 'utf8').trim();
const expected = { issuer, audience, typ: 'actionpass+jwt', algorithms: ['ES256'], requiredClaims: ['exp', 'jti', 'sub'] };

const { payload } = await jwtVerify(token, keys, expected);
const refused = {};
for (const [name, other] of Object.entries({
  issuer: 'https://other.example', audience: `${audience}.other`, typ: 'JWT', algorithms: ['ES384'],
})) {
  refused[name] = await jwtVerify(token, keys, { ...expected, [name]: other })
    .then(() => 'accepted', ({ code, claim }) => claim ? `${code} ${claim}` : code);
}
console.log(JSON.stringify({ claims: payload, refused }));
