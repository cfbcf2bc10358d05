import { createConnection, type Socket } from 'node:net';
import { clientId, frameReader, handshake, pongFrame, textFrame } from './client-frames.ts';
import type { CrowdClient, CrowdOrder, CrowdReport } from './crowd.ts';

/**
 * Clients of a bench, as light as can be: a TCP socket each, frames as bytes. Runs as a child process and does what it is
 * told over its channel: opens clients, tells when all are there, answers pings, cuts all.
 */

type Client = { socket: Socket; isReady: boolean };

const clients = new Set<Client>();
/** One client more for each source address: within a server's bound of sockets per address, and of ports per address. */
const clientsPerAddress = 1000;
const openingLimitMs = 60_000;
let pings = 0;
let closedCount = 0;

const report = (message: CrowdReport): void => void process.send?.(message);

process.on('message', (order: CrowdOrder) => {
	if (order.do === 'open') void openAll(order).then(report, fail);
	else if (order.do === 'cut') void cutAll().then(() => report({ done: 'cut' }), fail);
	else report({ done: 'counts', open: clients.size, pings, closed: closedCount });
});
process.on('disconnect', () => process.exit(0));

function fail(error: unknown): void {
	report({ done: 'failed', reason: error instanceof Error ? error.message : String(error) });
}

async function openAll({ port, path, kind, clients: list, atOnce }: CrowdOrder & { do: 'open' }): Promise<CrowdReport> {
	let next = 0;
	const work = async (): Promise<void> => {
		for (let index = next++; index < list.length; index = next++) {
			const client = list[index];
			if (client !== undefined) await openOne({ port, path, kind, index, client });
		}
	};
	await Promise.all(Array.from({ length: atOnce }, work));
	return { done: 'open', open: clients.size };
}

type Opening = { port: number; path: string; kind: 'web client' | 'bare'; index: number; client: CrowdClient };

/** Resolves when the client is served: logged in, all subscriptions ready; a bare one when its socket is open. */
function openOne({ port, path, kind, index, client }: Opening): Promise<void> {
	return new Promise((resolve, reject) => {
		const localAddress = `127.0.0.${2 + Math.floor(index / clientsPerAddress)}`;
		const socket = createConnection({ host: '127.0.0.1', port, localAddress });
		const entry: Client = { socket, isReady: false };
		const timer = setTimeout(() => end(new Error(`client ${index} was not served in time`)), openingLimitMs);
		let missing = kind === 'bare' ? 0 : subscriptionsOf(client).length;
		let last = '';
		const end = (error: Error | null): void => {
			clearTimeout(timer);
			if (error === null) {
				entry.isReady = true;
				resolve();
			} else {
				socket.destroy();
				reject(error);
			}
		};
		const reader = frameReader({
			onOpen() {
				if (kind === 'bare') end(null);
				else socket.write(Buffer.concat(startFrames(client).map((frame) => textFrame(JSON.stringify(frame)))));
			},
			onText(text) {
				if (text.includes('"msg":"ping"')) return answer(socket, text);
				if (entry.isReady) return undefined;
				if (text.includes('"msg":"ready"')) {
					missing -= 1;
					if (missing === 0) end(null);
				} else if (text.includes('"error"')) end(new Error(`client ${index}: ${text.toString('utf8')}`));
				return undefined;
			},
			onPing: (payload) => void socket.write(pongFrame(payload)),
			onClose: (code, reason) => {
				last = `${code} ${reason}`;
			},
		});
		clients.add(entry);
		socket.setNoDelay(true);
		socket.on('connect', () => socket.write(handshake(path, `127.0.0.1:${port}`)));
		socket.on('data', (chunk) => {
			try {
				reader.take(chunk);
			} catch (error) {
				end(error instanceof Error ? error : new Error(String(error)));
			}
		});
		socket.on('error', (error) => end(error));
		socket.on('close', () => {
			clients.delete(entry);
			closedCount += 1;
			if (!entry.isReady) end(new Error(`client ${index} was closed: ${last}`));
		});
	});
}

function answer(socket: Socket, ping: Buffer): void {
	pings += 1;
	const { id } = JSON.parse(ping.toString('utf8')) as { id?: string };
	socket.write(textFrame(JSON.stringify(id === undefined ? { msg: 'pong' } : { msg: 'pong', id })));
}

/** What a web client says at its start: all at once, as after a reconnect. @see realtime contract 4.16 */
function startFrames(client: CrowdClient): object[] {
	return [
		{ msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] },
		{ msg: 'method', id: '1', method: 'login', params: [{ resume: client.token }] },
		...subscriptionsOf(client).map(([name, event], index) => {
			const id = clientId(index * 100_000 + client.number);
			return { msg: 'sub', id, name: `stream-${name}`, params: [event, { useCollection: false, args: [] }] };
		}),
	];
}

const ownEvents = [
	'rooms-changed',
	'subscriptions-changed',
	'userData',
	'message',
	'notification',
	'uiInteraction',
	'webdav',
	'otr',
	'webrtc',
	'e2ekeyRequest',
	'departmentAgentData',
];

function subscriptionsOf({ uid, rid }: CrowdClient): [stream: string, event: string][] {
	return [
		...ownEvents.map((event): [string, string] => ['notify-user', `${uid}/${event}`]),
		['roles', 'roles'],
		['notify-logged', 'Users:NameChanged'],
		['notify-logged', 'updateAvatar'],
		['notify-logged', 'permissions-changed'],
		['room-messages', rid],
	];
}

async function cutAll(): Promise<void> {
	const closed = [...clients].map(
		({ socket }) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
	);
	for (const { socket } of clients) socket.destroy();
	await Promise.all(closed);
}
