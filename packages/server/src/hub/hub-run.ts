import { ClientError } from '@rookery/protocol/errors.ts';
import type { Pos, Publication } from '@rookery/protocol/events.ts';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import type { Lease } from '../platform/lease.ts';
import type { Log } from '../platform/log.ts';
import { hubCollection, leaseId, type HubProgress, type HubStateRepository } from '../repositories/hub-state.ts';
import type { Change } from '../repositories/watch-change.ts';
import type { ResumeToken } from '../repositories/watch.ts';
import { goneRooms } from './gone-rooms.ts';
import { positionTable } from './positions.ts';
import { publicationsOf } from './publications.ts';
import type { SettlingWatch } from './settling.ts';

export type HubCounters = { published: number; poison: number };

export type RunDeps = {
	state: Pick<HubStateRepository, 'saveProgress'>;
	bus: Bus;
	lease: Lease;
	clock: Clock;
	log: Log;
	settling: SettlingWatch;
	counters: HubCounters;
	/** Hears of each own beat that came back through the change stream. */
	onBeat: (beat: number) => void;
};

/** Nothing more can be sent now: the bus is away, or the lease. What was sent since the last flush is sent again. */
export class Interrupted extends Error {
	override name = 'Interrupted';
}

/** How often progress is stored at most, in ms, and how often when only the stream moved. */
const saveMs = 200;
const idleSaveMs = 10_000;
const waitMs = 10;
/** Poison documents that are logged one by one. */
const maxLoggedPoison = 1_000;

/**
 * Sends what the changes say, strictly one after the other, and stores how far that got: never further than what has
 * arrived at the bus.
 */
export function hubRun(deps: RunDeps, progress: HubProgress | null, signal: AbortSignal) {
	const { state, bus, lease, clock, log, settling, counters } = deps;
	const positions = positionTable(progress?.pos ?? '');
	const gone = goneRooms();
	const poisonous = new Set<string>();
	let confirmed: HubProgress | null = progress;
	/** The last change that was sent completely. */
	let token: ResumeToken | null = progress?.token ?? null;
	let reached: Pos = progress?.pos ?? '';
	let isDirty = false;
	let saving: Promise<void> | null = null;
	let savedAt = Number.NEGATIVE_INFINITY;
	/** Grows whenever what was sent may not have arrived. */
	let connection = 0;

	/** Waits until this hub may act. @throws Interrupted when it may not any more */
	async function untilAllowed(): Promise<void> {
		while (!lease.mayAct()) {
			if (signal.aborted || lease.epoch() === null) throw new Interrupted('the lease is gone');
			await pause(waitMs);
		}
		if (signal.aborted) throw new Interrupted('stopped');
		if (bus.state !== 'connected') throw new Interrupted('the bus is away');
	}

	async function send(publication: Publication, pos: Pos): Promise<void> {
		if (!lease.mayAct() || signal.aborted || bus.state !== 'connected') await untilAllowed();
		const position = { epoch: lease.epoch() ?? 0, pos, prev: positions.prev(publication.key) };
		bus.publish(publication, position);
		positions.sent(publication.key, pos);
		counters.published += 1;
	}

	/** A document that cannot be made into events, or is too large for the bus: everybody else's go on. */
	function skip(change: Change, error: unknown): void {
		counters.poison += 1;
		const name = `${change.collection}/${change.id}`;
		if (poisonous.has(name) || poisonous.size >= maxLoggedPoison) return;
		poisonous.add(name);
		const { collection, id, operation } = change;
		log.error({ event: 'hub.poison', collection, id, operation, err: error }, 'a change was skipped');
	}

	async function publish(change: Change, pos: Pos): Promise<void> {
		try {
			for (const publication of publicationsOf(change, { isRoomGone: gone.has })) await send(publication, pos);
		} catch (error) {
			if (error instanceof Interrupted) throw error;
			if (error instanceof ClientError && error.code === 'error-service-unavailable') {
				throw new Interrupted('the bus is away', { cause: error });
			}
			skip(change, error);
		}
	}

	/** Tells everybody that changes were missed. */
	async function resync(reason: string): Promise<void> {
		await untilAllowed();
		const epoch = lease.epoch() ?? 0;
		const body = { epoch, reason };
		const parts: Publication['parts'] = [{ kind: 'record', record: 'resync', action: 'updated', body }];
		bus.publish({ key: 'all:hub', parts }, { epoch, pos: null, prev: null });
		log.warn({ event: 'hub.resync', reason, epoch }, 'changes were missed: everybody reads anew');
	}

	async function handle(change: Change): Promise<void> {
		const pos = positions.next(change.clusterTime);
		if (change.collection === hubCollection) noteBeat(change);
		else if (change.id === '') await resync(change.operation);
		else {
			gone.note(change);
			await publish(change, pos);
			settling.note(change);
			isDirty = true;
		}
		({ token } = change);
		reached = pos;
		save();
	}

	function noteBeat({ id, after }: Change): void {
		if (id !== leaseId || after === null) return;
		const { epoch, beat } = after as unknown as { epoch: number; beat: number };
		if (epoch === lease.epoch()) deps.onBeat(beat);
	}

	/** Stores the progress in the background, when it is time. */
	function save(): void {
		const waited = clock.monotonic() - savedAt;
		const isFirst = confirmed === null;
		if (saving !== null || token === null || !(isFirst || waited >= (isDirty ? saveMs : idleSaveMs))) return;
		saving = saveNow(token)
			.catch((error: unknown) => log.warn({ event: 'hub.progress', err: error }, 'progress could not be stored'))
			.finally(() => (saving = null));
	}

	async function saveNow(covered: ResumeToken): Promise<void> {
		const sent = connection;
		const next: HubProgress = { token: covered, pos: reached, unsettled: settling.unsettled() };
		positions.mark();
		savedAt = clock.monotonic();
		isDirty = false;
		await bus.flush();
		// A flush over a new connection says nothing of what the old one was given.
		if (sent !== connection) return;
		positions.confirm();
		confirmed = next;
		const epoch = lease.epoch();
		if (epoch !== null) await state.saveProgress(next, epoch);
	}

	return {
		handle,
		resync,

		/** The stream stands here, and nothing new is there. */
		idle(at: ResumeToken): void {
			token = at;
			save();
		},

		/** The bus has lost its connection: what was sent last may not have arrived. */
		disconnected(): void {
			connection += 1;
		},

		/** Goes back to what has certainly arrived. @returns where to begin again; null = now */
		rewind(): ResumeToken | null {
			connection += 1;
			positions.rewind();
			token = confirmed?.token ?? null;
			reached = confirmed?.pos ?? reached;
			return token;
		},

		/** What was missed is lost: begins again with the present. */
		restart(): void {
			token = null;
			confirmed = null;
		},

		/** Stores the progress now. Best effort. */
		async finish(): Promise<void> {
			await saving;
			if (token === null || !isDirty || bus.state !== 'connected') return;
			await saveNow(token);
		},
	};
}

export type HubRun = ReturnType<typeof hubRun>;
