// The command of this platform, in the place of this process as far as anybody can tell.
import { spawn } from 'node:child_process';
import { fileOf } from './platform.js';

const program = fileOf(`bin/actionpass${process.platform === 'win32' ? '.exe' : ''}`);
const child = spawn(program, process.argv.slice(2), { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`actionpass: there is no command for this platform (${error.code})`);
  process.exitCode = 70;
});
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? code : 1;
});
