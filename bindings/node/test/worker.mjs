import { parentPort } from 'node:worker_threads';
import { CALLER, actionOf, parts } from './help.mjs';

const { issuer } = await parts();
const decided = await issuer.authorize({ action: actionOf({ text: 'x' }), caller: CALLER });
parentPort.postMessage(decided.decision.decision);
