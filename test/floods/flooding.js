import { Buffer } from 'node:buffer';
import { Agent, request } from 'node:http';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

/**
 * Sends texts to a URL for so many milliseconds, many at the same time, each as soon as the one before is answered; then says how
 * each was answered, in a line of JSON. In a process of its own, so that whoever measures others meanwhile does not measure this.
 */
const { url, senders, length, milliseconds } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true });
const until = performance.now() + milliseconds;
const answers = [];
let last = 0;
await Promise.all(Array.from({ length: senders }, send));
agent.destroy();
process.stdout.write(`${JSON.stringify(answers)}\n`);

async function send() {
  while (performance.now() < until) {
    const n = last++;
    answers.push({ n, ...(await post(`${n} `.padEnd(length, 'x'))) });
  }
}

function post(text) {
  const headers = { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'POST', headers, agent }, (response) => {
      response.resume().on('error', reject);
      const { statusCode: status, headers } = response;
      response.on('end', () => resolve({ status, retryAfter: headers['retry-after'] }));
    });
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}
