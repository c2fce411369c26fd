export { ActionPassError } from './error.js';
export { Approver, Issuer, approve } from './issuer.js';
export { Client } from './client.js';
export { Executor, ReplayStore, Trust, Verifier } from './verifier.js';
export { NotAllowedError, guard } from './guard.js';
export { RawJson, canonicalize, hash } from './json.js';
export { authorize, createApprovalArtifact, demoAction, verifyActionPass } from './quickstart.js';
export { signerFrom } from './keys.js';
