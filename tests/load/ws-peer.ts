import { WebSocketServer, type WebSocket } from 'ws';

/**
 * The plainest server on `ws`, as a peer: takes sockets, pings each in JSON after 25 s of silence, closes it after 30 s
 * more. Runs as a process of its own, with the log of one of ours.
 */

const pingAfterMs = 25_000;
const closeAfterMs = 55_000;
const ping = JSON.stringify({ msg: 'ping' });

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
const heard = new Map<WebSocket, { at: number; isPinged: boolean }>();

server.on('connection', (socket) => {
	const state = { at: performance.now(), isPinged: false };
	heard.set(socket, state);
	socket.on('message', (data: Buffer) => {
		JSON.parse(data.toString('utf8'));
		state.at = performance.now();
		state.isPinged = false;
	});
	socket.on('error', () => socket.terminate());
	socket.on('close', () => heard.delete(socket));
});
server.on('listening', () => {
	const { port } = server.address() as { port: number };
	process.stdout.write(`${JSON.stringify({ event: 'ready', address: `http://127.0.0.1:${port}` })}\n`);
});
setInterval(() => {
	const now = performance.now();
	for (const [socket, state] of heard) {
		if (now - state.at > closeAfterMs) socket.terminate();
		else if (!state.isPinged && now - state.at > pingAfterMs) {
			state.isPinged = true;
			socket.send(ping);
		}
	}
}, 250);
process.on('SIGTERM', () => process.exit(0));
