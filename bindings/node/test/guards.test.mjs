import assert from 'node:assert/strict';
import test from 'node:test';
import express from 'express';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { InMemoryTransport as Transport1 } from '@modelcontextprotocol/sdk/inMemory.js';
import { McpServer as Server1 } from '@modelcontextprotocol/sdk/server/mcp.js';
import { Client as Client2 } from '@modelcontextprotocol/client';
import { InMemoryTransport as Transport2, McpServer as Server2 } from '@modelcontextprotocol/server';
import { generateKeyPair } from 'jose';
import * as z from 'zod';
import { Approver, NotAllowedError, Trust, guard } from 'actionpass';
import { execute } from 'actionpass/express';
import { guardCalls, guardTools } from 'actionpass/mcp';
import { CALLER, ISSUER, actionOf, codeOf, errorOf, parts } from './help.mjs';

/** A guard whose approver says yes to what is in `yes`. */
async function guarded(options = {}) {
  const maya = await generateKeyPair('ES256');
  const trust = await Trust.of([{ principal: 'user:maya@example.com', key: maya.publicKey, roles: ['maintainer'] }]);
  const { issuer } = await parts({ trust });
  const approver = new Approver({ as: 'user:maya@example.com', key: maya });
  const yes = new Set();
  const asked = [];
  const before = guard(issuer, {
    caller: () => CALLER,
    task: () => 'T-1',
    resource: () => 'note:1',
    tool: (tool) => `notes.${tool}`,
    onStepUp: async (_, action) => {
      const { text } = action.capability.payload;
      asked.push(text);
      return yes.has(text) ? [await approver.approve(action, { issuer: ISSUER, reason: 'read it' })] : [];
    },
    ...options,
  });
  return { before, yes, asked, issuer };
}

test('a guard runs what was approved, once, and nothing else', async () => {
  const { before, yes, asked } = await guarded();
  const ran = [];
  const run = (payload) => ran.push(payload);
  const sent = { text: 'a' };
  const running = before({ tool: 'write', payload: sent }, run);
  sent.text = 'b';
  await running;
  assert.deepEqual(ran, [{ text: 'a' }]);
  const denied = await errorOf(before({ tool: 'erase', payload: {} }, run));
  assert.ok(denied instanceof NotAllowedError);
  assert.equal(denied.authorization.decision.decision, 'deny');
  const waiting = await errorOf(before({ tool: 'share', payload: { text: 'a' } }, run));
  assert.equal(waiting.authorization.decision.decision, 'step_up');
  yes.add('a');
  await before({ tool: 'share', payload: { text: 'a' } }, run);
  // Other arguments ask again, and the same ones as well: an approval is used up.
  assert.equal((await errorOf(before({ tool: 'share', payload: { text: 'c' } }, run))).authorization.decision.decision, 'step_up');
  assert.deepEqual(asked, ['a', 'a', 'c']);
  assert.equal(ran.length, 2);
  assert.equal(await codeOf(before({ tool: 'write', payload: { text: new Date(0) } }, run)), 'value_not_json');
  assert.equal(await codeOf(() => guard({}, {})), 'argument_invalid');
  assert.equal(await codeOf(() => guardCalls({}, before)), 'argument_invalid');
  // Asking runs nothing, and asks nobody.
  const { authorization, action } = await before.ask({ tool: 'share', payload: { text: 'd' } });
  assert.deepEqual([authorization.decision.decision, action.capability.payload], ['step_up', { text: 'd' }]);
  assert.equal((await before.ask({ tool: 'write', payload: { text: 'd' } })).authorization.decision.decision, 'allow');
  assert.deepEqual([asked.length, ran.length], [3, 2]);
});

for (const [version, Server, Client, Transport, shape] of [
  ['1.x', Server1, Client1, Transport1, (members) => members],
  ['2.x', Server2, Client2, Transport2, (members) => z.object(members)],
]) {
  test(`tools of an MCP server (SDK ${version}) run under decisions`, async () => {
    const { before, yes } = await guarded();
    const ran = [];
    const server = guardTools(new Server({ name: 'notes', version: '1' }), before);
    const schema = shape({ text: z.string(), number: z.number().default(7) });
    const handler = async (args) => {
      ran.push(args);
      if (args.text === 'fails') throw new Error('the disk is full');
      return { content: [{ type: 'text', text: 'done' }] };
    };
    server.registerTool('write', { inputSchema: schema }, handler);
    const share = server.registerTool('share', { inputSchema: schema }, () => assert.fail('it was replaced'));
    share.update({ callback: handler });
    server.registerTool('erase', {}, handler);
    const client = new Client({ name: 'agent', version: '1' });
    const [here, there] = Transport.createLinkedPair();
    await Promise.all([server.connect(there), client.connect(here)]);
    const call = (name, args) => client.callTool({ name, arguments: args });

    assert.equal((await call('write', { text: 'a' })).content[0].text, 'done');
    // After defaults: what the handler gets is what was approved.
    assert.deepEqual(ran, [{ text: 'a', number: 7 }]);
    const waiting = await call('share', { text: 'a' });
    assert.equal(waiting.isError, true);
    assert.equal(waiting._meta['dev.actionpass/decision'].decision, 'step_up');
    const denied = await call('erase', {});
    assert.equal(denied._meta['dev.actionpass/decision'].decision, 'deny');
    assert.ok(denied._meta['dev.actionpass/decision'].codes.length > 0);
    assert.equal(ran.length, 1);

    yes.add('a');
    assert.equal((await call('share', { text: 'a' })).content[0].text, 'done');
    assert.equal((await call('share', { text: 'b' }))._meta['dev.actionpass/decision'].decision, 'step_up');
    assert.equal(ran.length, 2);
    // What a handler throws is told as without a guard.
    assert.match((await call('write', { text: 'fails' })).content[0].text, /the disk is full/);
    await client.close();
    assert.equal(await codeOf(() => guardTools(server, before)), 'argument_invalid');
  });

  test(`calls of an MCP client (SDK ${version}) are sent under decisions`, async () => {
    const { before, yes } = await guarded();
    const received = [];
    const server = new Server({ name: 'notes', version: '1' });
    for (const name of ['write', 'share', 'erase']) {
      server.registerTool(name, { inputSchema: shape({ text: z.string().optional() }) }, async (args) => {
        received.push([name, args]);
        return { content: [{ type: 'text', text: 'done' }] };
      });
    }
    const client = guardCalls(new Client({ name: 'agent', version: '1' }), before);
    const [here, there] = Transport.createLinkedPair();
    await Promise.all([server.connect(there), client.connect(here)]);
    const decisionOf = async (name, args) => (await client.callTool({ name, arguments: args }))._meta?.['dev.actionpass/decision'].decision;
    const sent = { text: 'a' };
    const calling = decisionOf('write', sent);
    sent.text = 'b';
    assert.equal(await calling, undefined);
    assert.equal(await decisionOf('share', { text: 'a' }), 'step_up');
    assert.equal(await decisionOf('erase', {}), 'deny');
    assert.deepEqual(received, [['write', { text: 'a' }]]);
    yes.add('a');
    assert.equal(await decisionOf('share', { text: 'a' }), undefined);
    assert.equal(await decisionOf('share', { text: 'c' }), 'step_up');
    assert.deepEqual(received, [['write', { text: 'a' }], ['share', { text: 'a' }]]);
    await client.close();
  });
}

test('an executor of Express binds the raw body', async () => {
  const { issuer, executor } = await parts();
  const ran = [];
  const app = express();
  const options = { executor: executor(), call: (request) => ({ tool: 'notes.write', resource: `note:${request.params.id}` }) };
  const handler = (request, response) => {
    ran.push(request.body);
    response.json({ id: request.actionPass.id });
  };
  app.post('/notes/:id', execute(options), handler);
  app.post('/raw/:id', express.raw({ type: '*/*' }), execute(options), handler);
  app.post('/parsed/:id', express.json(), execute(options), handler);
  const listening = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  try {
    const post = async (path, body, token) => {
      const headers = { 'content-type': 'application/json', ...(token && { actionpass: token }) };
      const answer = await fetch(`http://127.0.0.1:${listening.address().port}${path}`, { method: 'POST', headers, body });
      return [answer.status, await answer.json(), answer.headers.get('content-type')];
    };
    const passFor = async (payload) => (await issuer.authorize({ action: actionOf(payload), caller: CALLER })).actionPass;
    const body = '{ "number": 10, "text": "a" }';
    const pass = await passFor({ text: 'a', number: 10 });

    assert.deepEqual((await post('/notes/1', body)).slice(0, 2).map((part) => part.code ?? part), [401, 'token_malformed']);
    const refused = [
      ['/notes/1', '{"number":10,"number":9999,"text":"a"}', 'member_duplicate'],
      ['/notes/1', '{"number":9999,"text":"a"}', 'payload_hash_mismatch'],
      ['/notes/2', body, 'resource_mismatch'],
      ['/notes/1', `"${'x'.repeat(1024 * 1024)}"`, 'size_exceeded'],
    ];
    for (const [path, text, code] of refused) {
      const [status, told, type] = await post(path, text, pass.token);
      assert.deepEqual([status, told.code, type], [403, code, 'application/problem+json; charset=utf-8']);
    }
    assert.deepEqual((await post('/parsed/1', body, pass.token)).slice(0, 2).map((part) => part.code ?? part), [500, 'argument_invalid']);
    assert.equal(ran.length, 0);
    assert.deepEqual((await post('/notes/1', body, pass.token)).slice(0, 2), [200, { id: pass.id }]);
    assert.deepEqual(ran, [{ number: 10, text: 'a' }]);
    assert.equal((await post('/notes/1', body, pass.token))[1].code, 'already_used');
    const another = await passFor({ text: 'b' });
    assert.equal((await post('/raw/1', '{"text":"b"}', another.token))[0], 200);
    assert.equal(ran.length, 2);
  } finally {
    listening.closeAllConnections();
    await new Promise((resolve) => listening.close(resolve));
  }
});
