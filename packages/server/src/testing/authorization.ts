import type { Db } from 'mongodb';
import { permissionCatalogue } from '@rookery/protocol/catalogue/permissions.ts';
import type { Room, Subscription, User, UserId } from '@rookery/protocol/records.ts';
import type { AuthorizationApi } from '../services/contracts.ts';
import type { SettingsReader } from '../services/settings.ts';

/**
 * The rules of authorization as a plain model that reads the database at every question and the permissions of a new
 * workspace from the catalogue: for tests of services that ask it.
 *
 * @see realtime contract 3.1, REST endpoints 0.3
 */
export function databaseAuthorization(db: Db, settings: SettingsReader): AuthorizationApi {
	const users = db.collection<User>('users');
	const rooms = db.collection<Room>('rocketchat_room');
	const subscriptions = db.collection<Subscription>('rocketchat_subscription');
	const table: Record<string, readonly string[] | undefined> = permissionCatalogue;

	async function rolesOf(uid: UserId | null, rid?: string): Promise<string[]> {
		if (uid === null) return ['anonymous'];
		const user = await users.findOne({ _id: uid, active: true });
		const own = rid === undefined ? null : await subscriptions.findOne({ rid, 'u._id': uid });
		return [...(user?.roles ?? []), ...(own?.roles ?? [])];
	}

	async function has(uid: UserId | null, permission: string, rid?: string): Promise<boolean> {
		const holders = table[permission] ?? [];
		return (await rolesOf(uid, rid)).some((role) => holders.includes(role));
	}

	async function canAccessRoom(rid: string, uid: UserId | null): Promise<boolean> {
		const room = await rooms.findOne({ _id: rid });
		if (room === null) return false;
		if (room.t === 'c' && (uid !== null || settings.flag('Accounts_AllowAnonymousRead'))) {
			if (room.teamId === undefined && (await has(uid, 'view-c-room'))) return true;
		}
		if (uid === null) return false;
		const isMember = (await subscriptions.findOne({ rid, 'u._id': uid })) !== null;
		const mayView = (await has(uid, 'view-joined-room')) || (await has(uid, `view-${room.t}-room`));
		if (isMember && mayView) return true;
		return room.prid !== undefined && canAccessRoom(room.prid, uid);
	}

	async function canReadRoom(rid: string, uid: UserId | null): Promise<boolean> {
		if (await canAccessRoom(rid, uid)) return true;
		const room = await rooms.findOne({ _id: rid });
		return room?.t === 'c' && uid !== null && has(uid, 'preview-c-room');
	}

	return {
		has,
		canAccessRoom,
		canReadRoom,
		async hasAny(uid, permissions, rid) {
			for (const permission of permissions) if (await has(uid, permission, rid)) return true;
			return false;
		},
		async hasAll(uid, permissions, rid) {
			for (const permission of permissions) if (!(await has(uid, permission, rid))) return false;
			return true;
		},
		async readableRooms(rids, uid) {
			const readable: string[] = [];
			for (const rid of rids) if (await canReadRoom(rid, uid)) readable.push(rid);
			return readable;
		},
	};
}
