// A page with a greeting from Redis, a visitor count, and a style sheet from another server.
import { createServer } from 'node:http';
import { connect } from 'node:net';

const { PORT, REDIS = '', FILES } = process.env;
const [host, port] = REDIS.split(':');

/** Sends one command to Redis and returns the last line of the reply (https://redis.io/docs/latest/develop/reference/protocol-spec/). */
async function redis(...words) {
  const socket = connect(Number(port), host);
  socket.end(`${words.join(' ')}\r\n`);
  let reply = '';
  for await (const chunk of socket) reply += chunk;
  if (reply.startsWith('-')) throw new Error(reply.trim());
  return reply.trim().split('\r\n').at(-1).replace(/^[+:]/, '');
}

const pages = {
  '/health': async () => redis('PING'),
  '/': async () => {
    const [greeting, visitors, style] = await Promise.all([
      redis('GET', 'greeting'),
      redis('INCR', 'visitors'),
      fetch(`${FILES}/style.css`).then((reply) => reply.text()),
    ]);
    return `<style>${style}</style><h1>${greeting}</h1><p>You are visitor ${visitors}.</p>\n`;
  },
};

const server = createServer(async (request, response) => {
  try {
    const page = pages[request.url];
    const text = page ? await page() : 'no such page\n';
    response.writeHead(page ? 200 : 404, { 'content-type': 'text/html' }).end(text);
  } catch (error) {
    response.writeHead(503).end(`${error.message}\n`);
  }
});
server.listen(Number(PORT), '127.0.0.1');
process.on('SIGINT', () => server.close(() => process.exit(0)));
