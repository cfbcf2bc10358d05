import { setTimeout as pause } from 'node:timers/promises';
import { MongoServerError, type Collection, type Db, type Filter } from 'mongodb';
import { indexes } from './001-indexes.ts';
import { changeImages } from './002-change-images.ts';
import { controlDocument } from './003-control-document.ts';
import { otherIndexes } from './004-other-indexes.ts';
import type { Migration } from './migration.ts';

/** What must be done before the server is ready. A step that was released is never changed: a correction is a new step. */
export const migrations: readonly Migration[] = [indexes, changeImages, controlDocument];

/** What may be done while the server runs already: it costs half the time of a first start. */
export const laterMigrations: readonly Migration[] = [otherIndexes];

export type MigrationOptions = {
	/** Names this process in the lease; differs between processes. */
	instanceId: string;
	/** Hears of each step this process has done. */
	onDone?: (migration: Migration, problems: string[], durationMs: number) => void;
	/** Ends the waiting for another process. */
	signal?: AbortSignal;
	/** The steps to do; `migrations` by default. */
	steps?: readonly Migration[];
};

type Done = { _id: number; name: string; problems: string[]; doneAt: Date };
type Lease = { _id: 'lease'; holder: string; until: Date };

/** The lease stands in the same collection. */
const stepsOnly: Filter<Done> = { name: { $exists: true } };

const leaseMs = 30_000;
const renewEveryMs = 5_000;
const lookEveryMs = 250;

/**
 * Brings the database's schema to what this version needs and returns when that is so, whoever did it: several processes
 * may start at once, one of them works. What is done is recorded in our own collection `rookery_migrations`.
 *
 * @returns What could not be done in any step ever run here, though the server works without it.
 * @see data model, 15
 */
export async function migrate(db: Db, options: MigrationOptions): Promise<string[]> {
	const journal: Collection<Done> = db.collection('rookery_migrations');
	const steps = options.steps ?? migrations;
	for (;;) {
		options.signal?.throwIfAborted();
		const done = await journal.find(stepsOnly).toArray();
		const missing = steps.filter(({ number }) => !done.some(({ _id }) => _id === number));
		if (missing.length === 0) return done.flatMap(({ problems }) => problems);
		await workOrWait(db, journal, missing, options);
	}
}

/** Does the first missing step under the lease, or waits a moment for the process that holds it. */
async function workOrWait(
	db: Db,
	journal: Collection<Done>,
	missing: readonly Migration[],
	options: MigrationOptions,
): Promise<void> {
	const lease: Collection<Lease> = db.collection('rookery_migrations');
	if (!(await takeLease(lease, options.instanceId))) {
		await pause(lookEveryMs);
		return;
	}
	const renewal = setInterval(() => {
		// A failed renewal does no harm: steps may run twice at once.
		void takeLease(lease, options.instanceId).catch(() => false);
	}, renewEveryMs);
	try {
		// What another process finished between the look and the lease is not done again.
		const present = await journal.distinct('_id', stepsOnly);
		for (const step of missing) if (!present.includes(step.number)) await doStep(db, journal, step, options);
	} finally {
		clearInterval(renewal);
		await lease.deleteOne({ _id: 'lease', holder: options.instanceId });
	}
}

async function doStep(db: Db, journal: Collection<Done>, step: Migration, { onDone }: MigrationOptions): Promise<void> {
	const startedAt = performance.now();
	const problems = await step.run(db);
	await journal.updateOne(
		{ _id: step.number },
		{ $setOnInsert: { name: step.name, problems }, $currentDate: { doneAt: true } },
		{ upsert: true },
	);
	onDone?.(step, problems, performance.now() - startedAt);
}

/** Takes the lease when it is free, run out or ours: judged by the database's clock. */
async function takeLease(leases: Collection<Lease>, instanceId: string): Promise<boolean> {
	const holder = { $literal: instanceId };
	// A missing field is less than any date.
	const mayTake = { $or: [{ $eq: ['$holder', holder] }, { $lt: ['$until', '$$NOW'] }] };
	try {
		const lease = await leases.findOneAndUpdate(
			{ _id: 'lease' },
			[
				{ $set: { mayTake } },
				{
					$set: {
						holder: { $cond: ['$mayTake', holder, '$holder'] },
						until: { $cond: ['$mayTake', { $add: ['$$NOW', leaseMs] }, '$until'] },
					},
				},
				{ $unset: 'mayTake' },
			],
			{ upsert: true, returnDocument: 'after' },
		);
		return lease?.holder === instanceId;
	} catch (error) {
		// Two met at the first lease.
		if (error instanceof MongoServerError && error.code === 11000) return false;
		throw error;
	}
}
