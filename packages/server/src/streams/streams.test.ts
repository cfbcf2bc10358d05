import assert from 'node:assert/strict';
import { test } from 'node:test';
import { permissionCatalogue } from '@rookery/protocol/catalogue/permissions.ts';
import type { RoomType } from '@rookery/protocol/records.ts';
import { localBus } from '../bus/local.ts';
import type { AccessFactRepository, Facts } from '../repositories/access-facts.ts';
import { authorizationService } from '../services/authorization.ts';
import type { Actor, AuthorizationApi } from '../services/contracts.ts';
import { fakeSettings } from '../testing/accounts.ts';
import { actorOf } from '../testing/streamer.ts';
import { loggedIn, nobody, roomReading } from './read-rules.ts';
import { stream, type Emit, type StreamRequest } from './stream.ts';
import { streams } from './streams.ts';

const access = [
	'view-c-room',
	'view-p-room',
	'view-d-room',
	'view-l-room',
	'view-joined-room',
	'view-livechat-rooms',
	'view-livechat-room-closed-by-another-agent',
];
const rooms = ['Accounts_AllowAnonymousRead', 'ABAC_Enabled'];
const settingHolders = ['view-privileged-setting', 'edit-privileged-setting', 'manage-selected-settings'];

/** Every stream: who may subscribe, on what that depends, who may write what. A change here is a change of rights. */
const declarations: Record<string, object> = {
	'room-messages': { read: 'public', permissions: [...access, 'preview-c-room'], settings: rooms, isOfRoom: true },
	'room-messages/__my_messages__': { read: 'public' },
	'notify-user': { read: 'user', write: 'user', emits: ['otr', 'webrtc', 'video-conference'] },
	'notify-all': { read: 'public' },
	'notify-logged': { read: 'user' },
	'notify-logged/private-settings-changed': { read: 'user', permissions: settingHolders },
	'notify-room': {
		read: 'public',
		permissions: access,
		settings: rooms,
		isOfRoom: true,
		write: 'visitor',
		emits: ['user-activity', 'typing', 'webrtc', 'call'],
	},
	'notify-room-users': { read: 'nobody', write: 'user', emits: ['webrtc', 'e2ekeyRequest', 'video-conference'] },
	'user-presence': { read: 'public', settings: ['Accounts_AllowAnonymousRead'] },
	roles: { read: 'user' },
	'room-data': { read: 'user', permissions: access, settings: rooms, isOfRoom: true },
	'livechat-room': { read: 'public', isOfRoom: true },
	'livechat-inquiry-queue-observer': { read: 'user', permissions: ['view-l-room'] },
	'canned-responses': {
		read: 'user',
		permissions: ['view-canned-responses'],
		settings: ['Canned_Responses_Enable'],
	},
	integrationHistory: { read: 'user', permissions: ['manage-outgoing-integrations'] },
	importers: { read: 'user', permissions: ['run-import'] },
	stdout: { read: 'user', permissions: ['view-logs'] },
	apps: { read: 'user' },
	'apps-engine': { read: 'nobody' },
	local: { read: 'nobody' },
};

const nothing = { permissions: [], settings: [], isOfRoom: false, write: 'nobody', emits: [] };

test('every stream and what its access rests on', () => {
	const found: [string, object][] = [];
	for (const { name, read, events, write, emits } of streams.values()) {
		for (const [event, rule] of [[null, read] as const, ...events]) {
			found.push([
				event === null ? name : `${name}/${event}`,
				{
					read: rule.access,
					permissions: rule.permissions,
					settings: rule.settings,
					isOfRoom: rule.isOfRoom,
					write: event === null ? write : 'nobody',
					emits: event === null ? [...emits.keys()] : [],
				},
			]);
		}
	}
	const expected = Object.entries(declarations).map(([name, declared]) => [name, { ...nothing, ...declared }]);
	assert.deepEqual(found, expected);
	for (const [name, { name: own }] of streams) assert.equal(own, name);
});

test('a declaration that is incomplete or contradicts itself does not start', () => {
	const emit: Emit = { isThrottled: false, publish: async () => [] };
	const without = { write: 'nobody' } as unknown as Parameters<typeof stream>[1];
	const unwritten = { read: loggedIn } as unknown as Parameters<typeof stream>[1];
	assert.throws(() => stream('apps', without), /access is not declared/);
	assert.throws(() => stream('apps', unwritten), /access is not declared/);
	assert.throws(() => stream('apps', { read: roomReading, write: 'nobody' }), /names no room/);
	assert.throws(() => stream('apps', { read: loggedIn, events: { x: roomReading }, write: 'nobody' }), /names no room/);
	assert.throws(() => stream('apps', { read: nobody, write: 'nobody', emits: { x: emit } }), /contradict/);
	assert.throws(() => stream('apps', { read: nobody, write: 'user' }), /contradict/);
	assert.throws(() => stream('apps', { read: nobody, write: 'user', emits: { x: emit } }), /names no event/);
});

/** Who may: an open channel `open`, a private group `closed`, a conversation `chat` with visitor's token `t1`. */
const members = new Map<string, (string | null)[]>([
	['open', [null, 'user', 'member', 'outsider', 'admin']],
	['closed', ['member']],
	['chat', ['admin']],
]);

function asked(actor: Actor | null, event: string, extra: Record<string, unknown> = {}, flags: object = {}) {
	const permissions = new Set<string>();
	const settings = new Set<string>();
	const visited: string[] = [];
	const may = async (rid: string, uid: string | null) => members.get(rid)?.includes(uid) === true;
	const hold = async (list: string[]) => {
		for (const permission of list) permissions.add(permission);
		return actor?.uid === 'admin';
	};
	const authorization: Partial<AuthorizationApi> = {
		has: (_uid, permission) => hold([permission]),
		hasAny: (_uid, list) => hold(list),
		hasAll: (_uid, list) => hold(list),
		canAccessRoom: may,
		canReadRoom: may,
		visitorOfRoom: async (rid, token) => {
			visited.push(`${rid} ${token}`);
			return rid === 'chat' && token === 't1' ? { _id: 'v', username: 'guest-1' } : null;
		},
	};
	const values = fakeSettings({ Canned_Responses_Enable: true, ...flags });
	const reader = { ...values, flag: (id: string, fallback?: boolean) => (settings.add(id), values.flag(id, fallback)) };
	const request: Omit<StreamRequest, 'key'> = {
		actor,
		event,
		extra,
		services: { authorization: authorization as AuthorizationApi, settings: reader },
	};
	return { request, permissions, settings, visited };
}

async function mayRead(
	name: string,
	who: string | null,
	event: string,
	extra?: Record<string, unknown>,
	flags?: object,
) {
	const found = streams.get(name);
	assert.ok(found !== undefined);
	const actor = who === null ? null : { ...actorOf(who, 'x'), roles: [who] };
	const { request, permissions, settings } = asked(actor, event, extra, flags);
	const answer = await found.mayRead({ ...request, key: { ...found.key.exec(event)?.groups } });
	const rule = found.ruleOf(event);
	for (const id of permissions) assert.ok(rule.permissions.includes(id), `${name} asks for ${id} without saying so`);
	for (const id of settings) assert.ok(rule.settings.includes(id), `${name} reads ${id} without saying so`);
	return answer;
}

const callers = [null, 'user', 'member', 'outsider', 'admin'];

/** Event of a stream, and who of the callers may subscribe to it. */
const readers: [stream: string, event: string, who: (string | null)[]][] = [
	['room-messages', 'open', callers],
	['room-messages', 'closed', ['member']],
	['room-messages', 'nowhere', []],
	['room-messages', 'a/b', []],
	['room-messages', '__my_messages__', callers],
	['room-messages', '__proto__', []],
	['notify-all', 'public-settings-changed', callers],
	['notify-all', 'constructor', callers],
	['notify-logged', 'Users:NameChanged', ['user', 'member', 'outsider', 'admin']],
	['notify-logged', 'private-settings-changed', ['admin']],
	['notify-logged', '__proto__', ['user', 'member', 'outsider', 'admin']],
	['notify-room', 'closed/typing', ['member']],
	['notify-room', 'closed/webrtc', ['member']],
	['notify-room', 'open/deleteMessage', callers],
	['notify-room', 'closed', []],
	['notify-room', 'chat/webrtc', ['admin']],
	['notify-user', 'user/message', ['user']],
	['notify-user', 'user/otr', ['user']],
	['notify-user', 'user/force_logout', ['user']],
	['notify-user', 'user', []],
	['notify-user', 'v/webrtc', []],
	['notify-room-users', 'closed/webrtc', []],
	['user-presence', '', ['user', 'member', 'outsider', 'admin']],
	['roles', 'roles', ['user', 'member', 'outsider', 'admin']],
	['room-data', 'closed', ['member']],
	['room-data', 'open', ['user', 'member', 'outsider', 'admin']],
	['livechat-room', 'chat', []],
	['livechat-inquiry-queue-observer', 'public', ['admin']],
	['livechat-inquiry-queue-observer', 'department/d1', []],
	['livechat-inquiry-queue-observer', 'agent/admin', ['admin']],
	['livechat-inquiry-queue-observer', 'agent/other', []],
	['canned-responses', 'canned-responses', ['admin']],
	['integrationHistory', 'i1', ['admin']],
	['importers', 'progress', ['admin']],
	['stdout', 'stdout', ['admin']],
	['apps', 'app/added', ['user', 'member', 'outsider', 'admin']],
	['apps-engine', 'x', []],
	['local', 'x', []],
];

for (const [name, event, who] of readers) {
	test(`${name} ${event}: read by ${who.map((caller) => caller ?? 'anybody').join(', ') || 'nobody'}`, async () => {
		const allowed = [];
		for (const caller of callers) if (await mayRead(name, caller, event)) allowed.push(caller);
		assert.deepEqual(allowed, who);
	});
}

test('every stream stands in the table of readers', () => {
	assert.deepEqual(new Set(readers.map(([name]) => name)), new Set(streams.keys()));
});

test('a visitor reads his own conversation by its token, no other one whatever room he names, and nobody else’s', async () => {
	for (const name of ['room-messages', 'livechat-room']) {
		assert.ok(await mayRead(name, null, 'chat', { visitorToken: 't1' }));
		assert.ok(await mayRead(name, null, 'chat', { token: 't1' }));
		assert.equal(await mayRead(name, null, 'closed', { rid: 'chat', visitorToken: 't1' }), false);
		assert.equal(await mayRead(name, null, 'chat', { token: 't2' }), false);
		assert.equal(await mayRead(name, null, 'chat', { token: { $ne: null } }), false);
	}
	assert.ok(await mayRead('notify-room', null, 'chat/typing', { token: 't1' }));
	assert.equal(await mayRead('notify-room', 'admin', 'chat/typing', { token: 't2' }), false, 'the token decides alone');
	assert.equal(await mayRead('notify-room', null, 'open/typing', { token: 't1' }), false);
});

test('settings and roles that a rule reads count', async () => {
	assert.equal(await mayRead('canned-responses', 'admin', 'x', {}, { Canned_Responses_Enable: false }), false);
	assert.ok(await mayRead('user-presence', null, '', {}, { Accounts_AllowAnonymousRead: true }));
	const actor = { ...actorOf('admin', 'x'), roles: ['livechat-monitor'] };
	const queue = streams.get('livechat-inquiry-queue-observer');
	assert.ok(await queue?.mayRead({ ...asked(actor, 'department/d1').request, key: {} }));
});

/** The user `member` is in every room, `other` in none; a room's id is its type. */
function facts(): AccessFactRepository {
	const room = { isOpen: false, isAttributed: false, isArchived: false, isReadOnly: false, muted: [], unmuted: [] };
	const answer: Partial<AccessFactRepository> = {
		read: async ({ users, rooms: rids, memberships }): Promise<Facts> => ({
			users: new Map(users.map((uid) => [uid, { active: true, roles: ['r'], username: uid }])),
			rooms: new Map(rids.map((rid) => [rid, { ...room, t: rid[0] as RoomType }])),
			memberships: new Map(
				memberships.flatMap(({ of, uid }) =>
					uid === 'member' ? [[`${of}\n${uid}`, { roles: ['r'], isBlocked: false }] as const] : [],
				),
			),
			teams: new Map(),
			teamMembers: new Set(),
			permissions: '',
		}),
	};
	return answer as AccessFactRepository;
}

/** What authorization says of rooms of every type, for a member and for others, when the role holds these permissions. */
async function readableWith(held: string[]): Promise<{ access: boolean[]; read: boolean[] }> {
	const bus = localBus();
	const all = Object.keys(permissionCatalogue);
	const permissions = {
		all: async () => all.map((_id) => ({ _id, roles: held.includes(_id) ? ['r'] : [], _updatedAt: new Date(0) })),
	};
	const service = await authorizationService({
		facts: facts(),
		permissions: permissions as unknown as Parameters<typeof authorizationService>[0]['permissions'],
		settings: fakeSettings({}),
		bus,
		clock: { now: () => 0, monotonic: () => 0 },
	});
	const answers: { access: boolean[]; read: boolean[] } = { access: [], read: [] };
	for (const rid of ['c', 'p', 'd', 'l']) {
		for (const uid of ['member', 'other']) {
			answers.access.push(await service.api.canAccessRoom(rid, uid));
			answers.read.push(await service.api.canReadRoom(rid, uid));
		}
	}
	service.stop();
	await bus.close();
	return answers;
}

test('access to a room depends on no permission that its streams do not declare', async () => {
	const all = Object.keys(permissionCatalogue);
	const declared = streams.get('room-messages')?.read.permissions ?? [];
	const accessDeclared = streams.get('notify-room')?.read.permissions ?? [];
	const full = await readableWith(all);
	assert.deepEqual(await readableWith([...declared]), full);
	assert.deepEqual((await readableWith([...accessDeclared])).access, full.access);
	const none = await readableWith([]);
	assert.deepEqual(await readableWith(all.filter((id) => !declared.includes(id))), none);
	assert.deepEqual(full.read, [true, true, true, false, true, false, true, true]);
	assert.deepEqual(new Set([...none.access, ...none.read]), new Set([false]));
});
