import { fillWorkspace } from '../load/workspace.ts';
import { lastingClient, type Kind, type LastingClient, type LastingUser } from './lasting-client.ts';
import { startAuthors, type SteadyAuthors } from './steady-authors.ts';
import { startStreamerPair, type StreamerPair } from './streamer-pair.ts';
import type { TestServer } from './server.ts';

/** Rooms, the clients that have each of them open, and who posts there. */
export type ArenaSize = {
	rooms: number;
	/** Of each kind, in each room. */
	clientsEach: Partial<Record<Kind, number>>;
	authorsEach: number;
	/** Of all authors together. */
	postsPerSecond: number;
};

/** Two streamers, clients of all kinds on them, and people who post by REST. */
export type Arena = {
	clients: LastingClient[];
	streamers: StreamerPair;
	authors: SteadyAuthors;
	/** Resolves when all are there and know everything acknowledged until now. */
	caughtUp(limitMs: number): Promise<void>;
	/** Returns of all clients so far. */
	returnCount(): number;
	/** Ends clients and authors, and the streamers. */
	stop(): Promise<void>;
};

/** Clients from one source address: a server bounds them. */
const clientsPerAddress = 250;

/**
 * Fills the workspace, starts the streamers and opens the clients. Resolves when all are there and the first messages flow.
 *
 * @param coreUrl Where REST is answered.
 */
export async function openArena(
	server: TestServer,
	coreUrl: string,
	{ rooms, clientsEach, authorsEach, postsPerSecond }: ArenaSize,
): Promise<Arena> {
	const kinds = Object.entries(clientsEach).flatMap(([kind, count]) =>
		Array.from({ length: count }, () => kind as Kind),
	);
	const each = kinds.length + authorsEach;
	const filled = await fillWorkspace(
		server.db,
		rooms * each,
		Array.from({ length: rooms }, (_, room) => ({
			_id: `arena${room}`,
			members: Array.from({ length: each }, (_member, place) => room * each + place),
		})),
	);
	const streamers = await startStreamerPair(server);
	const userOf = ({ _id, token, username }: { _id: string; token: string; username: string }): LastingUser => ({
		userId: _id,
		authToken: token,
		username,
	});
	const clients = filled.flatMap(({ _id: rid, members }, room) =>
		kinds.flatMap((kind, place) => {
			const user = members[place];
			if (user === undefined) return [];
			const number = room * kinds.length + place;
			const localAddress = `127.0.1.${1 + Math.floor(number / clientsPerAddress)}`;
			return [
				lastingClient({
					kind,
					user: userOf(user),
					rid,
					ports: () => anyOrder(streamers.ports()),
					coreUrl,
					localAddress,
				}),
			];
		}),
	);
	await until('all clients are there', 60_000, () => clients.every(({ isWhole }) => isWhole));
	const posters = filled.flatMap(({ _id: rid, members }) =>
		members.slice(kinds.length).map((user) => ({ user: userOf(user), rid })),
	);
	const authors = startAuthors(coreUrl, posters, postsPerSecond);
	return {
		clients,
		streamers,
		authors,
		caughtUp(limitMs) {
			const due = [...authors.posts];
			return until('all clients know everything', limitMs, () =>
				clients.every(({ isWhole, has, rid }) => isWhole && due.every((post) => post.rid !== rid || has(post.id))),
			);
		},
		returnCount: () => clients.reduce((sum, { returns }) => sum + returns.length, 0),
		async stop() {
			await authors.stop();
			await Promise.all(clients.map((client) => client.stop()));
			await streamers.stop();
		},
	};
}

function anyOrder(ports: number[]): number[] {
	return ports.length > 1 && Math.random() < 0.5 ? ports.toReversed() : ports;
}

/** Waits for a condition. @throws Error after the limit */
export async function until(what: string, limitMs: number, isSo: () => boolean): Promise<void> {
	const end = performance.now() + limitMs;
	while (!isSo()) {
		if (performance.now() > end) throw new Error(`in ${limitMs} ms it did not come to pass that ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}
