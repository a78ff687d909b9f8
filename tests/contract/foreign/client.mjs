// What clients in Node do with the provider's pages: client.mjs CALL URL, prints JSON.
// The credential, the forms and the reading of answers are theirs; only the host differs.
import http from 'node:http';

const [call, url] = process.argv.slice(2);
const USER = { usuario: 'USU500', clave: 'CLAVE500' };
const KEY = { apikey: 'SIMULADOR' };

const latin1 = async (answer) => new TextDecoder('latin1').decode(await answer.arrayBuffer());
const query = (fields) => new URLSearchParams(fields).toString();
const get = async (page, fields) => (await latin1(await fetch(`${url}/${page}?${query(fields)}`))).trim();
const post = async (page, fields) =>
  (await latin1(await fetch(`${url}/${page}`, { method: 'POST', body: new URLSearchParams(fields) }))).trim();
const rows = (text) => text.split(/\r?\n/).filter((line) => line.trim()).map((line) => line.split('\t'));

// The http module with a whole path through encodeURI: blanks become %20, an idinterno stays empty.
function plain(path, method = 'GET') {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const request = http.request({ host: hostname, port, path: encodeURI(path), method }, (answer) => {
      let text = '';
      answer.setEncoding('latin1');
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () => resolve(text));
    });
    request.on('error', reject);
    request.end();
  });
}

const calls = {
  async unit() {
    const old = `/enviar_sms.asp?api=1&relogin=1&${query(USER)}&tos=`;
    const texto = 'Hola: 50% de descuento';
    return [
      await plain(`${old}1161880001&idinterno=&texto=${texto}`),
      await plain(`${old}1161880001&idinterno=&texto=${texto}`),
      await plain(`${old}1161880002&idinterno=&texto=Un aviso`, 'POST'),
      await get('enviar_sms.asp', { api: 1, ...KEY, tos: '1161880003', texto: 'Día', test: 1, idinterno: 'n8n1' }),
      await get('enviar_sms.asp', { api: 1, ...KEY, tos: '1161880003', texto: 'Dia', test: 1, idinterno: 'n8n1' }),
      await get('enviar_sms.asp', { api: 1, ...KEY, tos: '1161880004', texto: 'A las 9', fechadesde: '2026-03-11 09:00:00' }),
      // A key where the guide wants a 1: a page comes, and no message goes out.
      (await get('enviar_sms.asp', { api: 'LLAVE', ...USER, tos: '1161880005', texto: 'Hola' })).startsWith('<html>'),
    ];
  },
  async bulk() {
    const bloque = ['N1\t1161880001\tUno; dos, tres\n', '1161880002\t1161880002\tSin id\n', 'N3\t11\tCorto\n'].join('');
    return [
      await post('enviar_sms_bloque.asp', { api: 1, ...KEY, bloque, separadorcampos: 'tab' }),
      await get('enviar_sms_bloque.asp', { ...USER, bloque: 'N4,1161880004,Por GET' }),
      await get('obtener_respuestaapi_bloque.asp', { ...KEY, idinterno: 'NUNCA' }),
      rows(await get('obtener_respuestaapi_bloque.asp', { ...KEY, fecha: '20260310115900' })),
      await post('enviar_sms_bloque.asp', { ...KEY, TOS: '1161880001', MSG: 'No es un bloque' }),
    ];
  },
  async inbox() {
    const flags = { solonoleidos: 1, marcarcomoleidos: 1, traeridinterno: 1 };
    return [
      rows(await get('obtener_sms_entrada.asp', { ...KEY, ...flags })),
      rows(await get('obtener_sms_entrada.asp', { ...KEY, ...flags })),
    ];
  },
  async figures() {
    return [
      parseInt(await get('obtener_saldo.asp', KEY), 10),
      parseInt(await get('obtener_envios.asp', KEY), 10),
      await get('get_fecha.asp', { iso: 1 }),
    ];
  },
  async soap() {
    const { createRequire } = await import('node:module');
    const soap = createRequire(import.meta.url)('soap');
    const client = await soap.createClientAsync(`${url}/ws/SMSMasivosAPI.asmx?WSDL`);
    const [sent] = await client.EnviarSMSAsync({ ...USER, numero: '1161880001', texto: 'Hola', test: false });
    const question = { ...USER, origen: '', solonoleidos: false, marcarcomoleidos: false, traeridinterno: true };
    const [replies] = await client.RecibirSMSAsync(question);
    const fault = await client.RecibirSMSAsync({ ...question, clave: 'x' }).catch((error) => error.message);
    return [sent, replies, fault];
  },
};

console.log(JSON.stringify(await calls[call]()));
