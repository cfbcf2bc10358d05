import { decodeBody } from '@rookery/protocol/envelope.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { RecordBodies } from '@rookery/protocol/events.ts';
import type { UserId, UserStatus } from '@rookery/protocol/records.ts';
import type { Bus, Envelope } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import { coalesced } from '../platform/coalesced.ts';
import type { Log } from '../platform/log.ts';
import type { UserStatusRepository } from '../repositories/user-status.ts';
import type { PresenceApi } from './contracts.ts';
import { presenceAnnouncer } from './presence-announcer.ts';
import { storeChoice } from './presence-choice.ts';
import { presenceOwners } from './presence-owners.ts';
import { presenceSettler } from './presence-settler.ts';
import { presenceTable } from './presence-table.ts';
import type { SettingsReader } from './settings.ts';

type Deps = {
	userStatuses: UserStatusRepository;
	settings: SettingsReader;
	bus: Bus;
	clock: Clock;
	log: Pick<Log, 'info' | 'warn' | 'error'>;
	/** Stable name of this replica. */
	instanceId: string;
	/** How long a lost connection counts on. Default 5 s. */
	graceMs?: number;
};

export type PresenceService = {
	api: PresenceApi;
	/** Does what is due now. The service does so by itself ten times a second. */
	tick(): Promise<void>;
	/** Whether every streamer has been heard. */
	isSynced(): boolean;
	stop(): Promise<void>;
};

const leaseMs = 9000;
const replicaSilentMs = 3000;
const beatMs = 1000;
/** A streamer that lives is heard within a renewal of its lease. */
const syncMs = 3500;
/** Of one user at most one announcement in this time. */
const announcePauseMs = 1000;
const tickMs = 100;
/** So long without a tick means that this process stood still. */
const stallMs = 2000;
/** How long a change is kept for the case that its owner dies: until that is noticed, and some. */
const rememberMs = 2 * replicaSilentMs;

/**
 * Who is online: one of the replicas of presence. All hear every report and hold all connections; of each user one alone
 * (`presence-owners.ts`) computes, stores and announces, and only when what is stored differs.
 *
 * A replica that cannot know (new, or cut off from the bus) leaves everything as it is stored until it has heard all
 * streamers; only what it knows for certain, that somebody is online, it tells before.
 *
 * @see architecture, 4; realtime contract, 5
 */
export async function presenceService(deps: Deps): Promise<PresenceService> {
	const { userStatuses: statuses, settings, bus, clock, log, instanceId, graceMs = 5000 } = deps;
	const table = presenceTable({ leaseMs, graceMs });
	const owners = presenceOwners(instanceId, replicaSilentMs);
	const announcer = presenceAnnouncer({ bus, statuses, pauseMs: announcePauseMs });
	const settler = presenceSettler({
		statuses,
		statusOf: table.statusOf,
		duty: (uid) => {
			if (!owners.isMine(uid)) remember(uid, true, undefined, clock.monotonic());
			else if (isSynced || table.statusOf(uid) === 'online') return true;
			return false;
		},
		announce: announcer.add,
	});
	/** Changes of the last seconds, oldest first: the heir of a replica that died announces them again. */
	const recent = new Map<UserId, { isVisible: boolean; previousStatus: UserStatus | undefined; at: number }>();
	const stopping = new AbortController();
	const asked = new Map<string, number>();
	let isSynced = false;
	let mayReconcile = false;
	let syncSince = clock.monotonic();
	let beatAt = Number.NEGATIVE_INFINITY;
	let tickAt = clock.monotonic();
	let isFailing = false;

	/** @returns false when it could not be sent. Beats and requests are repeated anyway. */
	function say(record: 'presenceReplica' | 'presenceChoice' | 'presenceRequest', body: object): boolean {
		const key = record === 'presenceRequest' ? 'all:presence-requests' : 'all:presence-replicas';
		const part = { kind: 'record', record, action: 'updated', body } as RecordPart;
		try {
			bus.publish({ key, parts: [part] });
			return true;
		} catch (error) {
			if (error instanceof ClientError) return false;
			throw error;
		}
	}

	function beat(now: number): void {
		beatAt = now;
		say('presenceReplica', { instance: instanceId, isSynced, isLeaving: false });
		if (owners.heard(instanceId, isSynced, now)) inherit();
	}

	/** Asks for a full report, of one streamer at most once a second. */
	function ask(instance: string | null, now: number): void {
		const name = instance ?? '';
		if (now - (asked.get(name) ?? Number.NEGATIVE_INFINITY) < 1000) return;
		for (const [other, at] of asked) if (now - at >= 1000) asked.delete(other);
		asked.set(name, now);
		say('presenceRequest', { instance });
	}

	/** After being deaf: nothing is certain until everybody has spoken again. */
	function loseSync(): void {
		const now = clock.monotonic();
		isSynced = false;
		syncSince = now;
		table.renewAll(now);
		asked.clear();
		ask(null, now);
		beat(now);
	}

	/**
	 * Responsibilities changed: what the others may have left undone is looked at again.
	 *
	 * @param afterLoss A replica ended: it may have stored what it could not announce any more.
	 */
	function inherit(afterLoss = false): void {
		if (isSynced) mayReconcile = true;
		announcer.forget();
		if (!afterLoss) return;
		for (const [uid, { isVisible, previousStatus }] of recent) {
			if (owners.isMine(uid)) announcer.add(uid, isVisible, previousStatus);
		}
	}

	function remember(uid: UserId, isVisible: boolean, previousStatus: UserStatus | undefined, now: number): void {
		recent.delete(uid);
		recent.set(uid, { isVisible, previousStatus, at: now });
	}

	function forgetOld(now: number): void {
		for (const [uid, { at }] of recent) {
			if (now - at < rememberMs) return;
			recent.delete(uid);
		}
	}

	function onReports({ parts }: Envelope): void {
		const now = clock.monotonic();
		for (const part of parts) {
			if (part.header.kind !== 'record' || part.header.record !== 'presenceReport') continue;
			const report = decodeBody(part) as RecordBodies['presenceReport'];
			if (!table.report(report, now)) ask(report.instance, now);
		}
		settler.add(table.takeTouched());
		work();
	}

	function onReplicas({ parts }: Envelope): void {
		const now = clock.monotonic();
		for (const part of parts) {
			if (part.header.kind !== 'record') continue;
			if (part.header.record === 'presenceChoice') {
				onChoice(decodeBody(part) as RecordBodies['presenceChoice'], now);
			} else if (part.header.record === 'presenceReplica') {
				const replica = decodeBody(part) as RecordBodies['presenceReplica'];
				if (replica.instance === instanceId) continue;
				const { instance, isLeaving } = replica;
				const changed = isLeaving ? owners.left(instance) : owners.heard(instance, replica.isSynced, now);
				if (changed) inherit(isLeaving);
			}
		}
		work();
	}

	function onChoice({ uid, isVisible, previousStatus }: RecordBodies['presenceChoice'], now: number): void {
		remember(uid, isVisible, previousStatus, now);
		if (owners.isMine(uid)) announcer.add(uid, isVisible, previousStatus);
	}

	async function workOff(): Promise<void> {
		if (mayReconcile && isSynced) {
			settler.add(await statuses.findConnected());
			settler.add(table.connectedUsers());
			mayReconcile = false;
		}
		await settler.settle(stopping.signal);
		while (bus.state === 'connected' && announcer.isDue(clock.monotonic())) await announcer.announce(clock.monotonic());
	}

	const runWork = coalesced(async () => {
		try {
			await workOff();
			isFailing = false;
		} catch (error) {
			if (!isFailing) log.error({ err: error }, 'statuses cannot be stored or announced, trying again');
			isFailing = true;
		}
	});

	/** Announces what is left, without the pauses. */
	async function lastWords(): Promise<void> {
		try {
			while (bus.state === 'connected' && announcer.size() > 0) await announcer.announce(Number.POSITIVE_INFINITY);
		} catch (error) {
			log.warn({ err: error }, 'the last status changes could not be announced');
		}
	}

	function work(): void {
		void runWork();
	}

	function sync(now: number): void {
		for (const instance of table.incomplete()) ask(instance, now);
		if (isSynced || now - syncSince < syncMs || table.incomplete().length > 0) return;
		isSynced = true;
		mayReconcile = true;
		log.info({ event: 'presence.synced', ...table.size() }, 'presence knows all connections');
		beat(now);
	}

	async function tick(): Promise<void> {
		const now = clock.monotonic();
		// A process that was stopped itself has heard nothing: that nobody spoke proves nothing.
		if (now - tickAt > stallMs) loseSync();
		tickAt = now;
		if (bus.state === 'connected') {
			if (now - beatAt >= beatMs) beat(now);
			table.expire(now);
			if (owners.expire(now)) inherit(true);
			forgetOld(now);
			sync(now);
			settler.add(table.takeTouched());
		}
		await runWork();
	}

	const stopState = bus.onState((event) => {
		if (event === 'gap') loseSync();
	});
	const unsubscribe = await Promise.all([
		bus.subscribe('all:presence-reports', onReports),
		bus.subscribe('all:presence-replicas', onReplicas),
	]);
	loseSync();
	const timer = setInterval(() => void tick(), tickMs);

	return {
		api: {
			async setStatus(uid, status, text) {
				const chosen = await storeChoice({ statuses, settings }, uid, status ?? null, text ?? null);
				if (chosen === null) return;
				if (!say('presenceChoice', { uid, ...chosen })) announcer.add(uid, chosen.isVisible, chosen.previousStatus);
			},
			async statusOf(uids) {
				return (await statuses.findPresence(uids)).map(({ _id, status, statusText }) => ({
					uid: _id,
					status: status ?? 'offline',
					statusText: statusText ?? '',
				}));
			},
		},
		tick,
		isSynced: () => isSynced,
		async stop() {
			if (stopping.signal.aborted) return;
			stopping.abort();
			clearInterval(timer);
			stopState();
			for (const end of unsubscribe) end();
			await runWork();
			await lastWords();
			say('presenceReplica', { instance: instanceId, isSynced: false, isLeaving: true });
		},
	};
}

type RecordPart = Parameters<Bus['publish']>[0]['parts'][number];
