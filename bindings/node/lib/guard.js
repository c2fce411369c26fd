// A guard before tools of this process: what was approved runs, and nothing else does.
import { Client } from './client.js';
import { ActionPassError, wrongArgument } from './error.js';
import { Issuer, authorizationOf } from './issuer.js';
import { canonicalize, optionsFrom } from './json.js';
import { Verifier } from './verifier.js';

/** A call that was not made, and the decision. */
export class NotAllowedError extends ActionPassError {
  constructor(authorization) {
    const { decision, reasons } = authorization.decision;
    const codes = [...new Set(reasons.map(({ code }) => code))];
    if (codes.length === 0) codes.push('default_deny');
    super({ code: codes[0], codes, message: `the call is not allowed: the decision is ${decision}` });
    this.name = 'NotAllowedError';
    Object.defineProperty(this, 'authorization', { value: authorization, enumerable: false });
  }
}

/** The audience of a pass that was issued a moment ago. */
function audienceOf({ token }) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).aud;
}

/** An issuer of this process, whose passes are used up in its own store. */
function ofIssuer(issuer) {
  return {
    authorize: (question) => issuer.authorize(question),
    async run(pass, action, execute) {
      const { trust, name, replayStore } = issuer;
      const verifier = new Verifier({ issuer: name, audience: audienceOf(pass), tenant: action.tenant, trust });
      return verifier.run(pass.token, { action }, replayStore, execute);
    },
  };
}

/** A service, which decides and uses its passes up. */
function ofService(client) {
  return {
    async authorize(question) {
      const stated = Object.entries(question).filter(([, value]) => value !== undefined);
      return authorizationOf(await client.authorize(Object.fromEntries(stated)));
    },
    async run(pass, action, execute) {
      const question = { token: pass.token, action, audience: audienceOf(pass), tenant: action.tenant };
      const { valid, consumed, codes, payloadCanonical } = await client.consume(question);
      if (valid !== true || consumed !== true) {
        const [code = 'service_answer_malformed'] = codes;
        throw new ActionPassError({ code, codes: codes.length > 0 ? codes : [code], message: 'the pass does not permit this call' });
      }
      return execute(JSON.parse(payloadCanonical));
    },
  };
}

function decider(by) {
  if (by instanceof Issuer) return ofIssuer(by);
  if (by instanceof Client) return ofService(by);
  throw wrongArgument('by', 'it is no Issuer and no Client');
}

export function guard(by, options) {
  const gate = decider(by);
  const stated = optionsFrom(options, ['caller', 'task', 'resource', 'tool', 'facts', 'wait', 'onStepUp'], 'options');
  for (const name of ['caller', 'task', 'resource']) {
    if (typeof stated[name] !== 'function') throw wrongArgument(`options.${name}`, 'it is no function');
  }
  const { caller, task, resource, tool: named = (tool) => tool, facts = () => undefined, wait, onStepUp } = stated;

  /** What is asked about a call. */
  async function questionOf(call) {
    const { tool, payload: given } = optionsFrom(call, ['tool', 'payload'], 'call');
    // Read once: whoever holds the object can't change it any more.
    const payload = JSON.parse(canonicalize(given));
    const { tenant, ...actor } = caller();
    const action = {
      schema: 'actionpass.action.v1',
      tenant,
      actor,
      intent: { task: task() },
      capability: { tool: named(tool), resource: resource(tool, payload), payload },
    };
    return { action, caller: { tenant, ...actor }, facts: await facts(action) };
  }

  /** Passes of calls that were asked about and are not made yet, by their action: what people approved is used up by then. */
  const kept = new Map();

  function keep(action, pass) {
    for (const [key, passes] of kept) {
      const live = passes.filter(({ expiresAt }) => expiresAt > new Date());
      if (live.length === 0) kept.delete(key);
      else kept.set(key, live);
    }
    const key = canonicalize(action);
    kept.set(key, [...(kept.get(key) ?? []), pass]);
  }

  function take(action) {
    const pass = kept.get(canonicalize(action))?.shift();
    return pass?.expiresAt > new Date() ? pass : undefined;
  }

  async function passFor(question) {
    let authorization = await gate.authorize({ ...question, wait });
    if (authorization.decision.decision === 'step_up' && onStepUp !== undefined) {
      const approvals = await onStepUp(authorization, question.action);
      if (approvals.length > 0) authorization = await gate.authorize({ ...question, approvals });
    }
    if (authorization.pass === undefined) throw new NotAllowedError(authorization);
    return authorization.pass;
  }

  async function before(call, execute) {
    const question = await questionOf(call);
    const { action } = question;
    return gate.run(take(action) ?? (await passFor(question)), action, execute);
  }

  return Object.assign(before, {
    async ask(call) {
      const question = await questionOf(call);
      const { action } = question;
      const authorization = await gate.authorize(question);
      if (authorization.pass !== undefined) keep(action, authorization.pass);
      return { authorization, action };
    },
  });
}
