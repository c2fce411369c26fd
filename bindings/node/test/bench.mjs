// The package beside npm `jose` and `canonicalize`, which do the same work: `cargo xtask bench node`. Writes `{"rows": […]}`.
//
// What is compared takes turns in every round. A ratio is the median over the rounds of the ratio within a round, a figure the median over
// the rounds. In the same rounds two hashes of one text are measured against one: where that isn't 2, something else was running.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { generateKeyPair, jwtVerify } from 'jose';
import rfc8785 from 'canonicalize';
import { RawJson, Verifier, hash } from 'actionpass';
import { CALLER, ISSUER, TENANT, actionOf, parts } from './help.mjs';

const isQuick = process.argv.includes('--quick');
const [ROUNDS, SLICE] = isQuick ? [1, 1] : [60, 8];
const ATTEMPTS = isQuick ? 1 : 5;

const digestOf = (text) => createHash('sha256').update(text).digest('hex');

const keys = await generateKeyPair('ES256');
const { issuer, trust } = await parts({ signer: keys });
const payload = { text: 'Retry the request three times, then give up. '.repeat(7), number: 0.25, list: ['src/retry.ts', 14, 3, { draft: true }] };
const action = actionOf(payload);
const { actionPass: { token } } = await issuer.authorize({ action, caller: CALLER });
const { tool, resource } = action.capability;
const received = JSON.stringify(payload);
const short = token.slice(0, -10);
const malformed = token.replace('.', '!');
const signed = token.split('.');
signed[2] = `${signed[2].startsWith('A') ? 'B' : 'A'}${signed[2].slice(1)}`;
const forged = signed.join('.');

const verifier = new Verifier({ issuer: ISSUER, audience: tool, tenant: TENANT, trust });
const ours = (of) => verifier.verify(of, { tool, resource, payload: new RawJson(received) });
/** The same with jose: signature, times, issuer, audience and type, then payload, tool and resource. */
async function theirs(of) {
  const { payload: claims } = await jwtVerify(of, keys.publicKey, { issuer: ISSUER, audience: tool, typ: 'actionpass+jwt', algorithms: ['ES256'] });
  const approved = claims.actionpass;
  if (`sha256:${digestOf(rfc8785(JSON.parse(received)))}` !== approved.payloadHash) throw new Error('another payload');
  if (approved.tool !== tool || approved.resource !== resource) throw new Error('another call');
}

function refusedByUs(of) {
  try {
    ours(of);
  } catch {
    return;
  }
  throw new Error('it was not refused');
}

const refusedByThem = (of) =>
  theirs(of).then(
    () => {
      throw new Error('it was not refused');
    },
    () => {},
  );

/** The body of a real webhook: the one whose length is next to 4.6 kB. */
function body() {
  const file = new URL('../node_modules/@octokit/webhooks-examples/api.github.com/index.json', import.meta.url);
  const bodies = JSON.parse(readFileSync(file, 'utf8')).flatMap(({ examples }) => examples.map((example) => JSON.stringify(example)));
  const distance = (of) => Math.abs(Buffer.byteLength(of) - 4600);
  return bodies.reduce((best, of) => (distance(of) < distance(best) ? of : best));
}
/** As long, of many short members: what most tool calls are. */
function members() {
  const item = (n) => ({ id: 1000 + n, name: `item ${n}`, path: `src/part-${n}.ts`, isDraft: n % 3 === 0, weight: n / 8, tags: ['a', 'b'], next: null });
  const items = [];
  while (JSON.stringify({ items }).length < 4600) items.push(item(items.length));
  return JSON.stringify({ items });
}
const text = body();
const [ofTexts, ofMembers] = [text, members()].map((received) => Buffer.from(received));
const hashTheirs = (bytes) => `sha256:${digestOf(rfc8785(JSON.parse(bytes.toString())))}`;
for (const bytes of [ofTexts, ofMembers]) if (hash(bytes) !== hashTheirs(bytes)) throw new Error('the hashes differ');
await theirs(token);
ours(token);

const ROWS = [
  { what: `verify, ${received.length} B payload as received, ${token.length} B token, against jose with canonicalize`, least: 4, ours: () => ours(token), theirs: () => theirs(token) },
  { what: `hash of ${ofMembers.length} B of short members as received, against JSON.parse, canonicalize and SHA-256`, least: 10, ours: () => hash(ofMembers), theirs: () => hashTheirs(ofMembers) },
  { what: `hash of a webhook's ${ofTexts.length} B, which are mostly long texts, against the same`, ours: () => hash(ofTexts), theirs: () => hashTheirs(ofTexts) },
  { what: 'refusing a token that was cut short, against jose', least: 3, ours: () => refusedByUs(short), theirs: () => refusedByThem(short) },
  { what: 'refusing a token with a wrong signature, against jose', least: 3, ours: () => refusedByUs(forged), theirs: () => refusedByThem(forged) },
  { what: 'refusing what is no token, against jose', ours: () => refusedByUs(malformed), theirs: () => refusedByThem(malformed) },
];
const control = { one: () => digestOf(text), two: () => digestOf(text) + digestOf(text) };

/** Microseconds that a call takes, over a slice of time. */
async function time(work) {
  const start = performance.now();
  let [calls, now] = [0, start];
  while (now - start < SLICE) {
    for (let n = 0; n < 8; n += 1) {
      const waited = work();
      if (waited instanceof Promise) await waited;
    }
    calls += 8;
    now = performance.now();
  }
  return ((now - start) * 1000) / calls;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function measure() {
  const rounds = ROWS.map(() => []);
  const controls = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const one = await time(control.one);
    controls.push((await time(control.two)) / one);
    for (const [index, row] of ROWS.entries()) {
      const order = round % 2 === 0 ? ['ours', 'theirs'] : ['theirs', 'ours'];
      const taken = {};
      for (const side of order) taken[side] = await time(row[side]);
      rounds[index].push(taken);
    }
  }
  return { control: median(controls), rounds };
}

let best;
for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
  const measured = await measure();
  if (best === undefined || Math.abs(measured.control - 2) < Math.abs(best.control - 2)) best = measured;
  if (Math.abs(best.control - 2) <= 0.05) break;
}
const isQuiet = Math.abs(best.control - 2) <= 0.05;
const micros = (value) => `${value.toFixed(value < 10 ? 2 : 1)} µs`;
const rows = ROWS.map(({ what, least }, index) => {
  const taken = best.rounds[index];
  const ratio = median(taken.map((of) => of.theirs / of.ours));
  return {
    what,
    figure: `${micros(median(taken.map((of) => of.ours)))} : ${micros(median(taken.map((of) => of.theirs)))}`,
    ratio,
    budget: least === undefined ? 'none' : `≥ ${least} ×`,
    met: least === undefined || (isQuiet && ratio >= least),
    control: best.control,
    quiet: isQuiet,
    beside: '',
  };
});
console.log(JSON.stringify({ rows }));
await issuer.close();
