// What programs in TypeScript write: compiled with `--strict`, not run.
import { generateKeyPair } from 'jose';
import { ActionPassError, Approver, Client, Executor, Issuer, RawJson, ReplayStore, Trust, Verifier, authorize, demoAction, hash, verifyActionPass } from 'actionpass';
import type { Action, Authorization, Code, Json, VerifiedPass } from 'actionpass';

const keys = await generateKeyPair('ES256');
const trust = await Trust.of([{ principal: 'user:maya@example.com', key: keys.publicKey, roles: ['maintainer'] }]);
const issuer: Issuer = await Issuer.open({ issuer: 'https://issuer.example', tenants: ['org:example'], policy: '', signer: keys, trust });
const caller = { tenant: 'org:example', agent: 'agent:a', humanOwner: 'user:o', runtime: 'runtime:r' };
const decided: Authorization = await issuer.authorize({ action: demoAction, caller });
const approver = new Approver({ as: 'user:maya@example.com', key: keys });
const token: string = await approver.approve(demoAction, { issuer: 'https://issuer.example', reason: 'read it' });
const executor = new Executor({ issuer: '', audience: '', tenant: '', trust, store: ReplayStore.memory() });
const ran: number = await executor.run(decided.actionPass.token, { action: demoAction }, async (payload: Json) => (payload === null ? 1 : 2));
const verified: VerifiedPass = await verifyActionPass({ token, action: demoAction, verificationKey: keys.publicKey, issuer: '' });
const yes: true = verified.valid;
hash(new RawJson('{}'));
hash(new Uint8Array());
// @ts-expect-error: a bare string may be a value or JSON text
hash('{}');
// @ts-expect-error: a real issuer is told who calls
await issuer.authorize({ action: demoAction });
// @ts-expect-error: an override says which rules it lifts
await approver.approve(demoAction, { issuer: '', reason: '', mode: 'policy_override' });
// @ts-expect-error: nobody makes trust by hand
new Trust();
try {
  new Verifier({ issuer: '', audience: '', tenant: '', trust }).verify(token, { tool: '', resource: '', payload: {} });
} catch (error) {
  if (error instanceof ActionPassError) {
    const code: Code = error.code;
    if (code === 'payload_hash_mismatch' || error.codes.includes('a_code_of_later')) throw error;
  }
}
const action: Action = { ...demoAction, intent: { task: 'T-1' } };
await authorize({ action, issuer: '', tenant: '', signingKey: keys.privateKey, policy: '' });
await new Client({ url: '', token: '' }).health();
export { ran, yes };

import { McpServer } from '@modelcontextprotocol/server';
import { guard } from 'actionpass';
import { execute } from 'actionpass/express';
import { Client as McpClient } from '@modelcontextprotocol/client';
import { guardCalls, guardTools } from 'actionpass/mcp';

const before = guard(issuer, { caller: () => caller, task: () => 'T-1', resource: (tool) => `note:${tool}` });
const server: McpServer = guardTools(new McpServer({ name: 'notes', version: '1' }), before);
const middleware = execute({ executor, call: (request) => ({ tool: 'notes.write', resource: `note:${request.params.id}` }) });
const service = guard(new Client({ url: '', token: '' }), { caller: () => caller, task: () => 'T-1', resource: () => 'note:1', wait: 60 });
const client: McpClient = guardCalls(new McpClient({ name: 'agent', version: '1' }), service);
const { authorization, action: asked } = await service.ask({ tool: 'write', payload: { text: 'a' } });
const page: string | undefined = authorization.request?.review;
export { asked, client, middleware, page, server };
