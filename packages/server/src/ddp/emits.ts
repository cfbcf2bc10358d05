import type { EventPart } from '@rookery/protocol/events.ts';
import type { DdpContext, Session } from './context.ts';

/** What a client may say it is doing in a room. */
const activities = new Set(['user-typing', 'user-recording', 'user-uploading', 'user-playing']);
const maxActivities = 8;

/**
 * Methods `stream-<name>(event, ...args)`: what a client says to other subscribers. Only typing in a room one has access
 * to, under one's own name, is let through; everything else does nothing. The answer is always empty.
 *
 * @see realtime contract 3.10, 4.5, 4.14
 */
export async function emitFromClient(
	context: DdpContext,
	session: Session,
	stream: string,
	params: unknown[],
): Promise<void> {
	if (stream !== 'notify-room') return;
	const [event, ...args] = params;
	const found = typeof event === 'string' ? /^(?<rid>[^/]{1,128})\/(?<name>typing|user-activity)$/.exec(event) : null;
	const rid = found?.groups?.['rid'];
	const { actor } = session;
	if (rid === undefined || actor === null) return;
	const activity = found?.groups?.['name'] === 'typing' ? readTyping(args) : readActivity(args);
	if (activity === null || activity.name !== shownName(context, session)) return;
	if (!context.rates.mayEmit(session, rid)) return;
	if (!(await context.authorization.canAccessRoom(rid, actor.uid))) return;
	if (context.bus.state !== 'connected') return;
	context.bus.publish({ key: `room:${rid}`, origin: session.id, parts: activityParts(rid, activity) });
}

type Activity = { name: string; list: string[]; extra: object | null; mirrorsTyping: boolean };

function readActivity([name, list, extra]: unknown[]): Activity | null {
	if (typeof name !== 'string' || !Array.isArray(list) || list.length > maxActivities) return null;
	const known: string[] = [];
	for (const entry of list as unknown[]) {
		if (typeof entry !== 'string' || !activities.has(entry)) return null;
		known.push(entry);
	}
	// What is not typing says nothing to those who know only typing.
	const mirrorsTyping = known.length === 0 || known.includes('user-typing');
	return { name, list: known, extra: readExtra(extra), mirrorsTyping };
}

function readTyping([name, typing, extra]: unknown[]): Activity | null {
	if (typeof name !== 'string' || typeof typing !== 'boolean') return null;
	return { name, list: typing ? ['user-typing'] : [], extra: readExtra(extra), mirrorsTyping: true };
}

/** Of what a client adds only the thread is passed on. */
function readExtra(extra: unknown): object | null {
	if (typeof extra !== 'object' || extra === null) return null;
	const { tmid } = extra as { tmid?: unknown };
	return typeof tmid === 'string' && tmid.length <= 128 ? { tmid } : null;
}

/** Old clients know `typing`, newer ones `user-activity`: each is told in both ways. */
function activityParts(rid: string, { name, list, extra, mirrorsTyping }: Activity): EventPart[] {
	const args = extra === null ? [name, list] : [name, list, extra];
	const parts: EventPart[] = [{ kind: 'direct', stream: 'notify-room', event: `${rid}/user-activity`, args }];
	if (mirrorsTyping) {
		const isTyping = list.includes('user-typing');
		parts.push({ kind: 'direct', stream: 'notify-room', event: `${rid}/typing`, args: [name, isTyping] });
	}
	return parts;
}

function shownName({ settings }: DdpContext, { actor }: Session): string | undefined {
	if (actor === null) return undefined;
	return settings.flag('UI_Use_Real_Name') && actor.name !== undefined && actor.name !== ''
		? actor.name
		: actor.username;
}
