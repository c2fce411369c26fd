// Tools of LangChain and LangGraph that run what ActionPass allows.
import { tool } from '@langchain/core/tools';
import { interrupt } from '@langchain/langgraph';

/**
 * A tool whose handler gets the input that was approved, after its schema and defaults. `before` is what `guard` of the package gives,
 * with `onStepUp: waitForPeople`.
 */
export function guarded(before, handler, definition) {
  const { name } = definition;
  return tool((input, config) => before({ tool: name, payload: input }, (payload) => handler(payload, config)), definition);
}

/**
 * Interrupts the graph, which needs a checkpointer, and tells what waits. `new Command({ resume: [approval, …] })` goes on with what people
 * signed; what they signed for another action doesn't count.
 */
export function waitForPeople({ actionHash, decision, request }, action) {
  return interrupt({ action, actionHash, required: decision.required, request });
}
