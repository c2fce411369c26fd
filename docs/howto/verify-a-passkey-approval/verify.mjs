// Checks a passkey's signature on an approval of ActionPass with nothing but Node. See README.md beside this file.
//
//   node verify.mjs APPROVAL TRUST.json

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { argv, exit } from "node:process";

const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

function check(holds, code) {
  if (!holds) throw new Error(code);
}

function decode(text) {
  const bytes = Buffer.from(text, "base64url");
  check(bytes.toString("base64url") === text, "token_malformed");
  return bytes;
}

// The claims, if a passkey of the trust store signed them on one of its pages.
function verifyPasskeyApproval(token, trust) {
  const [head, payload, third, ...more] = token.split(".");
  check(third !== undefined && more.length === 0, "token_malformed");
  const header = JSON.parse(decode(head));
  check(Object.keys(header).sort().join() === "alg,kid,typ", "header_not_allowed");
  check(header.typ === "actionpass-approval+webauthn", "type_mismatch");
  const key = trust.keys.find(({ kid, webauthn }) => kid === header.kid && webauthn);
  check(key?.use === "approval", "key_unknown");
  check(key.alg === header.alg, "algorithm_mismatch");
  const revokes = ({ target }) => target.kind === "key" && target.id === key.kid;
  check(key.status !== "revoked" && !trust.revocations.some(revokes), "key_revoked");
  const { authenticatorData, clientDataJSON, signature } = JSON.parse(decode(third));
  const own = JSON.stringify({ authenticatorData, clientDataJSON, signature });
  check(own === decode(third).toString(), "webauthn_assertion_malformed");
  const [data, clientData, signed] = [authenticatorData, clientDataJSON, signature].map(decode);
  check(clientData.length <= 2048, "webauthn_client_data_too_long");
  const client = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(clientData));
  check(client.type === "webauthn.get", "webauthn_type_mismatch");
  check(client.challenge === sha256(`${head}.${payload}`).toString("base64url"), "webauthn_challenge_mismatch");
  check(key.webauthn.origins.includes(client.origin), "webauthn_origin_mismatch");
  check(client.crossOrigin === undefined || client.crossOrigin === false, "webauthn_cross_origin");
  check(!("topOrigin" in client), "webauthn_top_origin");
  const flags = data[32];
  check(data.subarray(0, 32).equals(sha256(key.webauthn.rpId)), "webauthn_rp_id_mismatch");
  check(flags & 0x01, "webauthn_user_not_present");
  check(flags & 0x04, "webauthn_user_not_verified");
  check(!(flags & 0x40), "webauthn_attested_credential");
  check(!(flags & 0x10) || flags & 0x08, "webauthn_backup_state");
  check(data.length === 37 && !(flags & 0x80), "webauthn_authenticator_data_malformed");
  const hash = { ES256: "sha256", Ed25519: null }[key.alg];
  const publicKey = createPublicKey({ key: key.jwk, format: "jwk" });
  const isValid = hash !== undefined && verify(hash, Buffer.concat([data, sha256(clientData)]), publicKey, signed);
  check(isValid, "webauthn_signature_invalid");
  return JSON.parse(decode(payload));
}

try {
  const [token, trust] = argv.slice(2, 4).map((file) => readFileSync(file, "utf8"));
  const claims = verifyPasskeyApproval(token.replace(/\n$/, ""), JSON.parse(trust));
  console.log(`accepted: ${claims.jti} of ${claims.iss}`);
} catch (error) {
  console.error(`refused: ${error.message}`);
  exit(1);
}
