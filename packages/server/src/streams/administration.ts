import { stream } from './stream.ts';

/** `stream-integrationHistory`, event = integration id: log of an outgoing webhook. @see realtime contract 4.13 */
export const integrationHistory = stream('integrationHistory', {
	access: 'user',
	mayRead: async ({ actor, services }) =>
		actor !== null && services.authorization.has(actor.uid, 'manage-outgoing-integrations'),
});

/** `stream-importers`: progress of a running import. @see realtime contract 4.13 */
export const importers = stream('importers', {
	access: 'user',
	mayRead: async ({ actor, services }) => actor !== null && services.authorization.has(actor.uid, 'run-import'),
});

/** `stream-stdout`: lines of the server's log. Accepted, never emitted. @see realtime contract 4.13 */
export const stdout = stream('stdout', {
	access: 'user',
	mayRead: async ({ actor, services }) => actor !== null && services.authorization.has(actor.uid, 'view-logs'),
});

/** `stream-apps`: life of installed apps. @see realtime contract 4.13 */
export const apps = stream('apps', { access: 'user', mayRead: async ({ actor }) => actor !== null });

/** Internal to servers of the original: nobody reads them. @see realtime contract 4.13 */
export const appsEngine = stream('apps-engine', { access: 'nobody', waitsForLogin: false });

/** As `apps-engine`. */
export const local = stream('local', { access: 'nobody', waitsForLogin: false });
