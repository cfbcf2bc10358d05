import type { ReadRule, StreamRequest } from './stream.ts';

const independent = { permissions: [], settings: [], isOfRoom: false } as const;

/** Everybody, also without a login. */
export const anybody: ReadRule = { ...independent, access: 'public', mayRead: async () => true };

/** Everybody who is logged in. */
export const loggedIn: ReadRule = { ...independent, access: 'user', mayRead: async ({ actor }) => actor !== null };

/** Nobody. */
export const nobody: ReadRule = { ...independent, access: 'nobody', mayRead: async () => false };

/**
 * Who is logged in and holds one of these permissions.
 *
 * @param flag A setting that has to be on as well.
 */
export function holderOf(permissions: readonly string[], flag?: string): ReadRule {
	return {
		access: 'user',
		permissions,
		settings: flag === undefined ? [] : [flag],
		isOfRoom: false,
		async mayRead({ actor, services: { authorization, settings } }) {
			if (actor === null || (flag !== undefined && !settings.flag(flag))) return false;
			return authorization.hasAny(actor.uid, [...permissions]);
		},
	};
}

/** Permissions that authorization's rule of access to a room asks for. @see realtime contract 3.1 */
const accessPermissions = [
	'view-c-room',
	'view-p-room',
	'view-d-room',
	'view-l-room',
	'view-joined-room',
	'view-livechat-rooms',
	'view-livechat-room-closed-by-another-agent',
] as const;

/** Settings that the same rule reads. */
const accessSettings = ['Accounts_AllowAnonymousRead', 'ABAC_Enabled'] as const;

/** Who has access to the room of the key, or proves to be its visitor: then nothing but the token counts. */
export const roomAccess: ReadRule = {
	access: 'public',
	permissions: accessPermissions,
	settings: accessSettings,
	isOfRoom: true,
	async mayRead(request) {
		const { actor, key, extra, services } = request;
		const { rid } = key;
		if (rid === undefined) return false;
		if (typeof extra['token'] === 'string') return isVisitor(request);
		return services.authorization.canAccessRoom(rid, actor?.uid ?? null);
	},
};

/** Who is logged in and has access to the room of the key. */
export const memberAccess: ReadRule = {
	...roomAccess,
	access: 'user',
	mayRead: async ({ actor, key: { rid }, services }) =>
		actor !== null && rid !== undefined && services.authorization.canAccessRoom(rid, actor.uid),
};

/** Who has access to the room of the key, may preview it, or is its visitor. */
export const roomReading: ReadRule = {
	...roomAccess,
	permissions: [...accessPermissions, 'preview-c-room'],
	async mayRead(request) {
		const { actor, key, services } = request;
		const { rid } = key;
		if (rid === undefined) return false;
		return (await isVisitor(request)) || services.authorization.canReadRoom(rid, actor?.uid ?? null);
	},
};

/** The visitor of the omnichannel room of the key, and nobody else. */
export const roomVisitor: ReadRule = {
	...independent,
	access: 'public',
	isOfRoom: true,
	mayRead: (request) => isVisitor(request),
};

/**
 * Whether the caller proves to be the visitor of the room of the key: by a token he gives now, whatever room he says it is
 * for, or gave before.
 *
 * @see realtime contract 4.2, 4.11, D-05
 */
export async function isVisitor({ key: { rid }, extra, tokens = [], services }: StreamRequest): Promise<boolean> {
	if (rid === undefined) return false;
	const given = [extra['visitorToken'], extra['token'], ...tokens];
	for (const token of new Set(given)) {
		if (typeof token !== 'string' || token === '' || token.length > 256) continue;
		if ((await services.authorization.visitorOfRoom(rid, token)) !== null) return true;
	}
	return false;
}
