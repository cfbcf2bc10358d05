import { createHash } from 'node:crypto';
import type { Db } from 'mongodb';

/** A user of the bench, and the token he logs in with. */
export type BenchUser = { _id: string; username: string; token: string };

export type BenchRoom = { _id: string; members: BenchUser[] };

const batchSize = 10_000;

/**
 * Fills a workspace as an older server would have left it: users who are logged in, channels, and a subscription for
 * each member. Straight into the database, because a thousand registrations are a thousand password hashes.
 *
 * @see data model, 2 to 4 and 7
 */
export async function fillWorkspace(
	db: Db,
	userCount: number,
	rooms: { _id: string; members: number[] }[],
): Promise<BenchRoom[]> {
	const now = new Date();
	const users = Array.from({ length: userCount }, (_, index) => ({
		_id: `benchuser${index}`,
		username: `bench.user.${index}`,
		token: `bench-token-of-user-${index}-${'x'.repeat(20)}`,
	}));
	await db.collection<{ _id: string }>('users').insertMany(
		users.map(({ _id, username, token }) => ({
			_id,
			username,
			name: username,
			type: 'user',
			roles: ['user'],
			active: true,
			status: 'offline',
			createdAt: now,
			_updatedAt: now,
			services: { resume: { loginTokens: [{ hashedToken: hash(token), when: now }] } },
		})),
	);
	const filled = rooms.map(({ _id, members }) => ({ _id, members: members.flatMap((index) => users[index] ?? []) }));
	await db.collection<{ _id: string }>('rocketchat_room').insertMany(
		filled.map(({ _id, members }) => ({
			_id,
			t: 'c',
			name: _id,
			fname: _id,
			msgs: 0,
			usersCount: members.length,
			ts: now,
			_updatedAt: now,
			u: { _id: members[0]?._id, username: members[0]?.username },
			sysMes: true,
		})),
	);
	const memberships = filled.flatMap((room) => room.members.map((member) => ({ rid: room._id, member })));
	for (let start = 0; start < memberships.length; start += batchSize) {
		await db.collection<{ _id: string }>('rocketchat_subscription').insertMany(
			memberships.slice(start, start + batchSize).map(({ rid, member: { _id, username } }) => ({
				_id: `${rid}-${_id}`,
				rid,
				t: 'c',
				name: rid,
				fname: rid,
				u: { _id, username, name: username },
				ts: now,
				open: true,
				alert: false,
				unread: 0,
				userMentions: 0,
				groupMentions: 0,
				_updatedAt: now,
			})),
			{ ordered: false },
		);
	}
	return filled;
}

/** As login tokens are stored: base64 of SHA-256. */
function hash(token: string): string {
	return createHash('sha256').update(token).digest('base64');
}
