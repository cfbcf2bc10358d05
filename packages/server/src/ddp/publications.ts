import type { Session } from './context.ts';

/**
 * Publishes the documents of a publication: by `session.documents.put(…, subId)`. Returns once the first ones are out.
 */
export type Publication = (session: Session, subId: string) => void;

const nothing: Publication = () => undefined;

/** Names that old clients still ask for and wait for: `ready`, no documents. @see realtime contract 4.15.4 */
const legacyNames = ['activeUsers', 'userData', 'roles', 'adminRooms', 'subscription', 'room', 'livechat:agents'];

/**
 * The classic publications. There are no external login services and no bundle of Meteor's to announce: both answer
 * `ready` without documents.
 *
 * @see realtime contract 4.15
 */
export const publications: ReadonlyMap<string, Publication> = new Map(
	['meteor.loginServiceConfiguration', 'meteor_autoupdate_clientVersions', ...legacyNames].map((name) => [
		name,
		nothing,
	]),
);
