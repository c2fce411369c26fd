// A receiver of webhooks over TLS, which believes what npm `standardwebhooks` believes.
//
//   node receive.mjs CERTIFICATE.pem KEY.pem SECRET
//
// It writes its port, then a line of JSON for each post: the path, what the library read, and which changes it refused. `/moved` is
// answered by a redirect to `/elsewhere`, everything else by 204.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { Webhook } from 'standardwebhooks';

const [certificate, key, secret] = process.argv.slice(2);
const webhook = new Webhook(secret);

function isRefused(body, headers, by = webhook) {
  try {
    by.verify(body, headers);
    return false;
  } catch {
    return true;
  }
}

function told(path, body, headers) {
  let read = null;
  try {
    read = webhook.verify(body, headers);
  } catch (error) {
    return { path, error: error.message };
  }
  const later = { ...headers, 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) };
  return {
    path,
    read,
    refused: {
      body: isRefused(body.replace('request.', 'request_'), headers),
      space: isRefused(`${body} `, headers),
      id: isRefused(body, { ...headers, 'webhook-id': `${headers['webhook-id']}0` }),
      time: isRefused(body, later),
      secret: isRefused(body, headers, new Webhook(`whsec_${Buffer.alloc(32, 1).toString('base64')}`)),
    },
  };
}

const server = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, (request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const { pathname } = new URL(request.url, 'https://localhost');
    console.log(JSON.stringify(told(pathname, Buffer.concat(pieces).toString(), request.headers)));
    if (pathname === '/moved') response.writeHead(307, { location: '/elsewhere' });
    else response.writeHead(204);
    response.end();
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
// It ends with the test.
process.stdin.on('end', () => process.exit()).resume();
