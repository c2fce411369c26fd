// Tools of the Vercel AI SDK 6 that run what ActionPass allows.
import { tool } from 'ai';

/**
 * A tool whose `execute` gets the input that was approved, after its schema and defaults. `before` is what `guard` of the package gives.
 *
 * What waits for people stops the loop with a `tool-approval-request`, and `onWaiting` is told which action it is. A
 * `tool-approval-response` of the host makes the SDK go on; it permits nothing. What counts is what people signed, which `onStepUp` of
 * the guard hands over.
 */
export function guarded(before, name, { execute, ...definition }, onWaiting = () => {}) {
  return tool({
    ...definition,
    async needsApproval(input, { toolCallId }) {
      const { authorization, action } = await before.ask({ tool: name, payload: input });
      if (authorization.decision.decision !== 'step_up') return false;
      await onWaiting({ toolCallId, authorization, action });
      return true;
    },
    execute: (input, options) => before({ tool: name, payload: input }, (payload) => execute(payload, options)),
  });
}
