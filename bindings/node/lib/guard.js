// A guard before tools of this process: what was approved runs, and nothing else does.
import { ActionPassError, wrongArgument } from './error.js';
import { Issuer } from './issuer.js';
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

/** The audience of a pass that this process issued a moment ago. */
function audienceOf({ token }) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).aud;
}

export function guard(issuer, options) {
  if (!(issuer instanceof Issuer)) throw wrongArgument('issuer', 'it is no Issuer');
  const stated = optionsFrom(options, ['caller', 'task', 'resource', 'tool', 'facts', 'onStepUp'], 'options');
  for (const name of ['caller', 'task', 'resource']) {
    if (typeof stated[name] !== 'function') throw wrongArgument(`options.${name}`, 'it is no function');
  }
  const { caller, task, resource, tool: named = (tool) => tool, facts = () => undefined, onStepUp } = stated;
  return async (call, execute) => {
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
    const asked = { action, caller: { tenant, ...actor }, facts: await facts(action) };
    let authorization = await issuer.authorize(asked);
    if (authorization.decision.decision === 'step_up' && onStepUp !== undefined) {
      const approvals = await onStepUp(authorization, action);
      if (approvals.length > 0) authorization = await issuer.authorize({ ...asked, approvals });
    }
    const { pass } = authorization;
    if (pass === undefined) throw new NotAllowedError(authorization);
    const { trust, name, replayStore } = issuer;
    const verifier = new Verifier({ issuer: name, audience: audienceOf(pass), tenant, trust });
    return verifier.run(pass.token, { action }, replayStore, execute);
  };
}
