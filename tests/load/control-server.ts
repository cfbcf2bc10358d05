import { WebSocketServer, type WebSocket } from 'ws';

/**
 * The control of every bench with sockets: the plainest way to send a text to many, a loop over `send`. Runs as a child
 * process; each message `{text}` makes it send the text once to everybody.
 */
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
const sockets = new Set<WebSocket>();

server.on('connection', (socket) => {
	sockets.add(socket);
	socket.on('close', () => sockets.delete(socket));
});
server.on('listening', () => {
	const address = server.address();
	process.send?.({ port: typeof address === 'object' && address !== null ? address.port : 0 });
});
process.on('message', ({ text }: { text: string }) => {
	for (const socket of sockets) socket.send(text);
});
process.on('disconnect', () => process.exit(0));
