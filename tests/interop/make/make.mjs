// Makes tokens with npm `jose` and, what it refuses to make, with node's own primitives.
//
//   node make.mjs VARIANTS.tsv PRIVATE.pem PUBLIC.pem OUT-FOLDER
//
// A line of VARIANTS.tsv: name, header text, claims text, signature (es256, der, hs256, none), spelling (strict, padded,
// spaced, wrapped). Each token goes into a file of the variant's name; stdout says what made it.
import { createHmac, sign, webcrypto } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { importPKCS8, SignJWT, UnsecuredJWT } from 'jose';

globalThis.crypto ??= webcrypto; // Node 18 has it, but not yet as a global.

const [variants, privateFile, publicFile, out] = process.argv.slice(2);
const privatePem = readFileSync(privateFile, 'utf8');
const publicPem = readFileSync(publicFile);

async function byLibrary(headerText, claimsText, signature) {
  const [header, claims] = [JSON.parse(headerText), JSON.parse(claimsText)];
  if (JSON.stringify(claims) !== claimsText || JSON.stringify(header) !== headerText) throw new Error('not as asked');
  const builder = new SignJWT(claims).setProtectedHeader(header);
  let token;
  if (signature === 'es256') token = await builder.sign(await importPKCS8(privatePem, 'ES256'));
  if (signature === 'hs256') token = await builder.sign(publicPem);
  if (signature === 'none') token = new UnsecuredJWT(claims).encode();
  const written = token && Buffer.from(token.split('.')[0], 'base64url').toString();
  if (written !== headerText) throw new Error('not as asked');
  return token;
}

function byHand(headerText, claimsText, signature, spelling) {
  const encode = (bytes) => {
    const strict = Buffer.from(bytes).toString('base64url');
    return spelling === 'padded' ? strict + '='.repeat((4 - (strict.length % 4)) % 4) : strict;
  };
  let claims = encode(claimsText);
  if (spelling === 'wrapped') claims = claims.replace(/(.{64})/g, '$1\n');
  const input = `${encode(headerText)}.${claims}`;
  const ecdsa = (dsaEncoding) => sign('sha256', Buffer.from(input), { key: privatePem, dsaEncoding });
  let end = encode({
    es256: () => ecdsa('ieee-p1363'),
    der: () => ecdsa('der'),
    hs256: () => createHmac('sha256', publicPem).update(input).digest(),
    none: () => '',
  }[signature]());
  if (spelling === 'spaced') end = `${end.slice(0, 43)} ${end.slice(43)}`;
  return `${input}.${end}`;
}

for (const line of readFileSync(variants, 'utf8').trimEnd().split('\n')) {
  const [name, header, claims, signature, spelling] = line.split('\t');
  let [token, maker] = [byHand(header, claims, signature, spelling), 'hand'];
  if (spelling === 'strict') {
    try {
      [token, maker] = [await byLibrary(header, claims, signature), 'library'];
    } catch {
      // What the library refuses to make stays made by hand.
    }
  }
  writeFileSync(`${out}/${name}`, token);
  console.log(name, maker);
}
