import { createHash, timingSafeEqual } from 'node:crypto';
import type { RoomId, UserId } from '@rookery/protocol/records.ts';
import type { AccessFactRepository } from '../repositories/access-facts.ts';
import { newAttempt, type AccessFacts, type Attempt } from './access-facts.ts';
import type { AuthorizationApi } from './contracts.ts';

type Deps = { facts: AccessFacts; reads: AccessFactRepository };

/** More members than this are not signalled one by one. @see realtime contract 4.7 */
const maxPeers = 100;

/** So many holders of a room's key are looked at to find some who are online. */
const maxHoldersSeen = 2_000;

/**
 * What signals between users depend on: who is in a room, and whose visitor somebody is. As everywhere, what is remembered
 * may say yes and never no. A part of authorization.
 *
 * @see realtime contract 4.5 to 4.7, 4.11
 */
export function roomQuestions({
	facts,
	reads,
}: Deps): Pick<AuthorizationApi, 'membersAmong' | 'peersInRoom' | 'visitorOfRoom'> {
	async function members(rid: RoomId, uids: UserId[], attempt: Attempt) {
		const [room, ...present] = await Promise.all([
			facts.room(rid, attempt),
			...uids.map((uid) => isMember(rid, uid, attempt)),
		]);
		return room === null ? null : { t: room.t, uids: uids.filter((_uid, index) => present[index]) };
	}

	/** Of people whose account is in use. */
	async function isMember(rid: RoomId, uid: UserId, attempt: Attempt): Promise<boolean> {
		const [user, membership] = await Promise.all([facts.user(uid, attempt), facts.membership(rid, uid, attempt)]);
		return user?.active === true && membership !== null;
	}

	const membersAmong: AuthorizationApi['membersAmong'] = async (rid, uids) => {
		const remembered = await members(rid, uids, newAttempt(false));
		if (remembered?.uids.length === uids.length) return remembered;
		return members(rid, uids, newAttempt(true));
	};

	async function visitor(rid: RoomId, token: string, attempt: Attempt) {
		const found = (await facts.room(rid, attempt))?.visitor;
		if (found === undefined || !isSame(found.token, token)) return null;
		const { _id, username, name } = found;
		return { _id, username, ...(name === undefined ? {} : { name }) };
	}

	return {
		membersAmong,

		async peersInRoom(rid, uid, isKeyWanted) {
			const found = await membersAmong(rid, [uid]);
			if (found === null || found.uids.length === 0) return null;
			const { t } = found;
			const others = await reads.otherMembers(rid, uid, maxPeers);
			// He is one of the members himself.
			if (others.length < maxPeers) return { t, uids: others };
			return { t, uids: isKeyWanted ? await reads.onlineKeyHolders(rid, uid, maxPeers, maxHoldersSeen) : [] };
		},

		visitorOfRoom: async (rid, token) =>
			(await visitor(rid, token, newAttempt(false))) ?? visitor(rid, token, newAttempt(true)),
	};
}

/** In a time that tells nothing of the right token. */
function isSame(one: string, other: string): boolean {
	return timingSafeEqual(digest(one), digest(other));
}

function digest(text: string): Buffer {
	return createHash('sha256').update(text).digest();
}
