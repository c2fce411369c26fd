import assert from 'node:assert/strict';
import test from 'node:test';
import { Client as McpClient } from '@modelcontextprotocol/client';
import { InMemoryTransport, McpServer } from '@modelcontextprotocol/server';
import { generateKeyPair } from 'jose';
import * as z from 'zod';
import { Approver, Client, NotAllowedError, RawJson, guard } from 'actionpass';
import { guardTools } from 'actionpass/mcp';
import { CALLER, ISSUER, TENANT, actionOf, codeOf, errorOf } from './help.mjs';
import { withService } from './service.mjs';

test('the client asks the service that the command serves', () =>
  withService(async ({ client, url, approve }) => {
    await client.health();
    const action = actionOf({ text: 'a' });
    const text = JSON.stringify(action);
    const decided = await client.authorize({ action: new RawJson(text), caller: CALLER });
    assert.equal(decided.decision, 'allow');
    const call = { token: decided.pass.token, action, tenant: TENANT, audience: 'notes.write' };
    assert.equal((await client.verify(call)).valid, true);
    assert.equal((await client.consume(call)).valid, true);
    const again = await client.consume(call);
    assert.deepEqual([again.valid, again.codes], [false, ['already_used']]);
    const outcome = await client.outcome({ pass: decided.pass.id, status: 'executed' });
    assert.deepEqual([outcome.pass, outcome.repeated], [decided.pass.id, false]);

    const [one, two] = await Promise.all(
      ['b', 'c'].map(async (note) => {
        const step = actionOf({ text: note }, 'notes.share');
        const { decision, request } = await client.authorize({ action: step, caller: CALLER });
        assert.equal(decision, 'step_up');
        return { step, id: request.id };
      }),
    );
    assert.equal((await client.request(one.id)).request.id, one.id);
    assert.ok((await client.requests({ state: 'pending' })).requests.some((request) => request.id === one.id));
    assert.equal((await client.cancel(one.id)).state, 'cancelled');
    const keys = await generateKeyPair('ES256');
    const stranger = await new Approver({ as: 'user:maya@example.com', key: keys }).approve(two.step, { issuer: ISSUER, reason: 'r' });
    assert.equal(await codeOf(client.vote(two.id, stranger)), 'approval_key_unknown');
    await approve(two.id);
    assert.equal((await client.request(two.id)).state, 'approved');
    assert.equal((await client.authorize({ action: two.step, caller: CALLER })).decision, 'allow');

    assert.equal((await client.jwks()).keys.length, 1);
    assert.ok((await client.ledgerHead()).size > 0);
    assert.equal((await client.trust()).schema, 'actionpass.trust.v1');
    const twice = new RawJson(text.replace('"tenant"', '"tenant": "org:other", "tenant"'));
    assert.equal(await codeOf(client.authorize({ action: twice, caller: CALLER })), 'member_duplicate');
    const refused = await errorOf(client.revoke({ target: { kind: 'pass', id: decided.pass.id, issuer: ISSUER }, reason: 'r' }));
    assert.equal(refused.code, 'client_forbidden');
    assert.match(await codeOf(new Client({ url, token: 'another' }).ledgerHead()), /^client_/);
  }));

const HOST = { caller: () => CALLER, task: () => 'T-1', resource: () => 'note:1', tool: (tool) => `notes.${tool}` };

test('a guard asks the service, and runs what it used up', () =>
  withService(async ({ client, narrow, approve }) => {
    const ran = [];
    const run = (payload) => ran.push(payload);
    const share = (by, text) => by({ tool: 'share', payload: { text } }, run);
    const before = guard(client, HOST);
    const sent = { text: 'a' };
    const running = before({ tool: 'write', payload: sent }, run);
    sent.text = 'b';
    await running;
    assert.deepEqual(ran, [{ text: 'a' }]);
    const denied = await errorOf(before({ tool: 'erase', payload: {} }, run));
    assert.ok(denied instanceof NotAllowedError);
    assert.equal(denied.authorization.decision.decision, 'deny');

    const waiting = await errorOf(share(before, 'a'));
    const { request } = waiting.authorization;
    assert.match(request.review, /^http:\/\/localhost:\d+\/.*req_/);
    // Asking opens the same request, and runs nothing.
    const asked = await before.ask({ tool: 'share', payload: { text: 'a' } });
    assert.deepEqual([asked.authorization.decision.decision, asked.authorization.request.id], ['step_up', request.id]);
    assert.equal(ran.length, 1);
    await approve(request.id);
    // Asking again uses the approval up; the pass is that of the next such call.
    assert.equal((await before.ask({ tool: 'share', payload: { text: 'a' } })).authorization.decision.decision, 'allow');
    await share(before, 'a');
    assert.deepEqual(ran, [{ text: 'a' }, { text: 'a' }]);
    // Another argument asks again, and so does the same one: the approval is used up.
    for (const text of ['b', 'a']) {
      assert.equal((await errorOf(share(before, text))).authorization.decision.decision, 'step_up');
    }

    // A call that waits goes on once somebody has decided.
    const parked = share(guard(client, { ...HOST, wait: 60 }), 'parked');
    const { authorization } = await before.ask({ tool: 'share', payload: { text: 'parked' } });
    await approve(authorization.request.id);
    await parked;
    assert.equal(ran.length, 3);

    // Who may not use a pass up runs nothing under it.
    assert.equal(await codeOf(guard(narrow, HOST)({ tool: 'write', payload: { text: 'a' } }, run)), 'client_forbidden');
    assert.equal(ran.length, 3);
  }));

test('a person at an MCP client (SDK 2.x) is led to the page, and what the client answers permits nothing', () =>
  withService(async ({ client, approve }) => {
    const ran = [];
    const before = guard(client, HOST);
    const server = guardTools(new McpServer({ name: 'notes', version: '1' }), before);
    server.registerTool('share', { inputSchema: z.object({ text: z.string() }) }, async (args) => {
      ran.push(args);
      return { content: [{ type: 'text', text: 'done' }] };
    });
    const agent = new McpClient({ name: 'agent', version: '1' }, { capabilities: { elicitation: { url: {} } } });
    const shown = [];
    let hasPersonDecided = false;
    agent.setRequestHandler('elicitation/create', async ({ params }) => {
      shown.push(params.mode);
      const [id] = /req_[^/?#]+/.exec(params.url);
      if (hasPersonDecided) await approve(id);
      return { action: 'accept' };
    });
    const [here, there] = InMemoryTransport.createLinkedPair();
    await Promise.all([server.connect(there), agent.connect(here)]);
    const call = () => agent.callTool({ name: 'share', arguments: { text: 'a' } });

    const waiting = await call();
    assert.equal(waiting._meta['dev.actionpass/decision'].decision, 'step_up');
    assert.deepEqual([shown, ran], [['url'], []]);
    hasPersonDecided = true;
    assert.equal((await call()).content[0].text, 'done');
    assert.deepEqual([shown, ran], [['url', 'url'], [{ text: 'a' }]]);
    await agent.close();
  }));
