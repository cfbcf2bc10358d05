import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { benchRoom, type BenchFrame } from './bench-frame.ts';
import { acceptByHand, upgradeServer } from './listen.ts';
import type { Peer } from './peer.ts';

const ejson = createRequire(import.meta.url)('ejson') as { stringify(value: unknown): string };

type Member = { socket: Socket; session: { uid: string; rooms: Set<string> } };
type Framed = { head: Buffer; body: Buffer };
type Rule = (member: Member, event: string) => Promise<boolean>;

/**
 * A clean-room model of the published algorithm of Rocket.Chat's streamer: each event is encoded once and framed twice, raw
 * and for SockJS; then, for every member in turn, an asynchronous rule of two layers is awaited, and after it the callback
 * of the socket's write.
 *
 * @see performance, 2 (a) and 3
 */
export async function shapePeer(): Promise<Peer> {
	const members = new Set<Member>();
	const rules = new Map<string, Rule>([[benchRoom, async ({ session }, event) => session.rooms.has(event)]]);
	const { port, close } = await upgradeServer((request, socket) => {
		acceptByHand(request, socket);
		const member = { socket, session: { uid: `user${members.size}`, rooms: new Set([benchRoom]) } };
		members.add(member);
		socket.on('close', () => members.delete(member));
	});
	const mayRead: Rule = async (member, event) => {
		const rule = rules.get(event);
		return rule === undefined ? false : rule(member, event);
	};

	async function emit(event: string, args: unknown[]): Promise<void> {
		const { raw } = encode(event, args);
		for (const member of members) {
			if (!(await mayRead(member, event))) continue;
			await write(member.socket, raw);
		}
	}

	return {
		port,
		send(frames: readonly BenchFrame[]) {
			for (const { args } of frames) void emit(benchRoom, args);
		},
		close,
	};
}

function encode(eventName: string, args: unknown[]): { raw: Framed; sockjs: Framed } {
	const fields = { eventName, args };
	const text = ejson.stringify({ msg: 'changed', collection: 'stream-room-messages', id: 'id', fields });
	return { raw: frame(text), sockjs: frame(`a${JSON.stringify([text])}`) };
}

function frame(text: string): Framed {
	const body = Buffer.from(text);
	const head = Buffer.alloc(body.length < 126 ? 2 : 4);
	head[0] = 0x81;
	head[1] = body.length < 126 ? body.length : 126;
	if (head.length === 4) head.writeUInt16BE(body.length, 2);
	return { head, body };
}

/** Resolves when the system has taken the bytes: a reader that has stopped holds up everybody behind it. */
function write(socket: Socket, { head, body }: Framed): Promise<void> {
	return new Promise((resolve) => {
		socket.cork();
		socket.write(head);
		socket.write(body, () => resolve());
		socket.uncork();
	});
}
