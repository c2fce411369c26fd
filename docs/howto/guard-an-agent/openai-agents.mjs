// Function tools of the OpenAI Agents SDK that run what ActionPass allows.
import { tool } from '@openai/agents';
import { ActionPassError } from 'actionpass';

/**
 * A tool whose `execute` gets the input that was approved, after its schema and defaults. `before` is what `guard` of the package gives.
 *
 * What waits for people ends the run with an entry in `interruptions`, and `onWaiting` is told which action it is. `state.approve` makes
 * the SDK go on; it permits nothing. What counts is what people signed, which `onStepUp` of the guard hands over.
 */
export function guarded(before, { execute, ...definition }, onWaiting = () => {}) {
  const { name } = definition;
  return tool({
    // The model learns why nothing was done.
    errorFunction: (_, error) => (error instanceof ActionPassError ? error.message : 'The tool failed.'),
    ...definition,
    async needsApproval(_, input, callId) {
      const { authorization, action } = await before.ask({ tool: name, payload: input });
      if (authorization.decision.decision !== 'step_up') return false;
      await onWaiting({ callId, authorization, action });
      return true;
    },
    execute: (input, ...rest) => before({ tool: name, payload: input }, (payload) => execute(payload, ...rest)),
  });
}
