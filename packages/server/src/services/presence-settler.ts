import type { UserId, UserStatus } from '@rookery/protocol/records.ts';
import type { UserPresence, UserStatusRepository } from '../repositories/user-status.ts';
import { visibleStatus } from './presence-rule.ts';

type Deps = {
	statuses: Pick<UserStatusRepository, 'findPresence' | 'replaceStatus'>;
	/** What the connections of a user say now. */
	statusOf: (uid: UserId) => UserStatus;
	/** Whether this replica has to see to a user now. Asked once each time he is added. */
	duty: (uid: UserId) => boolean;
	/** Hears of every status stored. */
	announce: (uid: UserId, isVisible: boolean, previousStatus: UserStatus) => void;
};

/** Users settled by one read. */
const batchUsers = 500;

/**
 * Brings the stored status of users in line with what their connections say: reads many at once, writes those alike with
 * one command, each only where the state it was computed from still stands.
 */
export function presenceSettler({ statuses, statusOf, duty, announce }: Deps) {
	const unsettled = new Set<UserId>();

	/** The next batch of ours. Those of others are forgotten here. */
	function take(): UserId[] {
		const batch: UserId[] = [];
		for (const uid of unsettled) {
			unsettled.delete(uid);
			if (duty(uid)) batch.push(uid);
			if (batch.length === batchUsers) break;
		}
		return batch;
	}

	function add(uids: Iterable<UserId>): void {
		for (const uid of uids) unsettled.add(uid);
	}

	async function write(batch: UserId[]): Promise<void> {
		for (const { users, from, to } of groupsToWrite(await statuses.findPresence(batch), statusOf)) {
			const previous = from.status ?? 'offline';
			const written = await statuses.replaceStatus(users, from, to);
			for (const uid of users) announce(uid, previous !== to.status, previous);
			// Somebody else wrote to some of them meanwhile, it is not known to whom: all are looked at again.
			if (written < users.length) add(users);
		}
	}

	return {
		/** Users whose stored status may be wrong. */
		add,
		/** Settles all of them. After a failure they are still to be settled. */
		async settle(stop: AbortSignal): Promise<void> {
			for (let batch = take(); batch.length > 0; batch = take()) {
				try {
					stop.throwIfAborted();
					await write(batch);
				} catch (error) {
					add(batch);
					if (stop.aborted) return;
					throw error;
				}
			}
		},
	};
}

type Group = { users: UserId[]; from: UserPresence; to: { status: UserStatus; statusConnection: UserStatus } };

/** Users whose stored status is not what their connections say, gathered by what is stored and what should be. */
function groupsToWrite(users: UserPresence[], connectionOf: (uid: UserId) => UserStatus): Group[] {
	const groups = new Map<string, Group>();
	for (const user of users) {
		const statusConnection = connectionOf(user._id);
		const status = visibleStatus(statusConnection, user.statusDefault);
		if (status === user.status && statusConnection === (user.statusConnection ?? 'offline')) continue;
		const name = [user.status, user.statusDefault, user.statusConnection, status, statusConnection].join();
		const group = groups.get(name) ?? { users: [], from: user, to: { status, statusConnection } };
		group.users.push(user._id);
		groups.set(name, group);
	}
	return [...groups.values()];
}
