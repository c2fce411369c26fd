// The recipes of docs/howto/guard-an-agent, with the real frameworks and models that are told what to call.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Command, MemorySaver } from '@langchain/langgraph';
import { Agent, RunState, Runner, Usage } from '@openai/agents';
import { generateText, stepCountIs } from 'ai';
import { MockLanguageModelV3 } from 'ai/test';
import { generateKeyPair } from 'jose';
import { AIMessage, createAgent, fakeModel } from 'langchain';
import * as z from 'zod';
import { Approver, Trust, guard } from 'actionpass';
import * as aiSdk from './guard-an-agent/ai-sdk.mjs';
import * as langgraph from './guard-an-agent/langgraph.mjs';
import * as openaiAgents from './guard-an-agent/openai-agents.mjs';
import { CALLER, ISSUER, parts } from './help.mjs';

const schema = z.object({ text: z.string(), number: z.number().default(7) });

/**
 * Each starts an agent whose model calls one tool once, and gives what waits for people, what the model was told, and how to go on with
 * the approvals that they gave.
 */
const FRAMEWORKS = {
  'AI SDK': (before, handler, found) => async (name, input) => {
    const waiting = [];
    const told = (part) => waiting.push(part.action);
    const tools = { [name]: aiSdk.guarded(before, name, { description: name, inputSchema: schema, execute: handler }, told) };
    const usage = { inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 }, outputTokens: { total: 1, text: 1, reasoning: 0 } };
    const answer = (content, unified) => ({ content, finishReason: { unified, raw: undefined }, usage, warnings: [] });
    const call = { type: 'tool-call', toolCallId: 'call-1', toolName: name, input: JSON.stringify(input) };
    const model = new MockLanguageModelV3({
      doGenerate: async ({ prompt }) =>
        prompt.some(({ role }) => role === 'tool') ? answer([{ type: 'text', text: 'done' }], 'stop') : answer([call], 'tool-calls'),
    });
    const messages = [{ role: 'user', content: 'go' }];
    const run = async () => {
      waiting.length = 0;
      const { content, response, steps } = await generateText({ model, tools, messages, stopWhen: stepCountIs(3) });
      messages.push(...response.messages);
      const asked = content.filter(({ type }) => type === 'tool-approval-request');
      return {
        waiting: asked.length > 0 ? [...waiting] : [],
        told: JSON.stringify([messages, steps.flatMap((step) => step.content.map(({ error }) => error?.message))]),
        async resume(approvals) {
          for (const [hash, tokens] of approvals) found.set(hash, tokens);
          const yes = asked.map(({ approvalId }) => ({ type: 'tool-approval-response', approvalId, approved: true }));
          messages.push({ role: 'tool', content: yes });
          return run();
        },
      };
    };
    return run();
  },

  'OpenAI Agents': (before, handler, found) => async (name, input) => {
    const waiting = [];
    const told = (part) => waiting.push(part.action);
    const tools = [openaiAgents.guarded(before, { name, description: name, parameters: schema, execute: handler }, told)];
    const call = { type: 'function_call', callId: 'call-1', name, arguments: JSON.stringify(input), status: 'completed' };
    const done = { type: 'message', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: 'done' }] };
    const model = {
      getResponse: async ({ input: items }) => {
        const isDone = Array.isArray(items) && items.some(({ type }) => type === 'function_call_result');
        return { usage: new Usage(), output: [isDone ? done : call] };
      },
    };
    const agent = new Agent({ name: 'notes', instructions: 'none', tools, model });
    const runner = new Runner({ tracingDisabled: true });
    const run = async (state) => {
      waiting.length = 0;
      const result = await runner.run(agent, state);
      return {
        waiting: result.interruptions.length > 0 ? [...waiting] : [],
        told: JSON.stringify(result.newItems.map(({ output }) => output)),
        async resume(approvals) {
          for (const [hash, tokens] of approvals) found.set(hash, tokens);
          // As a host keeps it until somebody has decided.
          const kept = await RunState.fromString(agent, result.state.toString());
          for (const interruption of kept.getInterruptions()) kept.approve(interruption);
          return run(kept);
        },
      };
    };
    return run('go');
  },

  LangGraph: (before, handler) => async (name, input) => {
    const tools = [langgraph.guarded(before, handler, { name, description: name, schema })];
    const model = fakeModel().respondWithTools([{ name, args: input, id: 'call-1' }]).respond(new AIMessage('done'));
    const agent = createAgent({ model, tools, checkpointer: new MemorySaver() });
    const run = async (state) => {
      const { messages, __interrupt__: interrupts = [] } = await agent.invoke(state, { configurable: { thread_id: '1' } });
      return {
        waiting: interrupts.map(({ value }) => value.action),
        told: JSON.stringify(messages.map(({ content }) => content)),
        resume: (approvals) => run(new Command({ resume: [...approvals.values()].flat() })),
      };
    };
    return run({ messages: [{ role: 'user', content: 'go' }] });
  },
};

for (const [framework, start] of Object.entries(FRAMEWORKS)) {
  test(`tools of ${framework} run what was approved, once`, async () => {
    const maya = await generateKeyPair('ES256');
    const trust = await Trust.of([{ principal: 'user:maya@example.com', key: maya.publicKey, roles: ['maintainer'] }]);
    const { issuer } = await parts({ trust });
    const approver = new Approver({ as: 'user:maya@example.com', key: maya });
    const approve = (action) => approver.approve(action, { issuer: ISSUER, reason: 'read it' });
    // Approvals by the action that they are meant for.
    const found = new Map();
    const before = guard(issuer, {
      caller: () => CALLER,
      task: () => 'T-1',
      resource: () => 'note:1',
      tool: (tool) => `notes.${tool}`,
      onStepUp: framework === 'LangGraph' ? langgraph.waitForPeople : ({ actionHash }) => found.get(actionHash) ?? [],
    });
    const ran = [];
    const agent = start(before, async (payload) => `kept ${ran.push(payload)}`, found);
    const hashOf = async (action) => (await issuer.authorize({ action, caller: CALLER, open: false })).actionHash;

    const allowed = await agent('write', { text: 'a' });
    assert.deepEqual([allowed.waiting, ran], [[], [{ text: 'a', number: 7 }]]);
    assert.match(allowed.told, /kept 1/);

    const denied = await agent('erase', { text: 'a' });
    assert.deepEqual([denied.waiting, ran.length], [[], 1]);
    assert.match(denied.told, /no_rule_matched|default_deny/);

    // The framework's own yes, without anything that a person signed.
    const pending = await agent('share', { text: 'a' });
    assert.deepEqual(pending.waiting.map(({ capability }) => capability.payload), [{ text: 'a', number: 7 }]);
    await pending.resume(new Map());
    assert.equal(ran.length, 1);

    const waiting = await agent('share', { text: 'a' });
    const [action] = waiting.waiting;
    const token = await approve(action);
    const done = await waiting.resume(new Map([[await hashOf(action), [token]]]));
    assert.deepEqual([done.waiting, ran], [[], [{ text: 'a', number: 7 }, { text: 'a', number: 7 }]]);
    assert.match(done.told, /kept 2/);

    // Another argument asks again; what was signed for the first doesn't count for it, nor a second time for the same.
    for (const text of ['b', 'a']) {
      const again = await agent('share', { text });
      assert.deepEqual(again.waiting.map(({ capability }) => capability.payload), [{ text, number: 7 }]);
      await again.resume(new Map([[await hashOf(again.waiting[0]), [token]]]));
      assert.equal(ran.length, 2);
    }
  });
}
