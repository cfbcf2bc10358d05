import * as channels from './channels.ts';
import * as chat from './chat.ts';
import * as chatSync from './chat-sync.ts';
import * as groups from './groups.ts';
import * as im from './im.ts';
import * as info from './info.ts';
import * as login from './login.ts';
import * as logout from './logout.ts';
import * as me from './me.ts';
import * as methodCall from './method-call.ts';
import * as permissions from './permissions.ts';
import * as roles from './roles.ts';
import * as rooms from './rooms.ts';
import type { Route } from './route.ts';
import * as settings from './settings.ts';
import * as subscriptions from './subscriptions.ts';
import * as users from './users.ts';
import * as usersPresence from './users-presence.ts';
import * as usersSessions from './users-sessions.ts';

const modules: object[] = [
	channels,
	chat,
	chatSync,
	groups,
	im,
	info,
	login,
	logout,
	me,
	methodCall,
	permissions,
	roles,
	rooms,
	settings,
	subscriptions,
	users,
	usersPresence,
	usersSessions,
];

/** All REST routes. A route without an access class, or two for one method and path, stop the start. */
export const routes: Route[] = collect();

function collect(): Route[] {
	const found: Route[] = modules.flatMap((module) => Object.values(module).flat().filter(isRoute));
	const seen = new Set<string>();
	for (const { http, path, auth } of found) {
		if (!['public', 'optional', 'user'].includes(auth)) throw new Error(`route ${path} declares no access class`);
		for (const method of http) {
			if (seen.has(`${method} ${path}`)) throw new Error(`two routes for ${method} ${path}`);
			seen.add(`${method} ${path}`);
		}
	}
	return found;
}

function isRoute(value: unknown): value is Route {
	return typeof value === 'object' && value !== null && 'http' in value && 'path' in value && 'run' in value;
}
