import { setTimeout as pause } from 'node:timers/promises';
import { decodeBody } from '@rookery/protocol/envelope.ts';
import type { EventKey, RecordBodies, RecordName } from '@rookery/protocol/events.ts';
import type { Bus, Envelope } from '../bus/bus.ts';
import { coalesced } from '../platform/coalesced.ts';
import { onLostEvents } from './lost-events.ts';

type Stored = { _id: string; _updatedAt?: Date };

type Spec<R extends RecordName, T extends Stored> = {
	bus: Bus;
	key: EventKey;
	record: R;
	/** The record in an event's body. */
	recordOf: (body: RecordBodies[R]) => T;
	/** All records, as the database holds them now. */
	load: () => Promise<T[]>;
	/** Reads one record anew; null when it is gone. For events that do not carry the whole record. */
	reload?: { isNeeded: (record: T) => boolean; load: (id: string) => Promise<T | null> };
	/** Hears of each change after the first load, whether an event or a read brought it. */
	onChange?: (record: T) => void;
};

export type RecordTable<T extends Stored> = {
	get(id: string): T | undefined;
	all(): T[];
	/** Whether nothing is known to be missing. */
	readonly isComplete: boolean;
	/** Reads everything anew. @throws what the database threw: the records stay as they were */
	refresh(): Promise<void>;
	/** Takes over a record that was just written here, before its event comes. */
	put(record: T): void;
	stop(): void;
};

const firstWaitMs = 100;
const longestWaitMs = 5_000;

/**
 * A whole small collection in memory, kept up to date by the events of one key, and read again when events may have been
 * lost. Several versions of a record may come from reads and events: the newer one stays.
 */
export async function recordTable<R extends RecordName, T extends Stored>(spec: Spec<R, T>): Promise<RecordTable<T>> {
	const { bus, key } = spec;
	const stopped = new AbortController();
	let records = new Map<string, T>();
	/** What events said while a read was on its way; null = removed. */
	let during: Map<string, T | null> | null = null;
	let lastPos: string | null = null;
	let isLoaded = false;
	let isComplete = false;

	function apply(id: string, record: T | null): void {
		during?.set(id, record);
		if (record === null) records.delete(id);
		else if (!isOlder(record, records.get(id))) {
			records.set(id, record);
			spec.onChange?.(record);
		}
	}

	function tellIfNew(record: T, former: T | undefined): void {
		if (record._updatedAt?.getTime() !== former?._updatedAt?.getTime()) spec.onChange?.(record);
	}

	async function readAll(): Promise<void> {
		during = new Map();
		try {
			const loaded = new Map((await spec.load()).map((record) => [record._id, record]));
			const heard = during;
			const former = records;
			during = null;
			records = loaded;
			for (const [id, record] of heard) apply(id, record);
			if (isLoaded) for (const record of loaded.values()) tellIfNew(record, former.get(record._id));
			isLoaded = true;
			isComplete = true;
		} finally {
			during = null;
		}
	}

	const refresh = coalesced(readAll);

	/** Reads until it succeeds: a lost event must not stay unnoticed. */
	async function repair(): Promise<void> {
		isComplete = false;
		for (let waitMs = firstWaitMs; !stopped.signal.aborted; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
			try {
				await refresh();
				return;
			} catch {
				await pause(waitMs, undefined, { signal: stopped.signal }).catch(() => undefined);
			}
		}
	}

	function onEnvelope({ header, parts }: Envelope): void {
		if (hasGap(header.pos, header.prev, lastPos)) void repair();
		if (header.pos !== null) lastPos = header.pos;
		for (const part of parts) {
			if (part.header.kind !== 'record' || part.header.record !== spec.record) continue;
			const record = spec.recordOf(decodeBody(part) as RecordBodies[R]);
			if (part.header.action === 'removed') apply(record._id, null);
			else if (spec.reload?.isNeeded(record) === true) void readOne(record._id);
			else apply(record._id, record);
		}
	}

	async function readOne(id: string): Promise<void> {
		try {
			apply(id, (await spec.reload?.load(id)) ?? null);
		} catch {
			await repair();
		}
	}

	const unsubscribe = await bus.subscribe(key, onEnvelope);
	const unlisten = await onLostEvents(bus, () => void repair());
	await refresh();

	return {
		get: (id) => records.get(id),
		all: () => [...records.values()],
		get isComplete() {
			return isComplete && bus.state === 'connected';
		},
		refresh,
		put: (record) => apply(record._id, record),
		stop() {
			stopped.abort();
			unsubscribe();
			unlisten();
		},
	};
}

/** Whether the event before this one never came. Nothing is known before the first one. */
function hasGap(pos: string | null, prev: string | null, last: string | null): boolean {
	return pos !== null && prev !== null && last !== null && prev > last;
}

function isOlder(record: Stored, held: Stored | undefined): boolean {
	if (held?._updatedAt === undefined || record._updatedAt === undefined) return false;
	return record._updatedAt.getTime() < held._updatedAt.getTime();
}
