import type { Permission, Room, Subscription, User, UserId } from '@rookery/protocol/records.ts';
import type { DdpContext, Session, Sub } from './context.ts';
import { rejudge, rejudgeAll, revokeSub } from './subscriptions.ts';

/** Fields of a room that decide who may read it. */
const decidingFields = new Set(['t', 'teamId', 'teamMain', 'prid', 'abacAttributes']);

/** Streams whose read rule asks for a permission. */
const permissionStreams = new Set([
	'room-messages',
	'notify-room',
	'room-data',
	'livechat-inquiry-queue-observer',
	'canned-responses',
	'integrationHistory',
	'importers',
	'stdout',
]);

/**
 * Obeys changes of rights on open subscriptions: at once, before the next event where the change itself says enough; and
 * once more a moment later, because authorization may have heard of the change after us.
 *
 * @see realtime contract 4.1.4; security contract SEC-AZ-7
 */
export function rightsWatch(context: DdpContext) {
	const later = new Set<NodeJS.Timeout>();

	function again(judge: () => void): void {
		const timer = setTimeout(() => {
			later.delete(timer);
			judge();
		}, context.limits.rejudgeMs).unref();
		later.add(timer);
	}

	function judgeSubs(sessions: () => Iterable<Session>, fits: (sub: Sub) => boolean, hold: boolean): void {
		const run = (hold: boolean) => {
			for (const session of sessions()) {
				for (const sub of session.subs.values()) if (fits(sub)) void rejudge(context, session, sub, hold);
			}
		};
		run(hold);
		again(() => run(false));
	}

	const ofUser = (uid: UserId) => () => [...(context.byUser.get(uid) ?? [])];
	const everybody = () => context.sessions;

	return {
		/** A user came into a room, left it or changed in it. */
		subscription(action: string, subscription: Subscription, fields: string[] | null): void {
			const { rid, u } = subscription;
			// Discussions and channels of teams are open to who is in another room.
			if (action === 'removed') judgeSubs(ofUser(u._id), (sub) => isOfAnyRoom(sub) && !isOfRoom(sub, rid), false);
			const hasRolesChanged = fields === null || fields.includes('roles');
			if (action === 'inserted' || (action === 'updated' && !hasRolesChanged)) return;
			const isClosedRoom = subscription.t === 'p' || subscription.t === 'd';
			if (action !== 'removed' || !isClosedRoom || subscription.prid !== undefined)
				return judgeSubs(ofUser(u._id), (sub) => isOfRoom(sub, rid), action === 'removed');
			// Nobody but a member reads a closed room: nothing has to be asked.
			for (const session of ofUser(u._id)()) {
				for (const sub of session.subs.values()) {
					if (!isOfRoom(sub, rid)) continue;
					if (sub.state === 'pending') void rejudge(context, session, sub, true);
					else revokeSub(context, session, sub);
				}
			}
		},

		room(action: string, room: Room, fields: string[] | null): void {
			if (action === 'inserted') return;
			const decides = action === 'removed' || fields === null || fields.some((field) => decidingFields.has(field));
			if (!decides) return;
			judgeSubs(everybody, (sub) => isOfRoom(sub, room._id), true);
			judgeSubs(everybody, (sub) => isOfAnyRoom(sub) && !isOfRoom(sub, room._id), false);
		},

		permission({ _id }: Permission): void {
			const isForSettings =
				_id.endsWith('-setting') || _id.startsWith('change-setting-') || _id === 'manage-selected-settings';
			judgeSubs(everybody, (sub) => usesPermissions(sub, isForSettings), false);
			context.membership.onRightsChanged();
		},

		/** @param before Roles as the session knew them. */
		user({ _id, roles }: Pick<User, '_id' | 'roles'>, before: string[]): void {
			if (sameSet(roles, before)) return;
			const run = () => {
				for (const session of ofUser(_id)()) void rejudgeAll(context, session);
				context.membership.onRightsChanged();
			};
			run();
			again(run);
		},

		/** A role was removed, or whether anonymous people may read was changed. */
		everything(): void {
			judgeSubs(everybody, (sub) => usesPermissions(sub, true), false);
			context.membership.onRightsChanged();
		},

		stop(): void {
			for (const timer of later) clearTimeout(timer);
			later.clear();
		},
	};
}

export type RightsWatch = ReturnType<typeof rightsWatch>;

function isOfAnyRoom({ stream }: Sub): boolean {
	return stream?.key['rid'] !== undefined;
}

function isOfRoom({ stream }: Sub, rid: string): boolean {
	return stream !== null && stream.key['rid'] === rid;
}

function usesPermissions({ stream }: Sub, includingSettings: boolean): boolean {
	if (stream === null) return false;
	if (permissionStreams.has(stream.stream.name)) return true;
	return includingSettings && stream.stream.name === 'notify-logged' && stream.event === 'private-settings-changed';
}

function sameSet(one: string[], other: string[]): boolean {
	return one.length === other.length && one.every((entry) => other.includes(entry));
}
