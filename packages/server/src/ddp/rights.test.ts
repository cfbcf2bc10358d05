import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventKey, EventPart, RecordBodies, RecordName } from '@rookery/protocol/events.ts';
import type { Permission, Role, Room, Setting, User } from '@rookery/protocol/records.ts';
import { streams } from '../streams/streams.ts';
import { allowingAuthorization } from '../testing/authorization.ts';
import { streamerRig, type StreamerRig } from '../testing/streamer.ts';
import type { TestSocket } from '../testing/sockets.ts';

const allow = (rig: StreamerRig, rid: string, ...uids: (string | null)[]) => rig.rights.rooms.set(rid, new Set(uids));

function say<R extends RecordName>(rig: StreamerRig, key: EventKey, record: R, body: RecordBodies[R]): void {
	rig.bus.publish({ key, parts: [{ kind: 'record', record, action: 'updated', body } as EventPart] });
}

function permissionChanged(rig: StreamerRig, _id: string): void {
	const permission: Permission = { _id, roles: [], _updatedAt: new Date() };
	say(rig, 'all:permissions', 'permission', { permission });
}

const ended = (socket: TestSocket) =>
	socket.frames.filter(({ msg, error }) => msg === 'nosub' && error !== undefined).map(({ id }) => id);

async function subscribed(socket: TestSocket, id: string, stream: string, event: string): Promise<void> {
	assert.equal(await socket.sub(id, `stream-${stream}`, event, false), 'ready');
}

test('the end of a permission ends every subscription whose stream declares it, and no other', async (t) => {
	const events: Record<string, string> = {
		'room-messages': 'r',
		'notify-room': 'r/typing',
		'room-data': 'r',
		'livechat-inquiry-queue-observer': 'public',
		'canned-responses': 'canned-responses',
		integrationHistory: 'i1',
		importers: 'progress',
		stdout: 'stdout',
		'notify-logged': 'private-settings-changed',
	};
	const rules = [...streams.values()].flatMap(({ name, read, events: own }) =>
		[read, ...own.values()].filter(({ permissions }) => permissions.length > 0).map((rule) => ({ name, rule })),
	);
	assert.deepEqual(new Set(rules.map(({ name }) => name as string)), new Set(Object.keys(events)));
	for (const { name, rule } of rules) {
		const event = events[name] ?? '';
		for (const permission of rule.permissions) {
			await t.test(`${permission}: ${name}`, async (t) => {
				const rig = await streamerRig(t, { settings: { Canned_Responses_Enable: true } });
				allow(rig, 'r', 'ana');
				for (const held of rule.permissions) rig.rights.permissions.set(held, new Set(['ana']));
				const socket = await rig.login('ana');
				await subscribed(socket, 'it', name, event);
				await subscribed(socket, 'other', 'notify-all', 'public-settings-changed');
				for (const held of rule.permissions) rig.rights.permissions.delete(held);
				allow(rig, 'r');
				permissionChanged(rig, permission);
				await socket.next(({ msg, id }) => msg === 'nosub' && id === 'it');
				await socket.settled();
				assert.deepEqual(ended(socket), ['it']);
			});
		}
	}
});

test('a setting that a rule reads ends what it no longer allows', async (t) => {
	const rig = await streamerRig(t, { settings: { Canned_Responses_Enable: true } });
	rig.rights.permissions.set('view-canned-responses', new Set(['ana']));
	allow(rig, 'open', 'ana', null);
	const [agent, anonymous] = [await rig.login('ana'), await rig.connect()];
	await anonymous.negotiate();
	await subscribed(agent, 'canned', 'canned-responses', 'canned-responses');
	await subscribed(agent, 'room', 'room-messages', 'open');
	await subscribed(anonymous, 'room', 'room-messages', 'open');
	await subscribed(anonymous, 'settings', 'notify-all', 'public-settings-changed');
	const changed = (_id: string) => say(rig, 'all:settings', 'setting', { setting: { _id } as Setting });
	changed('Site_Name');
	rig.settings['Canned_Responses_Enable'] = false;
	changed('Canned_Responses_Enable');
	await agent.next(({ msg, id }) => msg === 'nosub' && id === 'canned');
	allow(rig, 'open', 'ana');
	changed('Accounts_AllowAnonymousRead');
	await anonymous.next(({ msg, id }) => msg === 'nosub' && id === 'room');
	await agent.settled();
	assert.deepEqual([ended(agent), ended(anonymous)], [['canned'], ['room']]);
});

test('a room that changes is judged before its next event; only its own and what depends on a room', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'r', 'ana', 'bob');
	const [ana, bob] = [await rig.login('ana'), await rig.login('bob')];
	for (const socket of [ana, bob]) {
		await subscribed(socket, 'm', 'room-messages', 'r');
		await subscribed(socket, 'n', 'notify-room', 'r/typing');
		await subscribed(socket, 'd', 'room-data', 'r');
		await subscribed(socket, 'l', 'notify-logged', 'roles-change');
	}
	allow(rig, 'r', 'ana');
	say(rig, 'room:r', 'room', { room: { _id: 'r', t: 'p' } as Room, fields: ['t'] });
	const args = [{ _id: 'm1', rid: 'r' }];
	rig.bus.publish({ key: 'room:r', parts: [{ kind: 'direct', stream: 'room-messages', event: 'r', args }] });
	await ana.event('room-messages', 'r');
	await bob.next(({ msg, id }) => msg === 'nosub' && id === 'd');
	await bob.settled();
	assert.deepEqual(bob.events('room-messages', 'r'), []);
	assert.deepEqual(new Set(ended(bob)), new Set(['d', 'm', 'n']));
	assert.equal(ended(bob).length, 3);
	assert.deepEqual(ended(ana), []);
});

test('a discussion ends for who read it through its parent, though nobody here hears the parent', async (t) => {
	const rig = await streamerRig(t);
	allow(rig, 'discussion', 'ana', 'bob');
	const [ana, bob] = [await rig.login('ana'), await rig.login('bob')];
	for (const socket of [ana, bob]) await subscribed(socket, 'm', 'room-messages', 'discussion');
	allow(rig, 'discussion', 'ana');
	say(rig, 'all:permissions', 'roomAccess', { rid: 'parent' });
	await bob.next(({ msg, id }) => msg === 'nosub' && id === 'm');
	await ana.settled();
	assert.deepEqual(ended(ana), []);
});

test('other roles of the caller, or the end of a role, are judged within the second, also when authorization is late', async (t) => {
	const rig = await streamerRig(t);
	rig.rights.permissions.set('run-import', new Set(['ana', 'bob']));
	const [ana, bob] = [await rig.login('ana'), await rig.login('bob')];
	for (const socket of [ana, bob]) {
		await subscribed(socket, 'i', 'importers', 'progress');
		await subscribed(socket, 'own', 'roles', 'roles');
	}
	const user = { _id: 'ana', username: 'ana', roles: ['guest'], active: true } as unknown as Omit<User, 'services'>;
	say(rig, 'user:ana', 'user', { user, diff: { roles: ['guest'] }, unset: {} });
	await ana.settled();
	rig.rights.permissions.set('run-import', new Set(['bob']));
	await ana.next(({ msg, id }) => msg === 'nosub' && id === 'i');
	rig.rights.permissions.delete('run-import');
	const role = { _id: 'importer', name: 'importer' } as Role;
	rig.bus.publish({ key: 'all:roles', parts: [{ kind: 'record', record: 'role', action: 'removed', body: { role } }] });
	await bob.next(({ msg, id }) => msg === 'nosub' && id === 'i');
	await bob.settled();
	assert.deepEqual([ended(ana), ended(bob)], [['i'], ['i']]);
});

test('a hundred changes at once are judged a few times, and the last one counts', async (t) => {
	let asked = 0;
	const rights = { isAllowed: true };
	const rig = await streamerRig(t, {
		authorization: allowingAuthorization({
			canReadRoom: async () => {
				asked += 1;
				return rights.isAllowed;
			},
		}),
	});
	const socket = await rig.login('ana');
	await subscribed(socket, 'm', 'room-messages', 'r');
	const before = asked;
	for (let count = 0; count < 300; count++) say(rig, 'all:permissions', 'roomAccess', { rid: `room ${count}` });
	await rig.bus.flush();
	await socket.settled();
	rights.isAllowed = false;
	await socket.next(({ msg, id }) => msg === 'nosub' && id === 'm');
	assert.ok(asked - before <= 6, `${asked - before} questions`);
});
