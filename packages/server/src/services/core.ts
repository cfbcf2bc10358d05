import type { AccountsApi, AuthorizationApi, MethodCall, PresenceApi } from './contracts.ts';
import type { MessagesService } from './messages.ts';
import type { PermissionsService } from './permissions.ts';
import type { RoomsService } from './rooms.ts';
import type { SettingsService } from './settings.ts';
import type { SubscriptionsService } from './subscriptions.ts';
import type { UsersService } from './users.ts';

/** What routes and methods may use: the services of the core process, and clients of the others. */
export type CoreServices = {
	accounts: AccountsApi;
	authorization: AuthorizationApi;
	presence: PresenceApi;
	rooms: RoomsService;
	messages: MessagesService;
	subscriptions: SubscriptionsService;
	users: UsersService;
	settings: SettingsService;
	permissions: PermissionsService;
	/** Runs a DDP method in this process: the tunnel. @see methods/run.ts */
	runMethod(call: MethodCall): Promise<unknown>;
	/** Logs a failure that is not a refusal. */
	reportBug(error: unknown, what: string): void;
	/** Facts of this process that routes answer with. */
	server: { version: string; compatVersion: string; rootUrl: string; instanceId: string };
};
