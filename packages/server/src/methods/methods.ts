import * as accounts from './accounts.ts';
import * as messages from './messages.ts';
import type { Method } from './method.ts';
import * as permissions from './permissions.ts';
import * as presence from './presence.ts';
import * as rooms from './rooms.ts';
import * as settings from './settings.ts';
import * as subscriptions from './subscriptions.ts';
import * as users from './users.ts';

const modules: object[] = [accounts, messages, permissions, presence, rooms, settings, subscriptions, users];

/** All DDP methods of core. One without an access class, or two of one name, stop the start. */
export const methods: Method[] = collect();

function collect(): Method[] {
	const found: Method[] = modules.flatMap((module) => Object.values(module).flat().filter(isMethod));
	const names = new Set<string>();
	for (const { name, auth } of found) {
		if (!['public', 'user'].includes(auth)) throw new Error(`method ${name} declares no access class`);
		if (names.has(name)) throw new Error(`two methods are called ${name}`);
		names.add(name);
	}
	return found;
}

function isMethod(value: unknown): value is Method {
	return typeof value === 'object' && value !== null && 'arity' in value && 'name' in value && 'run' in value;
}
