import type { Permission, Room, Subscription, User, UserId } from '@rookery/protocol/records.ts';
import type { ReadRule } from '../streams/stream.ts';
import type { DdpContext, Session, Sub } from './context.ts';
import { rejudge, revokeSub } from './subscriptions.ts';

/** Fields of a room that decide who may read it. */
const decidingFields = new Set(['t', 'teamId', 'teamMain', 'prid', 'abacAttributes', 'open', 'servedBy', 'v']);

/** Which subscriptions are to be judged. */
type Choice = (sub: Sub) => boolean;

/** As many questions travel together. */
const judgedPerTurn = 1_000;

/** Changes that concern everybody are judged together when they come faster than this, in ms. */
const widelyEveryMs = 200;

/** With more changes than this at once everything is judged. */
const maxChoices = 100;

function nextTurn(): Promise<void> {
	return new Promise((resolve) => {
		setImmediate(resolve);
	});
}

/**
 * Obeys changes of rights on open subscriptions: at once, before the next event where the change itself says enough; and
 * once more a moment later, because authorization may have heard of the change after us. What a subscription depends on is
 * declared by its stream.
 *
 * @see realtime contract 4.1.4; security contract SEC-AZ-7
 */
export function rightsWatch(context: DdpContext) {
	const later = new Set<NodeJS.Timeout>();
	const choices: Choice[] = [];
	let wideTimer: NodeJS.Timeout | null = null;

	function again(judge: () => void): void {
		const timer = setTimeout(() => {
			later.delete(timer);
			judge();
		}, context.limits.rejudgeMs).unref();
		later.add(timer);
	}

	/** @param hold Keeps events back until the answer: then all are held before this returns. */
	function judgeSubs(sessions: () => Iterable<Session>, fits: Choice, hold: boolean): void {
		if (hold) {
			for (const session of sessions()) judgeSession(session, fits, true);
		} else {
			void judgeInTurns(sessions(), fits);
		}
		again(() => void judgeInTurns(sessions(), fits));
	}

	/** Judges subscriptions of everybody: when much changes at once a few times, not once for each change. */
	function judgeWidely(fits: Choice): void {
		if (choices.length <= maxChoices) choices.push(fits);
		if (wideTimer === null) judgeChosen();
	}

	function judgeChosen(): void {
		const chosen = choices.splice(0);
		const fits: Choice = chosen.length > maxChoices ? () => true : (sub) => chosen.some((choice) => choice(sub));
		judgeSubs(everybody, fits, false);
		wideTimer = setTimeout(() => {
			wideTimer = null;
			if (choices.length > 0) judgeChosen();
		}, widelyEveryMs).unref();
	}

	/** Many subscriptions are judged a part at a time: others have their turn in between. */
	async function judgeInTurns(sessions: Iterable<Session>, fits: Choice): Promise<void> {
		let judged = 0;
		// As they are now: others come and go in between.
		const present = [...sessions];
		for (const session of present) {
			judged += judgeSession(session, fits, false);
			if (judged < judgedPerTurn) continue;
			judged = 0;
			await nextTurn();
		}
	}

	/** @returns How many of its subscriptions were judged. */
	function judgeSession(session: Session, fits: Choice, hold: boolean): number {
		let judged = 0;
		for (const sub of session.subs.values()) {
			if (!fits(sub)) continue;
			judged += 1;
			void rejudge(context, session, sub, hold);
		}
		return judged;
	}

	const ofUser = (uid: UserId) => () => [...(context.byUser.get(uid) ?? [])];
	const everybody = () => context.sessions;

	return {
		/** A user came into a room, left it or changed in it. */
		subscription(action: string, subscription: Subscription, fields: string[] | null): void {
			const { rid, u } = subscription;
			// Discussions and channels of teams are open to who is in another room.
			if (action === 'removed') judgeSubs(ofUser(u._id), (sub) => isOfAnyRoom(sub) && !isOfRoom(sub, rid), false);
			const hasDecided = fields === null || fields.includes('roles') || fields.includes('status');
			if (action === 'inserted' || (action === 'updated' && !hasDecided)) return;
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

		/** A room changed or is gone, heard by its own key. */
		room(action: string, room: Room, fields: string[] | null): void {
			if (action === 'inserted') return;
			const decides = action === 'removed' || fields === null || fields.some((field) => decidingFields.has(field));
			if (decides) judgeSubs(everybody, (sub) => isOfRoom(sub, room._id), true);
		},

		/** Who may read a room may have changed, and with it who may read rooms that depend on it. @param rid '': any room */
		roomAccess(rid: string): void {
			judgeSubs(everybody, (sub) => isOfRoom(sub, rid), true);
			judgeWidely((sub) => isOfAnyRoom(sub) && !isOfRoom(sub, rid));
		},

		permission({ _id }: Permission): void {
			judgeWidely((sub) => dependsOn(sub, 'permissions', _id));
			context.membership.onRightsChanged();
		},

		setting(id: string): void {
			const isRead = [...context.streams.values()].some((stream) =>
				[stream.read, ...stream.events.values()].some(({ settings }) => settings.includes(id)),
			);
			if (!isRead) return;
			judgeWidely((sub) => dependsOn(sub, 'settings', id));
			context.membership.onRightsChanged();
		},

		/**
		 * @param isTold The change is one of roles: who has just logged in knows them, but was judged before.
		 * @param before Roles as his sessions knew them.
		 */
		user({ _id, roles }: Pick<User, '_id' | 'roles'>, isTold: boolean, before: string[][]): void {
			if (before.length === 0 || (!isTold && before.every((known) => sameSet(roles, known)))) return;
			judgeSubs(ofUser(_id), () => true, true);
			context.membership.onRightsChanged();
			again(() => context.membership.onRightsChanged());
		},

		/** A role was removed. */
		everything(): void {
			judgeWidely((sub) => (ruleOf(sub)?.permissions.length ?? 0) > 0);
			context.membership.onRightsChanged();
		},

		stop(): void {
			for (const timer of later) clearTimeout(timer);
			later.clear();
			if (wideTimer !== null) clearTimeout(wideTimer);
		},
	};
}

export type RightsWatch = ReturnType<typeof rightsWatch>;

function ruleOf({ stream, event }: Sub): ReadRule | null {
	return stream === null ? null : stream.ruleOf(event);
}

function isOfAnyRoom(sub: Sub): boolean {
	return ruleOf(sub)?.isOfRoom === true;
}

function isOfRoom(sub: Sub, rid: string): boolean {
	// Keys are worked out: only of the few that may fit.
	return sub.event.startsWith(rid) && isOfAnyRoom(sub) && sub.key['rid'] === rid;
}

function dependsOn(sub: Sub, on: 'permissions' | 'settings', id: string): boolean {
	return ruleOf(sub)?.[on].includes(id) === true;
}

function sameSet(one: string[], other: string[]): boolean {
	return one.length === other.length && one.every((entry) => other.includes(entry));
}
