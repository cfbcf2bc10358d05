import type { Publication } from '@rookery/protocol/events.ts';
import type {
	Message,
	Permission,
	Role,
	Room,
	RoomId,
	Setting,
	Subscription,
	User,
} from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';
import { loginServiceEvents } from './login-services.ts';
import { messageEvents } from './messages.ts';
import { permissionEvents } from './permissions.ts';
import { roleEvents } from './roles.ts';
import { roomEvents } from './rooms.ts';
import { settingEvents } from './settings.ts';
import { subscriptionEvents } from './subscriptions.ts';
import { teamEvents, type Team } from './teams.ts';
import { userEvents } from './users.ts';

/** What the events of a change depend on beside the change. */
export type Surroundings = { isRoomGone: (rid: RoomId) => boolean };

/** The one place where documents get the type of their collection: what they hold was checked when it was written. */
const makers: Record<string, (change: Change, surroundings: Surroundings) => Publication[]> = {
	rocketchat_message: (change, { isRoomGone }) => messageEvents(change as Change<Message>, isRoomGone),
	rocketchat_room: (change) => roomEvents(change as Change<Room>),
	rocketchat_subscription: (change) => subscriptionEvents(change as Change<Subscription>),
	users: (change) => userEvents(change as Change<User>),
	rocketchat_settings: (change) => settingEvents(change as Change<Setting>),
	rocketchat_roles: (change) => roleEvents(change as Change<Role>),
	rocketchat_permissions: (change) => permissionEvents(change as Change<Permission>),
	rocketchat_team: (change) => teamEvents(change as Change<Team>),
	meteor_accounts_loginServiceConfiguration: loginServiceEvents,
};

/** The collections whose changes become events. */
export const publishedCollections: readonly string[] = Object.keys(makers);

/** Everything one change says, one entry per key of the bus. @throws for a document that is not as it should be */
export function publicationsOf(change: Change, surroundings: Surroundings): Publication[] {
	return makers[change.collection]?.(change, surroundings) ?? [];
}
