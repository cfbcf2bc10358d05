import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ClientError } from '@rookery/protocol/errors.ts';
import { localBus } from '../../packages/server/src/bus/local.ts';
import { ddpServer } from '../../packages/server/src/ddp/server.ts';
import { systemClock } from '../../packages/server/src/platform/clock.ts';
import { createLog } from '../../packages/server/src/platform/log.ts';
import type { StreamerReads } from '../../packages/server/src/repositories/streamer-reads.ts';
import type {
	AccountsApi,
	Actor,
	AuthorizationApi,
	PresenceApi,
} from '../../packages/server/src/services/contracts.ts';
import { membershipService } from '../../packages/server/src/services/membership.ts';
import { presenceReporter } from '../../packages/server/src/services/presence-reporter.ts';
import { manyLogins } from '../../packages/server/src/services/accounts-login-many.ts';
import { fakeSettings } from '../../packages/server/src/testing/accounts.ts';
import { socketRequests } from '../../packages/server/src/transport/sockjs.ts';
import { attachSockets } from '../../packages/server/src/transport/websocket.ts';
import { memberIndexOf, roomsOfMember, tokenOf, userIdOf } from './crowd-workspace.ts';

/**
 * A streamer alone: its DDP side and transport on the local bus, everybody else answered from arithmetic. For a first look
 * at what a session costs, without MongoDB and NATS. The argument is the number of users.
 */

const userCount = Number(process.argv[2]);
const log = createLog({ name: 'lone-streamer', level: 'warn', format: 'json' });
const bus = localBus();
const settings = fakeSettings({});
const clock = systemClock;

const accounts: AccountsApi = {
	async login(options) {
		const token = String((options as { resume?: unknown }).resume);
		const actor = actorBy(token);
		if (actor === null) throw new ClientError(403, "You've been logged out by the server. Please log in again.");
		const tokenExpires = new Date(Date.now() + 86_400_000);
		const emails = [{ address: `${actor.username}@example.com`, verified: true }];
		return { id: actor.uid, token, tokenExpires, type: 'resume', actor: { ...actor, tokenExpires }, emails };
	},
	authenticate: async (_uid, token) => actorBy(token),
	loginMany: (logins) => manyLogins(accounts.login, log)(logins),
	authenticateMany: async (pairs) => pairs.map(({ token }) => actorBy(token)),
} satisfies Partial<AccountsApi> as unknown as AccountsApi;

function actorBy(token: string): Actor | null {
	const index = memberIndexOf(token);
	if (index === null || index >= userCount) return null;
	return {
		uid: userIdOf(index),
		username: `bench.user.${index}`,
		name: `bench.user.${index}`,
		roles: ['user'],
		hashedToken: createHash('sha256').update(tokenOf(index)).digest('base64'),
		isPersonalToken: false,
		tokenExpires: null,
	};
}

const authorization = {
	has: async () => true,
	hasAny: async () => true,
	hasAll: async () => true,
	canAccessRoom: async () => true,
	canReadRoom: async () => true,
	readableRooms: async (rids) => rids,
	usersWithAccess: async (_rid, uids) => uids,
	roomRights: async (questions) => questions.map(() => true),
	canWriteRoom: async () => true,
	membersAmong: async () => null,
	peersInRoom: async () => null,
	visitorOfRoom: async () => null,
} satisfies AuthorizationApi;

const reads = {
	memberships: async (uids) =>
		uids.flatMap((uid) => roomsOfMember(Number(uid.slice(9)), userCount).map((rid) => ({ uid, rid }))),
	records: async () => [],
	roomFacts: async (rids) =>
		rids.map((rid) => ({ _id: rid, t: 'c' as const, name: rid, fname: rid, usersCount: 100, lm: new Date(0) })),
	room: async () => null,
	userFacts: async (uids) => uids.map((uid) => ({ _id: uid, status: 'online' as const, statusConnection: 'online' })),
} as Partial<StreamerReads> as StreamerReads;

const ddp = ddpServer({
	bus,
	accounts,
	authorization,
	presence: {} as PresenceApi,
	membership: membershipService({ reads, authorization, settings, clock, log }),
	settings,
	loginServices: async () => [],
	reporter: presenceReporter({ bus, log, instanceId: 'lone' }),
	clock,
	log,
});
await ddp.ready;
const requests = socketRequests('');
const server = createServer((request, response) => {
	if (!requests(request, response)) response.writeHead(404).end();
});
attachSockets({ server, prefix: '', forwardedCount: 0, acceptor: ddp, clock });
server.listen(0, '127.0.0.1', () => {
	const { port } = server.address() as AddressInfo;
	process.stdout.write(`${JSON.stringify({ event: 'ready', address: `http://127.0.0.1:${port}` })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
