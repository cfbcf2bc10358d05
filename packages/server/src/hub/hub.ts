import { setTimeout as pause } from 'node:timers/promises';
import { randomId } from '@rookery/protocol/ids.ts';
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../platform/clock.ts';
import { leaseOf, renewMs, watchMs } from '../platform/lease.ts';
import type { Log } from '../platform/log.ts';
import { backoffMs, retry } from '../platform/retry.ts';
import { hubCollection, type HubStateRepository } from '../repositories/hub-state.ts';
import type { Change } from '../repositories/watch-change.ts';
import { HistoryLostError, type WatchOptions } from '../repositories/watch.ts';
import type { CoreApi } from '../services/contracts.ts';
import { hubRun, Interrupted, type HubCounters, type HubRun } from './hub-run.ts';
import { publishedCollections } from './publications.ts';
import { settlingWatch } from './settling.ts';

export type HubDeps = {
	/** Opens the change stream. */
	watch: (options: WatchOptions) => AsyncIterable<Change>;
	state: HubStateRepository;
	bus: Bus;
	core: Pick<CoreApi, 'settle'>;
	clock: Clock;
	log: Log;
	instanceId: string;
	/** Everything runs in this process: nobody else can hold the lease. */
	isEmbedded: boolean;
};

export type HubStatus = {
	/** What is wrong, or null. Standing by is nothing wrong. */
	problem: string | null;
	/** How old the newest beat is that came back through the change stream; 0 while standing by. */
	lagSeconds: number;
	/** 0 while standing by. */
	epoch: number;
	isActive: boolean;
	/** Changes that were skipped. */
	poison: number;
	/** Envelopes sent. */
	published: number;
};

export type Hub = {
	stop(): Promise<void>;
	status(): HubStatus;
	/** Resolves when a change written by this hub has come back for the first time: from then on changes are heard. */
	hears: Promise<void>;
};

/** From this lag on the hub says that it is unhealthy. @see security contract REL-10 */
const maxLagSeconds = 15;
/** Longest time that the last flush may take when the process stops, in ms. */
const finishMs = 3_000;

/** A time of being the active hub. */
type Term = { ending: AbortController; done: Promise<void>; provenAt: number };

/**
 * The stream hub: changes of the database become events. Of several hubs one is active, by a lease; it goes on where the
 * last one's events had arrived.
 *
 * Resolves at once: taking part begins in the background. Runs in: stream-hub.
 *
 * @see architecture 3, "Hub"; security contract REL-4
 */
export function startHub(deps: HubDeps): Promise<Hub> {
	const { state, bus, clock, log } = deps;
	const holder = `${deps.instanceId}/${randomId()}`;
	const lease = leaseOf({ store: state.lease, holder, clock, isEmbedded: deps.isEmbedded });
	const counters: HubCounters = { published: 0, poison: 0 };
	const settling = settlingWatch(deps);
	const stopping = new AbortController();
	const hearing = Promise.withResolvers<void>();
	let term: Term | null = null;
	let failure: string | null = null;

	function begin(epoch: number): void {
		const ending = new AbortController();
		const begun: Term = { ending, done: Promise.resolve(), provenAt: clock.monotonic() };
		term = begun;
		log.info({ event: 'hub.active', epoch }, 'this hub is active');
		begun.done = serve(begun).catch((error: unknown) => {
			log.error({ event: 'hub.failed', err: error }, 'the hub failed and starts again');
		});
	}

	async function end(): Promise<void> {
		const ended = term;
		term = null;
		if (ended === null) return;
		ended.ending.abort();
		await ended.done;
		settling.stop();
	}

	async function serve(own: Term): Promise<void> {
		const { signal } = own.ending;
		const onRetry = (error: unknown): void => note(error, 'the state of the hub cannot be read');
		const progress = await retry(() => state.loadProgress(), { signal, onRetry });
		const onBeat = (beat: number): void => {
			own.provenAt = lease.sentAt(beat) ?? own.provenAt;
			hearing.resolve();
		};
		const run = hubRun({ ...deps, lease, settling, counters, onBeat }, progress, signal);
		settling.start();
		settling.restore(progress?.unsettled ?? []);
		const unlisten = bus.onState((event) => {
			if (event === 'disconnected' || event === 'closed') run.disconnected();
		});
		try {
			await follow(run, signal);
			await Promise.race([run.finish(), pause(finishMs, undefined, { ref: false })]);
		} finally {
			unlisten();
		}
	}

	/** Until the signal: opens the stream where everything before has arrived, again and again. */
	async function follow(run: HubRun, signal: AbortSignal): Promise<void> {
		for (let attempt = 1; !signal.aborted; attempt++) {
			const resumeAfter = run.rewind();
			await connected(bus, signal);
			const cut = new AbortController();
			const unlisten = bus.onState((event) => {
				if (event === 'disconnected' || event === 'closed') cut.abort();
			});
			try {
				const watching = AbortSignal.any([signal, cut.signal]);
				const onRetry = (error: Error): void => note(error, 'the change stream broke and is opened again');
				const collections = [...publishedCollections, hubCollection];
				const options = { collections, resumeAfter, signal: watching, onIdle: run.idle, onRetry };
				for await (const change of deps.watch(options)) {
					await run.handle(change);
					attempt = 1;
					failure = null;
					if (cut.signal.aborted) break;
				}
			} catch (error) {
				await recover(run, error, attempt, signal);
			} finally {
				unlisten();
			}
		}
	}

	async function recover(run: HubRun, error: unknown, attempt: number, signal: AbortSignal): Promise<void> {
		if (error instanceof HistoryLostError) {
			log.error(
				{ event: 'hub.history-lost', err: error },
				'the database no longer has the changes since the last stop',
			);
			run.restart();
			if (await lease.newEpoch()) await run.resync('history-lost').catch(ignoreInterruption);
			return;
		}
		if (!(error instanceof Interrupted)) note(error, 'the hub begins again behind the last confirmed change');
		await pause(backoffMs(attempt), undefined, { signal }).catch(() => undefined);
	}

	/** Takes part in holding the lease until the hub is stopped. */
	async function takePart(): Promise<void> {
		while (!stopping.signal.aborted) {
			try {
				await lease.tick();
			} catch (error) {
				note(error, 'the lease could not be renewed');
			}
			const epoch = lease.epoch();
			if (epoch === null) await end();
			else if (term === null) begin(epoch);
			const waitMs = epoch === null ? watchMs : renewMs;
			await pause(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
		}
	}

	/** Logs a failure that is tried again: once, until something works. */
	function note(error: unknown, what: string): void {
		if (failure === null) log.warn({ event: 'hub.retry', err: error }, what);
		failure = what;
	}

	function status(): HubStatus {
		const isActive = term !== null && lease.mayAct();
		const lagSeconds = term === null ? 0 : (clock.monotonic() - term.provenAt) / 1_000;
		const isLate = lagSeconds > maxLagSeconds;
		const late = failure ?? 'no change came back through the change stream';
		return {
			problem: isLate ? `${late} (${Math.round(lagSeconds)} s)` : null,
			lagSeconds,
			epoch: term === null ? 0 : (lease.epoch() ?? 0),
			isActive,
			...counters,
		};
	}

	const taking = takePart();
	return Promise.resolve({
		status,
		hears: hearing.promise,
		async stop() {
			stopping.abort();
			await taking;
			await end();
			await lease.release().catch((error: unknown) => note(error, 'the lease could not be given back'));
		},
	});
}

/** Resolves when the bus is connected, or the signal aborts. */
function connected(bus: Bus, signal: AbortSignal): Promise<void> {
	if (bus.state === 'connected' || signal.aborted) return Promise.resolve();
	return new Promise((resolve) => {
		const finish = (): void => {
			unlisten();
			signal.removeEventListener('abort', finish);
			resolve();
		};
		const unlisten = bus.onState((event) => {
			if (event === 'connected') finish();
		});
		signal.addEventListener('abort', finish, { once: true });
	});
}

function ignoreInterruption(error: unknown): void {
	if (!(error instanceof Interrupted)) throw error;
}
