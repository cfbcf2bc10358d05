import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { lastingInbox, type Heard, type LastingInbox } from './lasting-inbox.ts';
import { openLine, type Frame, type Line } from './lasting-line.ts';
import { rest } from './server.ts';

export type { Heard } from './lasting-inbox.ts';

/**
 * How a client comes back. `plain`: connect, login, its subs under the same ids, then it reads what it missed. `sockjs`: the
 * same over SockJS. `asteroid`: `pre2`, subs under new ids with `useCollection`, history by method. `meteor`: asks for its
 * session; all it has to say follows at once: login, methods without an answer, subs. Only without its session it reads.
 *
 * @see realtime contract 8, A17
 */
export type Kind = 'plain' | 'sockjs' | 'asteroid' | 'meteor';

export type LastingUser = { userId: string; authToken: string; username: string };

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

export type LastingClient = Pick<LastingInbox, 'added' | 'has'> & {
	readonly kind: Kind;
	readonly rid: string;
	readonly user: LastingUser;
	readonly heard: readonly Heard[];
	readonly returns: readonly Return[];
	/** What must never happen: refused subs, errors. */
	readonly problems: readonly string[];
	/** Logged in, all subs ready, nothing missed is still to be read. */
	readonly isWhole: boolean;
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

const retryMs = 50;

/** Starts a client; it is there as soon as it can, and comes back until it is stopped. */
export function lastingClient(options: Options): LastingClient {
	const { kind, user, rid, ports } = options;
	const inbox = lastingInbox();
	const talk = talkOf(options, inbox);
	const returns: Return[] = [];
	const stopping = new AbortController();
	let line: Line | null = null;
	let isWhole = false;
	/** Close code of the last connection that was whole; null before the first. */
	let lastCode: number | null = null;

	/** One connection from its first attempt to its end. */
	async function live(attemptAt: number, port: number): Promise<void> {
		const askedForSession = talk.willAskForSession();
		const own = await talk.open(port);
		line = own;
		try {
			await talk.begin(own);
			const { isResumed } = inbox;
			if (lastCode !== null) {
				returns.push({ code: lastCode, attemptAt, liveAt: performance.now(), askedForSession, isResumed });
			}
			if (!isResumed) await talk.readMissed(own);
			isWhole = true;
			lastCode = await own.closed;
			talk.knowsAll();
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
	const { heard, problems, added, has } = inbox;
	return {
		kind,
		rid,
		user,
		heard,
		returns,
		problems,
		added,
		has,
		get isWhole() {
			return isWhole;
		},
		post: (text) => talk.post(text, isWhole ? line : null),
		cut(how) {
			if (how === 'cut') line?.cut();
			else line?.abandon();
		},
		async stop() {
			stopping.abort();
			line?.cut();
			await running;
		},
	};
}

/** What a client of this kind says. */
function talkOf({ kind, user, rid, coreUrl, localAddress }: Options, inbox: LastingInbox) {
	let session: string | null = null;
	let subIds = [newId(), newId(), newId()];
	let methods = 0;
	/** Everything up to here is known: where reading what was missed starts. */
	let knownUntil = Date.now() - 1_000;

	function method(name: string, ...params: unknown[]): Frame & { id: string } {
		methods += 1;
		return { msg: 'method', id: String(methods), method: name, params };
	}

	function subFrames(): Frame[] {
		const events = [
			['stream-room-messages', rid],
			['stream-notify-user', `${user.userId}/subscriptions-changed`],
			['stream-notify-user', `${user.userId}/rooms-changed`],
		] as const;
		return events.map(([name, event], index) => {
			const params = kind === 'asteroid' ? [event, true] : [event, { useCollection: false, args: [] }];
			return { msg: 'sub', id: subIds[index], name, params };
		});
	}

	function connectFrame(): Frame {
		if (kind === 'asteroid') return { msg: 'connect', version: 'pre2', support: ['pre2', 'pre1'] };
		const hello = { msg: 'connect', version: '1', support: ['1', 'pre2', 'pre1'] };
		return session === null ? hello : { ...hello, session };
	}

	const isResult = (id: string) => (frame: Frame) => frame['msg'] === 'result' && frame['id'] === id;

	return {
		willAskForSession: (): boolean => session !== null,

		async open(port: number): Promise<Line> {
			inbox.begin(session);
			let isCurrent = true;
			const transport = kind === 'sockjs' ? 'sockjs' : 'websocket';
			const own: Line = await openLine({
				port,
				transport,
				localAddress,
				onFrame(frame) {
					if (!isCurrent) return;
					if (frame['msg'] === 'ping')
						own.send(frame['id'] === undefined ? { msg: 'pong' } : { msg: 'pong', id: frame['id'] });
					inbox.onFrame(frame);
				},
			});
			void own.closed.then(() => {
				isCurrent = false;
			});
			return own;
		},

		/** Everything until all subs are ready. @throws Error when the connection ends before */
		async begin(on: Line): Promise<void> {
			if (kind === 'asteroid') subIds = [newId(), newId(), newId()];
			const login = method('login', { resume: user.authToken });
			const connected = inbox.next(on, (frame) => frame['msg'] === 'connected');
			const loggedIn = inbox.next(on, isResult(login.id));
			const ready = subIds.map((id) => inbox.next(on, (frame) => frame['msg'] === 'ready' && frame['subs'][0] === id));
			// When one of them fails, so do the others: nobody waits for all.
			for (const step of [connected, loggedIn, ...ready]) step.catch(() => undefined);
			const again = [...inbox.unanswered.values()].map(({ frame }) => frame);
			on.send(connectFrame(), ...(kind === 'meteor' ? [login, ...again, ...subFrames()] : []));
			const given = String((await connected)['session']);
			if (kind === 'meteor') session = given;
			else on.send(login);
			const answer = await loggedIn;
			if (answer['error'] !== undefined) throw new Error(`login: ${JSON.stringify(answer['error'])}`);
			if (kind !== 'meteor') on.send(...again, ...subFrames());
			await Promise.all(ready);
		},

		/** What was missed while it was away: asked for when what comes is sure to be heard. */
		async readMissed(on: Line): Promise<void> {
			if (kind === 'asteroid') {
				const call = method('loadMissedMessages', rid, { $date: knownUntil - 2_000 });
				const answer = inbox.next(on, isResult(call.id));
				on.send(call);
				for (const message of (await answer)['result']) inbox.take(message._id, message._updatedAt.$date, 'history');
				return;
			}
			const path = `chat.syncMessages?roomId=${rid}&lastUpdate=${new Date(knownUntil).toISOString()}`;
			const { status, body } = await rest(coreUrl, 'GET', path, { session: user });
			if (status !== 200) throw new Error(`chat.syncMessages: ${status} ${JSON.stringify(body)}`);
			for (const message of body['result'].updated) inbox.take(message._id, Date.parse(message._updatedAt), 'history');
		},

		/** A connection that had everything is over: what came on it need not be read again. */
		knowsAll(): void {
			knownUntil = Math.max(knownUntil, inbox.newest);
		},

		/** @param on null: with the next connection */
		post(text: string, on: Line | null): Promise<string> {
			const _id = randomBytes(13).toString('hex').slice(0, 17);
			const frame = method('sendMessage', { _id, rid, msg: text });
			return new Promise((resolve) => {
				inbox.unanswered.set(frame.id, { frame, done: () => resolve(_id) });
				on?.send(frame);
			});
		},
	};
}

function newId(): string {
	return randomBytes(13).toString('base64url').slice(0, 17);
}
