import type { EventPart, PresenceChange } from '@rookery/protocol/events.ts';
import type { UserId, UserStatus } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { UserPresence, UserStatusRepository } from '../repositories/user-status.ts';

type Deps = { bus: Bus; statuses: Pick<UserStatusRepository, 'findPresence'>; pauseMs: number };

/** A user whose status has to be told: `isVisible` to everybody, else to himself only. */
type Due = { isVisible: boolean; previousStatus: UserStatus | undefined };

/** Users told in one envelope. */
const maxUsers = 200;

/**
 * Tells of changed statuses: on the user's own key for his clients, on `all:presence` for everybody. What is told is read
 * at that moment, so the newest state is always told last; of one user at most once in `pauseMs`.
 *
 * The streamers make the frames `stream-user-presence`, `notify-logged/user-status` and `userData` from it.
 *
 * @see realtime contract 5.4
 */
export function presenceAnnouncer({ bus, statuses, pauseMs }: Deps) {
	const due = new Map<UserId, Due>();
	/** When and what was told last, as long as it matters. */
	const told = new Map<UserId, { at: number; words: string }>();

	function isPausing(uid: UserId, now: number): boolean {
		const last = told.get(uid);
		return last !== undefined && now - last.at < pauseMs;
	}

	function take(now: number): [UserId, Due][] {
		for (const [uid, { at }] of told) if (now - at >= 2 * pauseMs) told.delete(uid);
		const batch: [UserId, Due][] = [];
		for (const entry of due) {
			if (isPausing(entry[0], now)) continue;
			batch.push(entry);
			due.delete(entry[0]);
			if (batch.length === maxUsers) break;
		}
		return batch;
	}

	function giveBack(batch: [UserId, Due][]): void {
		for (const [uid, { isVisible, previousStatus }] of batch) add(uid, isVisible, previousStatus);
	}

	function add(uid: UserId, isVisible: boolean, previousStatus: UserStatus | undefined): void {
		const known = due.get(uid);
		due.set(uid, {
			isVisible: isVisible || known?.isVisible === true,
			previousStatus: known?.previousStatus ?? previousStatus,
		});
	}

	function publish(users: UserPresence[], wanted: Map<UserId, Due>, now: number): void {
		const parts: EventPart[] = [];
		const words = new Map<UserId, string>();
		for (const user of users) {
			const entry = wanted.get(user._id);
			if (entry === undefined || user.username === undefined) continue;
			const body = changeOf(user, user.username, entry.previousStatus);
			const part: EventPart = { kind: 'record', record: 'presence', action: 'updated', body };
			bus.publish({ key: `user:${user._id}`, parts: [part] });
			if (!entry.isVisible) continue;
			words.set(user._id, `${body.status} ${body.statusText}`);
			// Away and back within the pause: nothing new for the others.
			if (told.get(user._id)?.words !== words.get(user._id)) parts.push(part);
		}
		if (parts.length > 0) bus.publish({ key: 'all:presence', parts });
		for (const [uid, said] of words) told.set(uid, { at: now, words: said });
	}

	return {
		/** Remembers that a user's status has to be told. */
		add,
		/** Whether something may be told now. */
		isDue(now: number): boolean {
			for (const uid of due.keys()) if (!isPausing(uid, now)) return true;
			return false;
		},
		/** Tells one batch. What could not be told is told later. */
		async announce(now: number): Promise<void> {
			const batch = take(now);
			if (batch.length === 0) return;
			try {
				publish(await statuses.findPresence(batch.map(([uid]) => uid)), new Map(batch), now);
			} catch (error) {
				giveBack(batch);
				throw error;
			}
		},
		/** Forgets what was told: somebody else may have told something since. */
		forget: () => told.clear(),
		/** Users still to be told of. */
		size: () => due.size,
	};
}

/** Everything that clients are told of a user's status; always complete. */
export function changeOf(user: UserPresence, username: string, previousStatus: UserStatus | undefined): PresenceChange {
	const { _id, name, roles, status, statusText, statusDefault, statusConnection } = user;
	return {
		uid: _id,
		username,
		...(name === undefined ? {} : { name }),
		roles: roles ?? [],
		status: status ?? 'offline',
		statusText: statusText ?? '',
		...(statusDefault === undefined ? {} : { statusDefault }),
		...(statusConnection === undefined ? {} : { statusConnection }),
		...(previousStatus === undefined ? {} : { previousStatus }),
	};
}
