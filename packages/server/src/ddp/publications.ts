import type { DdpContext } from './context.ts';

/** A document of a real collection. */
export type PublishedDocument = { collection: string; id: string; fields: Record<string, unknown> };

/** The documents of a publication, in the order in which they are sent. */
export type Publication = (context: DdpContext) => Promise<PublishedDocument[]>;

/** How people can log in besides a password. @see realtime contract 4.15.1 */
const loginServiceConfiguration: Publication = async ({ loginServices }) =>
	(await loginServices()).map(({ _id, ...fields }) => ({
		collection: 'meteor_accounts_loginServiceConfiguration',
		id: _id,
		fields,
	}));

/** Names whose answer is `ready` without documents. */
const empty = [
	// There is no bundle of Meteor's to announce. @see realtime contract 4.15.2
	'meteor_autoupdate_clientVersions',
	// Old clients still ask for these and wait. @see realtime contract 4.15.4
	'activeUsers',
	'userData',
	'roles',
	'adminRooms',
	'subscription',
	'room',
	'livechat:agents',
];

/**
 * The classic publications by their names.
 *
 * @see realtime contract 4.15
 */
export const publications: ReadonlyMap<string, Publication> = new Map([
	['meteor.loginServiceConfiguration', loginServiceConfiguration],
	...empty.map((name): [string, Publication] => [name, async () => []]),
]);
