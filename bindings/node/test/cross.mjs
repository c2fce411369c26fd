// One side of passes that cross languages: issues them, or verifies what another language issued. Python has the same as cross.py.
//
//   node cross.mjs issue            writes a list of cases to stdout
//   node cross.mjs verify < CASES   reads one, and writes a list of verdicts in the same order
//
// Both are one JSON text. A case is one pass and the call that it is for:
//
//   { "name":     what it is, for people
//     "trust":    the trust document (actionpass.trust.v1), an object: the issuer's key, and those of approvers
//     "token":    the pass, a compact JWS
//     "action":   the action (actionpass.action.v1), an object: what is about to be executed
//     "issuer", "audience", "tenant": what the executor accepts, text
//     "payload":  the canonical JSON (RFC 8785) of the action's payload, text }
//
// A verdict is `{"valid": true, "payload": TEXT}`, what is to be executed, or `{"valid": false, "codes": [CODE, …]}`. Both exit with 0;
// anything else is a failure of the side itself. Nothing is used up, and nothing is kept between two runs. Whoever drives both sides holds
// `payload` of the verdict against that of the case, and lets changed cases be verified too.
//
// What is issued: one pass for each algorithm (ES256, ES384, Ed25519), and one whose call a person approved. The payloads hold what
// languages write differently: member names beyond ASCII, numbers that aren't integers, text that needs escapes.
import { generateKeyPair } from 'jose';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { ActionPassError, Approver, Trust, Verifier, canonicalize } from 'actionpass';
import { CALLER, ISSUER, TENANT, actionOf, parts } from './help.mjs';

const PAYLOAD = {
  text: 'Grüße 👋 "\\/\u007f\u2028\t',
  number: -0.1e-6,
  list: [1e21, 0, 4.5, { '\ufb33': 1, '😀': 2, é: 3, '': null, 'e\u0301': [true, false] }],
};

async function issued(name, signer, tool, approver) {
  const trust = await Trust.of(approver === undefined ? [] : [{ principal: 'user:maya@example.com', key: approver.publicKey, roles: ['maintainer'] }]);
  const { issuer } = await parts({ signer, trust });
  const action = actionOf(PAYLOAD, tool);
  const approvals = [];
  if (approver !== undefined) {
    approvals.push(await new Approver({ as: 'user:maya@example.com', key: approver }).approve(action, { issuer: ISSUER, reason: 'gelesen ✓' }));
  }
  const { actionPass } = await issuer.authorize({ action, caller: CALLER, approvals });
  const accepted = { issuer: ISSUER, audience: tool, tenant: TENANT };
  return { name, trust: issuer.trust.toJSON(), token: actionPass.token, action, ...accepted, payload: canonicalize(PAYLOAD) };
}

export async function issue() {
  const cases = [];
  for (const algorithm of ['ES256', 'ES384', 'Ed25519']) {
    cases.push(await issued(`Node, ${algorithm}`, await generateKeyPair(algorithm), 'notes.write'));
  }
  cases.push(await issued('Node, approved', await generateKeyPair('ES256'), 'notes.share', await generateKeyPair('ES256')));
  return cases;
}

export function verify({ trust, token, action, issuer, audience, tenant }) {
  try {
    const verifier = new Verifier({ issuer, audience, tenant, trust: Trust.parse(JSON.stringify(trust)) });
    return { valid: true, payload: new TextDecoder().decode(verifier.verify(token, { action }).payloadBytes) };
  } catch (error) {
    if (!(error instanceof ActionPassError)) throw error;
    return { valid: false, codes: error.codes };
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , mode] = process.argv;
  if (mode === 'issue') process.stdout.write(JSON.stringify(await issue()));
  else if (mode === 'verify') process.stdout.write(JSON.stringify(JSON.parse(await text(process.stdin)).map(verify)));
  else throw new Error('say `issue` or `verify`');
}
