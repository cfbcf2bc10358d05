import type { EventPart, Publication } from '@rookery/protocol/events.ts';
import type { Emit, EmitRequest } from './stream.ts';

/** What a client may say it is doing in a room. */
const activities: ReadonlySet<string> = new Set(['user-typing', 'user-recording', 'user-uploading', 'user-playing']);
const maxActivities = 8;

/** What somebody does in a room, as both generations of clients say it. */
type Activity = { name: string; list: string[]; extra: Record<string, unknown>; mirrorsTyping: boolean };

/**
 * `<rid>/user-activity(name, [activities], extra?)`: typing, recording and the like; an empty list says that it is over.
 * Told as `typing` as well, for older clients.
 *
 * @see realtime contract 4.5
 */
export const userActivity: Emit = {
	isThrottled: true,
	publish: (request) => tell(request, readActivity(request.args)),
};

/** `<rid>/typing(name, isTyping, extra?)`, of older clients. Told as `user-activity` as well. @see realtime contract 4.5 */
export const typing: Emit = { isThrottled: true, publish: (request) => tell(request, readTyping(request.args)) };

async function tell(request: EmitRequest, activity: Activity | null): Promise<Publication[]> {
	const { rid } = request.key;
	if (rid === undefined || activity === null || !(await mayTell(request, rid, activity))) return [];
	return [{ key: `room:${rid}`, parts: partsOf(rid, activity) }];
}

function readActivity([name, list, extra]: unknown[]): Activity | null {
	if (typeof name !== 'string' || !Array.isArray(list) || list.length > maxActivities) return null;
	const known = (list as unknown[]).filter(
		(entry): entry is string => typeof entry === 'string' && activities.has(entry),
	);
	// What nobody knows is not told; but it does not mean that everything is over.
	if (known.length === 0 && list.length > 0) return null;
	// What is not typing says nothing to those who know only typing.
	const mirrorsTyping = known.length === 0 || known.includes('user-typing');
	return { name, list: known, extra: asRecord(extra), mirrorsTyping };
}

function readTyping([name, isTyping, extra]: unknown[]): Activity | null {
	if (typeof name !== 'string' || typeof isTyping !== 'boolean') return null;
	return { name, list: isTyping ? ['user-typing'] : [], extra: asRecord(extra), mirrorsTyping: true };
}

/** Under his own name, who may write there: a user, or the visitor of the room. */
async function mayTell(request: EmitRequest, rid: string, { name, extra }: Activity): Promise<boolean> {
	const { actor, tokens = [], services } = request;
	const { authorization, settings } = services;
	const { token } = extra;
	if (typeof token !== 'string' && actor !== null) {
		const isOwnName = name === actor.username || (settings.flag('UI_Use_Real_Name') && name === actor.name);
		return isOwnName && name !== '' && authorization.canWriteRoom(rid, actor.uid);
	}
	for (const proof of typeof token === 'string' ? [token] : tokens) {
		const visitor = await authorization.visitorOfRoom(rid, proof);
		if (visitor !== null) return name !== '' && (name === visitor.username || name === visitor.name);
	}
	return false;
}

/** Old clients know `typing`, newer ones `user-activity`: each is told in both ways. */
function partsOf(rid: string, { name, list, extra, mirrorsTyping }: Activity): EventPart[] {
	// Of what a client adds only the thread is passed on.
	const { tmid } = extra;
	const args = typeof tmid === 'string' && tmid !== '' && tmid.length <= 128 ? [name, list, { tmid }] : [name, list];
	const parts: EventPart[] = [{ kind: 'direct', stream: 'notify-room', event: `${rid}/user-activity`, args }];
	if (mirrorsTyping) {
		const isTyping = list.includes('user-typing');
		parts.push({ kind: 'direct', stream: 'notify-room', event: `${rid}/typing`, args: [name, isTyping] });
	}
	return parts;
}

function asRecord(value: unknown): Record<string, unknown> {
	return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
