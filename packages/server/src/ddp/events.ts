import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import { decodeBody } from '@rookery/protocol/envelope.ts';
import type { PartHeader, PresenceChange, RecordBodies } from '@rookery/protocol/events.ts';
import { presenceCodes } from '@rookery/protocol/events.ts';
import type { Envelope, ReceivedPart } from '../bus/bus.ts';
import { eventFrame } from './answers.ts';
import type { DdpContext } from './context.ts';
import { deliverUserData, revokeTokens } from './identity.ts';
import { privateSettingDelivery, privateSettings } from './private-settings.ts';
import { positionFilter } from './positions.ts';
import { deliverPresence } from './presence-watch.ts';
import { livePublications } from './publications.ts';
import type { RightsWatch } from './rights.ts';
import type { SendKind } from './socket.ts';

type RecordPart = Extract<PartHeader, { kind: 'record' }>;
type DirectPart = Extract<PartHeader, { kind: 'direct' }>;

/**
 * What becomes of an envelope of the bus: direct parts are spliced into frames, records change what the streamer knows
 * (before the next event is looked at) and become frames where they have to.
 *
 * @param onLost Called when the hub says that changes were missed for good.
 * @see architecture, "From a write to a frame"
 */
export function eventRouter(context: DdpContext, rights: RightsWatch, onLost: () => void) {
	const isOld = positionFilter();
	const deliverSetting = privateSettingDelivery(context);
	const live = livePublications(context);

	function handle(envelope: Envelope): void {
		if (isOld(envelope.header)) return;
		const { pos } = envelope.header;
		if (pos !== null && (context.lastPosition === null || pos > context.lastPosition)) context.lastPosition = pos;
		context.fanout.at(pos);
		for (const part of envelope.parts) {
			try {
				if (part.header.kind === 'direct') deliver(part.header, part.body, envelope.header.origin);
				else handleRecord(part.header, part, envelope.header.key);
			} catch (error) {
				context.log.error({ err: error, key: envelope.header.key }, 'an event could not be handled');
			}
		}
		context.fanout.at(null);
	}

	function deliver(header: DirectPart, body: Uint8Array, origin: string | undefined): void {
		if (header.stream === 'notify-logged' && header.event === privateSettings) return deliverSetting(body);
		deliverDirect(context, header, body, origin);
	}

	function handleRecord(header: RecordPart, part: ReceivedPart, key: string): void {
		const body = decodeBody(part);
		const { action } = header;
		switch (header.record) {
			case 'subscription': {
				const { subscription, fields } = body as RecordBodies['subscription'];
				rights.subscription(action, subscription, fields);
				context.membership.onSubscription(action, subscription, fields);
				return;
			}
			case 'room': {
				const { room, fields } = body as RecordBodies['room'];
				rights.room(action, room, fields);
				context.membership.onRoom(action, room, fields);
				return;
			}
			case 'user':
				return onUser(context, rights, action, body as RecordBodies['user']);
			case 'setting':
				return rights.setting((body as RecordBodies['setting']).setting._id);
			case 'loginService':
				return live.loginServicesChanged();
			case 'roomAccess':
				return rights.roomAccess((body as RecordBodies['roomAccess']).rid);
			case 'permission':
				return rights.permission((body as RecordBodies['permission']).permission);
			case 'role':
				if (action === 'removed') rights.everything();
				return;
			case 'post':
				return context.membership.onPost(body as RecordBodies['post']);
			case 'presence':
				return onPresence(context, key, body as PresenceChange);
			case 'logout': {
				const { uid, hashedTokens } = body as RecordBodies['logout'];
				return revokeTokens(context, uid, hashedTokens);
			}
			case 'sessionsMoved':
				return context.resumption.onMoved(body as RecordBodies['sessionsMoved']);
			case 'streamerStarted':
				return context.resumption.tellMoved();
			case 'resync':
				return onLost();
			// Between streamers and presence, on keys of their own.
			case 'presenceReport':
			case 'presenceRequest':
			case 'presenceReplica':
			case 'presenceChoice':
				return;
		}
	}

	return { handle };
}

function deliverDirect(context: DdpContext, header: DirectPart, body: Uint8Array, origin: string | undefined): void {
	const { stream, event } = header;
	const key = `${stream}/${event}`;
	if (context.streams.get(stream)?.spread.has(event) === true) {
		const count = context.fanout.sizeOf(key);
		if (count === 0) return;
		return context.spread.deliver(count, context.fanout.portioned(key, eventFrame(stream, event, body), 'event'));
	}
	context.fanout.deliver(key, () => eventFrame(stream, event, body), kindOf(stream, event, body), origin);
}

/** Typing and status: of one person only the newest matters to a reader who is behind. */
function kindOf(stream: string, event: string, body: Uint8Array): SendKind {
	const isTyping = stream === 'notify-room' && (event.endsWith('/user-activity') || event.endsWith('/typing'));
	if (!isTyping) return 'event';
	return { coalesce: () => `${stream}/${event}/${Buffer.from(body).toString('utf8').split(',', 1)[0]}` };
}

function onUser(context: DdpContext, rights: RightsWatch, action: string, body: RecordBodies['user']): void {
	const { user, diff, unset } = body;
	// Records of old servers may lack the field: they are active.
	const { active } = user as { active?: boolean };
	if (action === 'removed' || active === false) return revokeTokens(context, user._id, null);
	context.membership.onUser(user);
	const sessions = [...(context.byUser.get(user._id) ?? [])];
	const before = sessions.map(({ actor }) => actor?.roles ?? []);
	for (const session of sessions) {
		if (session.actor === null) continue;
		const { username, name, roles } = user;
		session.actor = { ...session.actor, username: username ?? session.actor.username, name, roles };
		const fields = { username, emails: user.emails, name };
		if (session.documents.has('users', user._id)) session.documents.put('users', user._id, fields, '');
	}
	deliverUserData(context, user._id, diff, unset);
	rights.user(user, 'roles' in diff || 'roles' in unset, before);
}

/** On `all:presence`: for those who watch. On the user's own key: for himself. */
function onPresence(context: DdpContext, key: string, change: PresenceChange): void {
	if (key !== 'all:presence') {
		context.membership.onPresence(change);
		const { status, statusText, statusDefault, statusConnection } = change;
		const diff = { status, statusText, ...given({ statusDefault, statusConnection }) };
		return deliverUserData(context, change.uid, diff, {});
	}
	deliverPresence(context, change);
	const { uid, username, statusText, name, roles } = change;
	context.fanout.deliver(
		'notify-logged/user-status',
		() =>
			eventFrame(
				'notify-logged',
				'user-status',
				stringifyEjson([[uid, username, presenceCodes[change.status], statusText, name, roles]]),
			),
		{ coalesce: () => `user-status/${uid}` },
	);
}

function given(fields: Record<string, unknown>): Record<string, unknown> {
	return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
