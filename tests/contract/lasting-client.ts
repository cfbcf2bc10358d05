import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { openLine, type Frame, type Line } from './lasting-line.ts';
import { rest } from './server.ts';

/**
 * How a client comes back. `plain`: connect, login, its subs under the same ids, then it reads what it missed. `sockjs`: the
 * same over SockJS. `asteroid`: `pre2`, subs under new ids with `useCollection`, history by method. `meteor`: asks for its
 * session; all it has to say follows at once: login, methods without an answer, subs. Only without its session it reads.
 *
 * @see realtime contract 8, A17
 */
export type Kind = 'plain' | 'sockjs' | 'asteroid' | 'meteor';

export type LastingUser = { userId: string; authToken: string; username: string };

/** One version of a message, as a client got it. `connection` grows with each that was opened. */
export type Heard = { id: string; version: number; from: 'live' | 'history'; connection: number };

/** One return after a connection was lost. Times in ms of the monotonic clock. */
export type Return = {
	/** Close code of the connection before. */
	code: number;
	/** The first attempt, and all subs are ready. */
	attemptAt: number;
	liveAt: number;
	askedForSession: boolean;
	isResumed: boolean;
};

export type LastingClient = {
	readonly kind: Kind;
	readonly rid: string;
	readonly user: LastingUser;
	readonly heard: readonly Heard[];
	readonly returns: readonly Return[];
	/** `added` frames on resumed connections: those of streams, which no resumed client may get, and those of documents. */
	readonly added: { streams: number; documents: number };
	/** What must never happen: refused subs, errors. */
	readonly problems: readonly string[];
	/** Logged in, all subs ready, nothing missed is still to be read. */
	readonly isWhole: boolean;
	has(messageId: string): boolean;
	/** Sends a message as its user, as often as it takes. Resolves with its id when it was acknowledged. */
	post(text: string): Promise<string>;
	cut(how: 'cut' | 'abandon'): void;
	stop(): Promise<void>;
};

type Options = {
	kind: Kind;
	user: LastingUser;
	/** The room it has open. */
	rid: string;
	/** Ports of the streamers that are up, the one to try first in front. Asked before each attempt. */
	ports(): number[];
	coreUrl: string;
	localAddress?: string;
};

const stepLimitMs = 15_000;
const retryMs = 50;

/** Starts a client; it is there as soon as it can, and comes back until it is stopped. */
export function lastingClient(options: Options): LastingClient {
	const { kind, user, rid, ports, coreUrl, localAddress } = options;
	const heard: Heard[] = [];
	const ids = new Set<string>();
	const returns: Return[] = [];
	const problems: string[] = [];
	const added = { streams: 0, documents: 0 };
	const unanswered = new Map<string, { frame: Frame; done(): void }>();
	let session: string | null = null;
	let subIds = newSubIds();
	let line: Line | null = null;
	let lastCode = 1006;
	let connection = 0;
	let methods = 0;
	let isWhole = false;
	let isResumed = false;
	const stopping = new AbortController();
	/** Everything up to here is known: where reading what was missed starts. */
	let knownUntil = Date.now() - 1_000;
	let newest = knownUntil;
	const waiting = new Set<(frame: Frame) => void>();

	function newSubIds(): Record<'room' | 'subscriptions' | 'rooms', string> {
		const id = () => randomBytes(13).toString('base64url').slice(0, 17);
		return { room: id(), subscriptions: id(), rooms: id() };
	}

	function take(id: string, version: number, from: Heard['from']): void {
		heard.push({ id, version, from, connection });
		ids.add(id);
		newest = Math.max(newest, version);
	}

	function onFrame(on: () => Line | null, frame: Frame): void {
		if (frame['msg'] === 'ping') {
			on()?.send(frame['id'] === undefined ? { msg: 'pong' } : { msg: 'pong', id: frame['id'] });
		} else if (frame['msg'] === 'connected') {
			isResumed = session !== null && frame['session'] === session;
		} else if (frame['msg'] === 'changed' && frame['collection'] === 'stream-room-messages') {
			for (const message of frame['fields'].args) take(message._id, message._updatedAt.$date, 'live');
		} else if (frame['msg'] === 'added' && isResumed) {
			if (String(frame['collection']).startsWith('stream-')) added.streams += 1;
			else added.documents += 1;
		} else if (frame['msg'] === 'result' && unanswered.has(frame['id'])) {
			if (frame['error'] !== undefined) problems.push(`method: ${JSON.stringify(frame['error'])}`);
			unanswered.get(frame['id'])?.done();
			unanswered.delete(frame['id']);
		} else if (frame['msg'] === 'nosub' || frame['msg'] === 'error' || frame['msg'] === 'failed') {
			problems.push(JSON.stringify(frame));
		}
		for (const tell of waiting) tell(frame);
	}

	/** The next frame that fits; rejects when the connection ends before. */
	function next(on: Line, fits: (frame: Frame) => boolean): Promise<Frame> {
		return new Promise((resolve, reject) => {
			const end = (act: () => void): void => {
				waiting.delete(tell);
				clearTimeout(timer);
				act();
			};
			const tell = (frame: Frame): void => {
				if (fits(frame)) end(() => resolve(frame));
			};
			const timer = setTimeout(() => end(() => reject(new Error('no answer in time'))), stepLimitMs);
			waiting.add(tell);
			void on.closed.then((code) => end(() => reject(new Error(`closed with ${code}`))));
		});
	}

	function subFrames(): Frame[] {
		const params = (event: string) =>
			kind === 'asteroid' ? [event, true] : [event, { useCollection: false, args: [] }];
		const sub = (id: string, name: string, event: string) => ({ msg: 'sub', id, name, params: params(event) });
		return [
			sub(subIds.room, 'stream-room-messages', rid),
			sub(subIds.subscriptions, 'stream-notify-user', `${user.userId}/subscriptions-changed`),
			sub(subIds.rooms, 'stream-notify-user', `${user.userId}/rooms-changed`),
		];
	}

	function loginFrame(): Frame {
		methods += 1;
		return { msg: 'method', id: String(methods), method: 'login', params: [{ resume: user.authToken }] };
	}

	/** Everything until all subs are ready. */
	async function begin(on: Line): Promise<void> {
		const login = loginFrame();
		if (kind === 'asteroid') subIds = newSubIds();
		const connected = next(on, (frame) => frame['msg'] === 'connected');
		const loggedIn = next(on, (frame) => frame['msg'] === 'result' && frame['id'] === login['id']);
		const ready = Object.values(subIds).map((id) =>
			next(on, (frame) => frame['msg'] === 'ready' && frame['subs'][0] === id),
		);
		for (const step of [connected, loggedIn, ...ready]) step.catch(() => undefined);
		const hello =
			kind === 'asteroid'
				? { version: 'pre2', support: ['pre2', 'pre1'] }
				: { version: '1', support: ['1', 'pre2', 'pre1'] };
		const connect = { msg: 'connect', ...hello, ...(session === null ? {} : { session }) };
		if (kind === 'meteor') {
			on.send(connect, login, ...[...unanswered.values()].map(({ frame }) => frame), ...subFrames());
		} else on.send(connect);
		const given = String((await connected)['session']);
		if (kind === 'meteor') session = given;
		else on.send(login);
		const answer = await loggedIn;
		if (answer['error'] !== undefined) throw new Error(`login: ${JSON.stringify(answer['error'])}`);
		if (kind !== 'meteor') on.send(...[...unanswered.values()].map(({ frame }) => frame), ...subFrames());
		await Promise.all(ready);
	}

	/** What was missed while it was away: asked for when what comes is sure to be heard. */
	async function readMissed(on: Line): Promise<void> {
		if (kind === 'asteroid') {
			methods += 1;
			const id = String(methods);
			const answer = next(on, (frame) => frame['msg'] === 'result' && frame['id'] === id);
			on.send({ msg: 'method', id, method: 'loadMissedMessages', params: [rid, { $date: knownUntil - 2_000 }] });
			for (const message of (await answer)['result']) take(message._id, message._updatedAt.$date, 'history');
			return;
		}
		const path = `chat.syncMessages?roomId=${rid}&lastUpdate=${new Date(knownUntil).toISOString()}`;
		const { status, body } = await rest(coreUrl, 'GET', path, { session: user });
		if (status !== 200) throw new Error(`chat.syncMessages: ${status} ${JSON.stringify(body)}`);
		for (const message of body['result'].updated) take(message._id, Date.parse(message._updatedAt), 'history');
	}

	/** One connection from its first attempt to its end. */
	async function live(attemptAt: number, port: number): Promise<void> {
		let own: Line | null = null;
		const transport = kind === 'sockjs' ? 'sockjs' : 'websocket';
		connection += 1;
		isResumed = false;
		const mine = connection;
		own = await openLine({
			port,
			transport,
			localAddress,
			onFrame: (frame) => {
				if (mine === connection) onFrame(() => own, frame);
			},
		});
		line = own;
		try {
			const askedForSession = session !== null;
			await begin(own);
			if (returns.length > 0 || connection > 1) {
				returns.push({ code: lastCode, attemptAt, liveAt: performance.now(), askedForSession, isResumed });
			}
			if (!isResumed) await readMissed(own);
			isWhole = true;
			lastCode = await own.closed;
			knownUntil = newest;
		} finally {
			isWhole = false;
			line = null;
			own.cut();
		}
	}

	async function run(): Promise<void> {
		let failures = 0;
		let attemptAt = performance.now();
		while (!stopping.signal.aborted) {
			const choices = ports();
			const port = choices[failures % choices.length];
			try {
				if (port === undefined) throw new Error('no streamer is up');
				await live(attemptAt, port);
				failures = 0;
				attemptAt = performance.now();
			} catch {
				failures += 1;
				await pause(retryMs);
			}
		}
	}

	const running = run();
	return {
		kind,
		rid,
		user,
		heard,
		returns,
		problems,
		added,
		get isWhole() {
			return isWhole;
		},
		has: (id) => ids.has(id),
		post(text) {
			methods += 1;
			const id = String(methods);
			const _id = randomBytes(13).toString('hex').slice(0, 17);
			const frame = { msg: 'method', id, method: 'sendMessage', params: [{ _id, rid, msg: text }] };
			return new Promise((resolve) => {
				unanswered.set(id, { frame, done: () => resolve(_id) });
				if (isWhole) line?.send(frame);
			});
		},
		cut(how) {
			const cutting = line;
			if (how === 'cut') cutting?.cut();
			else cutting?.abandon();
		},
		async stop() {
			stopping.abort();
			line?.cut();
			await running;
		},
	};
}
