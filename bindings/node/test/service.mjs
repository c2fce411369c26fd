// A service of the packaged command, with the policy of the suites and an approver, for as long as a test runs.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'actionpass';
import { ISSUER, POLICY, TENANT } from './help.mjs';

const program = fileURLToPath(new URL('../node_modules/.bin/actionpass', import.meta.url));

/** Where the service listens, from the line that says so. */
async function listening(service) {
  let said = '';
  for await (const part of service.stdout) {
    said += part;
    const [, address] = /listening on (\S+);/.exec(said) ?? [];
    if (address !== undefined) return `http://${address}`;
  }
  throw new Error(`the service did not start: ${said}`);
}

/**
 * Calls `work` with `client`, which may do all but administer, `narrow`, which may only ask for decisions, the `url`, and `approve`, which
 * approves a request by its id.
 */
export async function withService(work) {
  const folder = mkdtempSync(join(tmpdir(), 'actionpass-'));
  const home = join(folder, 'home');
  const run = (...rest) => execFileSync(program, ['--home', home, ...rest], { stdio: 'pipe', encoding: 'utf8' });
  let service;
  try {
    run('init', '--issuer', ISSUER, '--tenant', TENANT);
    writeFileSync(join(home, 'policy.toml'), POLICY);
    const [as, key] = ['user:maya@example.com', join(folder, 'maya.pem')];
    writeFileSync(join(folder, 'maya.jwk'), run('keys', 'new', '--use', 'approval', '--principal', as, '--out', key));
    run('trust', 'add', join(folder, 'maya.jwk'), '--use', 'approval', '--principal', as, '--role', 'maintainer');
    const any = ['agent', 'owner', 'runtime', 'audience', 'tenant'].flatMap((of) => [`--${of}`, '*']);
    const tokens = new Map();
    for (const may of ['authorize,verify,consume,outcome,requests,ledger', 'authorize']) {
      tokens.set(may, run('clients', 'add', '--may', may, ...any, `host-${tokens.size}`).trim());
    }
    service = spawn('sh', ['-c', 'exec "$0" "$@" 2>&1', program, '--home', home, 'serve', '--listen', '127.0.0.1:0']);
    const url = await listening(service);
    const [client, narrow] = [...tokens.values()].map((token) => new Client({ url, token }));
    // A vote says what was shown, so it is the command that composes it.
    const approve = (id) => promisify(execFile)(program, ['--home', home, 'requests', 'approve', id, '--key', key, '--as', as, '--reason', 'read it', '--yes']);
    await work({ client, narrow, url, approve });
  } finally {
    if (service !== undefined && service.exitCode === null) {
      service.kill();
      await once(service, 'exit');
    }
    rmSync(folder, { recursive: true });
  }
}
