// Hand a campaign in over HTTP with fetch, wait for it, print how it went. Node 18 or newer, no packages.
//
//     node node_http.mjs [IDEMPOTENCY_KEY]
//
// DISPATCHER_API_URL and DISPATCHER_SERVICE_KEY say where. Run it twice: the same Idempotency-Key and body are one campaign.
import { setTimeout as pause } from 'node:timers/promises';

const { DISPATCHER_API_URL: api = 'http://127.0.0.1:8080', DISPATCHER_SERVICE_KEY: token } = process.env;
const ends = Date.now() + 300_000;

const key = process.argv[2] ?? 'example-node';
const payload = {
  name: 'Example: Node',
  template: 'Hola {nombre}, su reserva es el {dia}. Empresa SA',
  recipients: [
    { telefono: '1144445555', nombre: 'Ana', dia: '10/12' },
    { telefono: '011 15 4444-6666', nombre: 'José', dia: '11/12' },
    { telefono: '12', nombre: 'Nadie', dia: '12/12' },
  ],
  test: true, // the provider validates and sends nothing; take it out to send
};

/** Call until there is an answer that stands. Asking again is safe: one key is one campaign. */
async function ask(path, body) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', 'Idempotency-Key': key };
  for (;;) {
    let problem;
    try {
      const signal = AbortSignal.timeout(60_000);
      const method = body ? 'POST' : 'GET';
      const answer = await fetch(`${api}/api/v1${path}`, { method, headers, signal, body: body && JSON.stringify(body) });
      if (answer.status === 200 || answer.status === 201) return await answer.json();
      problem = new Error(`${answer.status}: ${await answer.text()}`);
      // What asking again would not change.
      problem.final = ![202, 429, 502, 503, 504].includes(answer.status);
    } catch (error) {
      problem = error;
    }
    if (problem.final || Date.now() > ends) throw problem;
    await pause(1000);
  }
}

try {
  const { campaign_id: number } = await ask('/campaigns', payload);
  let campaign;
  for (;;) {
    campaign = await ask(`/campaigns/${number}`);
    if (['completed', 'cancelled'].includes(campaign.state)) break;
    if (Date.now() > ends) {
      throw new Error(`campaign ${number} is still ${campaign.state}: ${campaign.blocked ?? JSON.stringify(campaign.counts)}`);
    }
    await pause(1000);
  }
  console.log(`campaign ${number} ${campaign.state}, invalid rows: ${campaign.invalid}`);
  for (const status of Object.keys(campaign.counts).sort()) console.log(`  ${status}: ${campaign.counts[status]}`);
} catch (error) {
  console.error(error.message, error.cause?.message ?? '');
  process.exitCode = 1;
}
