import type { Db, Document } from 'mongodb';
import type { Pos } from '@rookery/protocol/events.ts';
import type { LeaseDocument, LeaseStore } from '../platform/lease.ts';
import type { ResumeToken } from './watch.ts';

/** The collection of the hub's own state. Its lease, renewed twice a second, is also what proves the change stream. */
export const hubCollection = 'rookery_hub';

/** How far the hub has published: nothing up to here has to be published again. */
export type HubProgress = {
	token: ResumeToken;
	/** Position of the last change covered; '' = none yet. */
	pos: Pos;
	/** Rooms in which a post may have been left half done. */
	unsettled: string[];
};

/** `_id` of the lease's document: changes of it come back through the stream. */
export const leaseId = 'lease';

type LeaseRow = { _id: typeof leaseId } & LeaseDocument;
type ProgressRow = { _id: 'progress'; epoch: number } & HubProgress;

/**
 * The hub's lease and how far it has come: collection `rookery_hub`. Every write is conditional, so that a hub which was
 * replaced changes nothing any more.
 */
export function hubStateRepository(db: Db) {
	const leases = db.collection<LeaseRow>(hubCollection);
	const progress = db.collection<ProgressRow>(hubCollection);

	const lease: LeaseStore = {
		async read() {
			const row = await leases.findOne({ _id: leaseId });
			return row === null ? null : leaseOf(row);
		},

		async take(seen, holder) {
			if (seen === null) {
				const row = await leases.findOneAndUpdate({ _id: leaseId }, firstLease(holder), {
					upsert: true,
					returnDocument: 'after',
				});
				return row?.holder === holder && row.beat === 1 ? leaseOf(row) : null;
			}
			const row = await leases.findOneAndUpdate(
				{ _id: leaseId, holder: seen.holder, epoch: seen.epoch, beat: seen.beat },
				{ $set: { holder }, $inc: { epoch: 1, beat: 1 } },
				{ returnDocument: 'after' },
			);
			return row === null ? null : leaseOf(row);
		},

		async renew({ holder, epoch }) {
			const row = await leases.findOneAndUpdate(
				{ _id: leaseId, holder, epoch },
				{ $inc: { beat: 1 } },
				{ returnDocument: 'after' },
			);
			return row === null ? null : leaseOf(row);
		},

		async release({ holder, epoch }) {
			await leases.updateOne({ _id: leaseId, holder, epoch }, { $set: { holder: '' }, $inc: { beat: 1 } });
		},
	};

	return {
		lease,

		/** How far hubs have come; null before the first one. */
		async loadProgress(): Promise<HubProgress | null> {
			const row = await progress.findOne({ _id: 'progress' });
			return row === null ? null : { token: row.token, pos: row.pos, unsettled: row.unsettled ?? [] };
		},

		/**
		 * Notes how far the hub has come.
		 *
		 * @returns false when a hub of a later epoch has written since: this one has been replaced.
		 */
		async saveProgress({ token, pos, unsettled }: HubProgress, epoch: number): Promise<boolean> {
			const set = { $set: { token, pos, unsettled, epoch } };
			const updated = await progress.updateOne({ _id: 'progress', epoch: { $lte: epoch } }, set);
			if (updated.matchedCount === 1) return true;
			const inserted = await progress.updateOne(
				{ _id: 'progress' },
				{ $setOnInsert: { token, pos, unsettled, epoch } },
				{ upsert: true },
			);
			return inserted.upsertedCount === 1;
		},
	};
}

export type HubStateRepository = ReturnType<typeof hubStateRepository>;

/**
 * The row appears once: of two who try, one finds it there. Its first epoch is the database's time in seconds, so that it
 * is later than all before it even where somebody has dropped the collection.
 */
function firstLease(holder: string): Document[] {
	const epoch = { $toLong: { $floor: { $divide: [{ $toLong: '$$NOW' }, 1_000] } } };
	const first = { $mergeObjects: [{ $literal: { _id: leaseId, holder, beat: 1 } }, { epoch }] };
	return [{ $replaceWith: { $cond: [{ $eq: [{ $type: '$beat' }, 'missing'] }, first, '$$ROOT'] } }];
}

function leaseOf({ holder, epoch, beat }: LeaseRow): LeaseDocument {
	return { holder, epoch, beat };
}
