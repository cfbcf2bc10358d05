import type { Collection, Db } from 'mongodb';
import { randomId } from '@rookery/protocol/ids.ts';

/** Whose attempts are counted: a user's from one address, or all of an address. `username` as it was looked up. */
export type AttemptKey = { username: string; ip: string } | { ip: string };

type LoginEvent = {
	_id: string;
	t: 'failed-login-attempt' | 'login';
	ts: Date;
	_updatedAt: Date;
	ip: string;
	u: { _id?: string; username?: string };
	/** Ours: this failure closed the door until then, for the user at this address and for the address. Expires. */
	rk?: { userUntil?: Date; ipUntil?: Date };
};

/** One key of a window of attempts, with its bounds. */
export type AttemptWindow = { key: string; calls: number; perMs: number };

type Counter = { _id: string; n: number; expireAt: Date; now: Date };

/**
 * Attempts to log in, counted for all replicas: collections `rocketchat_server_events` (failures and successes, as in
 * Rocket.Chat) and `rookery_attempts` (how many attempts in the present window; removed by a TTL index).
 * @see data model, 7, "Attempt limiting"
 */
export function loginAttemptRepository(db: Db) {
	const events: Collection<LoginEvent> = db.collection('rocketchat_server_events');
	const counters: Collection<Counter> = db.collection('rookery_attempts');

	async function insert(event: Pick<LoginEvent, 't' | 'ip' | 'u'>): Promise<LoginEvent | null> {
		return events.findOneAndUpdate(
			{ _id: randomId() },
			{ $setOnInsert: { ...event, rk: {} }, $currentDate: { ts: true, _updatedAt: true } },
			{ upsert: true, returnDocument: 'after' },
		);
	}

	/** Failures of this key since its last success and its last block, at most `limit`. */
	async function failuresOf(key: AttemptKey, since: Date, limit: number): Promise<number> {
		const scope = scopeOf(key);
		const latest = { sort: { ts: -1 as const }, projection: { ts: 1 } };
		const success =
			'username' in key ? await events.findOne({ t: 'login', ...scope, ts: { $gt: since } }, latest) : null;
		const from = success === null ? since : success.ts;
		const failed = { t: 'failed-login-attempt' as const, ...scope };
		const block = await events.findOne({ ...failed, ts: { $gt: from }, [untilField(key)]: { $exists: true } }, latest);
		return events.countDocuments({ ...failed, ts: { $gt: block === null ? from : block.ts } }, { limit });
	}

	return {
		/**
		 * Whether a block of this key is in force.
		 *
		 * @param since Blocks of older failures are over: bounds the search, the database's clock decides.
		 */
		async isBlocked(key: AttemptKey, since: Date): Promise<boolean> {
			const found = await events.findOne(
				{
					t: 'failed-login-attempt',
					...scopeOf(key),
					ts: { $gt: since },
					$expr: { $gt: [`$${untilField(key)}`, '$$NOW'] },
				},
				{ projection: { _id: 1 }, sort: { ts: -1 } },
			);
			return found !== null;
		},

		/**
		 * Stores a failure, and the block where it is the last one allowed.
		 *
		 * @param limits For each key: how many failures make a block, and how long it lasts.
		 */
		async recordFailure(
			subject: { username: string; ip: string },
			limits: { key: AttemptKey; attempts: number; blockMs: number }[],
		): Promise<void> {
			const event = await insert({ t: 'failed-login-attempt', ip: subject.ip, u: { username: subject.username } });
			if (event === null) return;
			for (const { key, attempts, blockMs } of limits) {
				const since = new Date(event.ts.getTime() - countedMs);
				if ((await failuresOf(key, since, attempts)) < attempts) continue;
				await events.updateOne({ _id: event._id }, [
					{ $set: { [untilField(key)]: { $add: ['$ts', blockMs] }, _updatedAt: '$$NOW' } },
				]);
			}
		},

		/** Stores a success: the user's failures from this address no longer count. */
		async recordSuccess(user: { _id: string; username: string }, ip: string): Promise<void> {
			await insert({ t: 'login', ip, u: user });
		},

		/**
		 * Counts one attempt in the present window of a key, for all replicas. Windows begin with their first attempt.
		 *
		 * @returns null when it is within the limit; else ms until the window ends.
		 */
		async take({ key, calls, perMs }: AttemptWindow): Promise<number | null> {
			const running = { $gt: ['$expireAt', '$$NOW'] };
			const counter = await counters.findOneAndUpdate(
				{ _id: key },
				[
					{
						$set: {
							n: { $cond: [running, { $add: ['$n', 1] }, 1] },
							expireAt: { $cond: [running, '$expireAt', { $add: ['$$NOW', perMs] }] },
							now: '$$NOW',
						},
					},
				],
				// A count that is lost with a primary does no harm: no journal is waited for.
				{ upsert: true, returnDocument: 'after', writeConcern: { w: 1 } },
			);
			if (counter === null || counter.n <= calls) return null;
			return Math.max(1, counter.expireAt.getTime() - counter.now.getTime());
		},
	};
}

export type LoginAttemptRepository = ReturnType<typeof loginAttemptRepository>;

/** Failures older than this are forgotten. */
const countedMs = 24 * 60 * 60 * 1000;

function scopeOf(key: AttemptKey): { ip: string; 'u.username'?: string } {
	return 'username' in key ? { 'u.username': key.username, ip: key.ip } : { ip: key.ip };
}

function untilField(key: AttemptKey): 'rk.userUntil' | 'rk.ipUntil' {
	return 'username' in key ? 'rk.userUntil' : 'rk.ipUntil';
}
