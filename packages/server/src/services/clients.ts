import { busClient, type Bus } from '../bus/bus.ts';
import type { AccountsApi, AuthorizationApi, CoreApi, PresenceApi } from './contracts.ts';

/** Client methods and logins may take longer than a plain call: longer than the database's write time-out. */
const clientCall = { deadlineMs: 15_000 };

/** A question: asking again changes nothing. */
const question = { idempotent: true };

/** Accounts, over the bus. */
export function accountsOf(bus: Bus): AccountsApi {
	return busClient<AccountsApi>(bus, 'accounts', {
		login: clientCall,
		// By token only: nothing is issued.
		loginMany: { ...clientCall, ...question },
		register: clientCall,
		createUser: clientCall,
		setPassword: clientCall,
		authenticate: question,
		authenticateMany: question,
		credentialsOf: question,
	});
}

/** Authorization, over the bus. */
export function authorizationOf(bus: Bus): AuthorizationApi {
	return busClient<AuthorizationApi>(bus, 'authorization', {
		has: question,
		hasAny: question,
		hasAll: question,
		canAccessRoom: question,
		canReadRoom: question,
		readableRooms: question,
		usersWithAccess: question,
		roomRights: question,
		canWriteRoom: question,
		membersAmong: question,
		peersInRoom: question,
		visitorOfRoom: question,
	});
}

/** Core, over the bus. */
export function coreOf(bus: Bus): CoreApi {
	return busClient<CoreApi>(bus, 'core', { method: clientCall, joinDefaultRooms: clientCall });
}

/** Presence, over the bus. */
export function presenceOf(bus: Bus): PresenceApi {
	return busClient<PresenceApi>(bus, 'presence');
}
