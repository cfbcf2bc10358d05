import assert from 'node:assert/strict';
import test from 'node:test';
import type { EventPart, Publication } from '@rookery/protocol/events.ts';
import type { Change, StoredDocument } from '../repositories/watch-change.ts';
import { publicationsOf } from './publications.ts';

const at = new Date(1_000);

type Given = Partial<Change> & { collection: string; operation: Change['operation'] };

function change(given: Given): Change {
	return {
		id: 'x',
		before: null,
		after: null,
		updatedFields: null,
		updatedPaths: null,
		clusterTime: { seconds: 1, increment: 1 },
		token: {},
		...given,
	};
}

/** An update of these dotted paths, from one version to the next. */
function update(collection: string, before: object | null, after: object, paths: string[]): Change {
	return change({
		collection,
		operation: 'update',
		before: before as StoredDocument | null,
		after: after as StoredDocument,
		updatedPaths: paths,
		updatedFields: [...new Set(paths.map((path) => path.split('.', 1)[0] ?? ''))],
	});
}

function events(given: Change, gone: string[] = []): Publication[] {
	return publicationsOf(given, { isRoomGone: (rid) => gone.includes(rid) });
}

/** What is said, in short: key and what each part is called. */
function said(publications: Publication[]): string[] {
	return publications.map(({ key, parts }) => `${key} ${parts.map(name).join(' ')}`);
}

function name(part: EventPart): string {
	return part.kind === 'direct' ? `${part.stream}/${part.event}` : `${part.record}:${part.action}`;
}

function part(publications: Publication[], wanted: string): EventPart {
	const found = publications.flatMap(({ parts }) => parts).find((given) => name(given) === wanted);
	assert.ok(found, `${wanted} in ${said(publications).join(', ')}`);
	return found;
}

function argsOf(publications: Publication[], wanted: string): unknown[] {
	const found = part(publications, wanted);
	assert.ok(found.kind === 'direct');
	return found.args;
}

function bodyOf(publications: Publication[], wanted: string): unknown {
	const found = part(publications, wanted);
	assert.ok(found.kind === 'record');
	return found.body;
}

const message = {
	_id: 'm',
	rid: 'r',
	msg: 'hi @ana @all',
	ts: at,
	_updatedAt: at,
	u: { _id: 'u', username: 'bob' },
	mentions: [
		{ _id: 'ana', username: 'ana', type: 'user' },
		{ _id: 'all', username: 'all' },
		{ _id: 'team', username: 't', type: 'team' },
	],
};
const messages = (given: Partial<Change> & { operation: Change['operation'] }): Change =>
	change({ collection: 'rocketchat_message', id: 'm', ...given });

test('a new message goes to its room, with what notifications need beside it', () => {
	const found = events(messages({ operation: 'insert', after: message }));
	assert.deepEqual(said(found), ['room:r room-messages/r post:inserted']);
	assert.deepEqual(argsOf(found, 'room-messages/r'), [message]);
	assert.deepEqual(part(found, 'room-messages/r').kind === 'direct' && found[0]?.parts[0], {
		kind: 'direct',
		stream: 'room-messages',
		event: 'r',
		args: [message],
		version: 1_000,
	});
	assert.deepEqual(bodyOf(found, 'post:inserted'), {
		_id: 'm',
		rid: 'r',
		msg: 'hi @ana @all',
		u: message.u,
		mentions: ['ana'],
		all: true,
		here: false,
	});
});

test('edits, system messages and replaced records are no posts', () => {
	const edited = { ...message, msg: 'hello' };
	assert.deepEqual(said(events(update('rocketchat_message', message, edited, ['msg']))), ['room:r room-messages/r']);
	const system = messages({ operation: 'insert', after: { ...message, t: 'uj' } as StoredDocument });
	assert.deepEqual(said(events(system)), ['room:r room-messages/r']);
	const encrypted = messages({ operation: 'insert', after: { ...message, t: 'e2e' } as StoredDocument });
	assert.deepEqual(said(events(encrypted)), ['room:r room-messages/r post:inserted']);
	const replaced = messages({ operation: 'replace', before: message, after: edited });
	assert.deepEqual(said(events(replaced)), ['room:r room-messages/r']);
});

test('hidden and imported messages are silent; hiding one is its deletion for clients', () => {
	const hidden = { ...message, _hidden: true };
	const imported = { ...message, imported: 'slack' };
	for (const after of [hidden, imported]) {
		assert.deepEqual(events(messages({ operation: 'insert', after })), []);
		assert.deepEqual(events(messages({ operation: 'delete', before: after })), []);
	}
	assert.deepEqual(
		argsOf(events(update('rocketchat_message', message, hidden, ['_hidden'])), 'notify-room/r/deleteMessage'),
		[{ _id: 'm' }],
	);
	assert.deepEqual(said(events(update('rocketchat_message', null, hidden, ['_hidden']))), [
		'room:r notify-room/r/deleteMessage',
	]);
	assert.deepEqual(events(update('rocketchat_message', hidden, hidden, ['urls'])), []);
});

test('a deletion names the message; together with its room it is no news', () => {
	const deleted = messages({ operation: 'delete', before: message });
	assert.deepEqual(argsOf(events(deleted), 'notify-room/r/deleteMessage'), [{ _id: 'm' }]);
	assert.deepEqual(events(deleted, ['r']), []);
	assert.deepEqual(events(messages({ operation: 'delete' })), [], 'nobody knows whose it was');
});

const room = {
	_id: 'r',
	t: 'l',
	msgs: 1,
	usersCount: 2,
	_updatedAt: at,
	joinCode: 'secret',
	v: { _id: 'v', token: 'secret' },
	rk: { s: 1, n: 1, u: 1, i: ['l', 'm'], p: [{ m: 'm', s: 1 }] },
};

test('a room is told without its secrets and without core’s own lists', () => {
	const found = events(change({ collection: 'rocketchat_room', operation: 'insert', id: 'r', after: room }));
	assert.deepEqual(said(found), ['room:r room:inserted']);
	const { joinCode: _, ...shown } = room;
	assert.deepEqual(bodyOf(found, 'room:inserted'), {
		room: { ...shown, v: { _id: 'v' }, rk: { s: 1, n: 1, u: 1, g: 0, i: ['m'] } },
		fields: null,
	});
	assert.ok(!JSON.stringify(found).includes('secret'));
});

test('a room is told when something visible or a counter changed, and only then', () => {
	const fieldsOf = (paths: string[]): unknown => {
		const found = events(update('rocketchat_room', room, room, paths));
		return found.length === 0 ? null : (bodyOf(found, 'room:updated') as { fields: string[] }).fields;
	};
	assert.deepEqual(fieldsOf(['topic', '_updatedAt']), ['topic', '_updatedAt']);
	assert.deepEqual(fieldsOf(['rk.s', 'rk.i']), ['rk']);
	assert.deepEqual(fieldsOf(['rk.s', 'lm', 'msgs', 'joinCode']), ['rk', 'lm', 'msgs']);
	assert.equal(fieldsOf(['rk.p']), null);
	assert.equal(fieldsOf(['rk.i', 'rk.p', '_updatedAt']), null);
	assert.equal(fieldsOf(['joinCode']), null);
	assert.equal(fieldsOf(['_updatedAt']), null);
});

test('a replaced room is compared with what it was', () => {
	const replaced = (after: object): Publication[] =>
		events(
			change({
				collection: 'rocketchat_room',
				operation: 'replace',
				id: 'r',
				before: room,
				after: after as StoredDocument,
			}),
		);
	assert.deepEqual(said(replaced({ ...room, topic: 'new' })), ['room:r room:updated']);
	assert.deepEqual(replaced({ ...room, joinCode: 'other', _updatedAt: new Date(5) }), []);
});

test('a deleted room is told with what is known of it; a new avatar is told to everybody', () => {
	const deleted = change({ collection: 'rocketchat_room', operation: 'delete', id: 'r', before: room });
	assert.deepEqual(said(events(deleted)), ['room:r room:removed']);
	const unknown = events(change({ collection: 'rocketchat_room', operation: 'delete', id: 'r' }));
	assert.equal((bodyOf(unknown, 'room:removed') as { room: { _id: string } }).room._id, 'r');
	const drawn = events(update('rocketchat_room', room, { ...room, avatarETag: 'e' }, ['avatarETag']));
	assert.deepEqual(said(drawn), ['room:r room:updated', 'all:logged notify-logged/updateAvatar']);
	assert.deepEqual(argsOf(drawn, 'notify-logged/updateAvatar'), [{ rid: 'r', etag: 'e' }]);
});

const subscription = {
	_id: 's',
	rid: 'r',
	t: 'c',
	u: { _id: 'u', username: 'bob' },
	open: true,
	alert: false,
	unread: 0,
	_updatedAt: at,
};
const subscribed = (before: object | null, after: object, paths: string[]): string[] =>
	said(events(update('rocketchat_subscription', before, after, paths)));

test('a membership that begins or ends is told to its user and to its room, a change to its user', () => {
	const begun = change({ collection: 'rocketchat_subscription', operation: 'insert', after: subscription });
	assert.deepEqual(said(events(begun)), ['user:u subscription:inserted', 'room:r subscription:inserted']);
	const ended = change({ collection: 'rocketchat_subscription', operation: 'delete', before: subscription });
	assert.deepEqual(said(events(ended)), ['user:u subscription:removed', 'room:r subscription:removed']);
	assert.deepEqual(bodyOf(events(ended), 'subscription:removed'), { subscription, fields: null });
	assert.deepEqual(subscribed(subscription, subscription, ['f', '_updatedAt']), ['user:u subscription:updated']);
	assert.deepEqual(subscribed(subscription, subscription, ['_updatedAt']), []);
	assert.deepEqual(subscribed(subscription, subscription, ['customFields']), []);
	assert.deepEqual(events(change({ collection: 'rocketchat_subscription', operation: 'delete' })), []);
});

test('an own post of a member is silent; a mention, a read and a fold are not', () => {
	const own = { s: 5, n: 1, u: 1, g: 0 };
	const mention = { ...own, s: 6, m: 1 };
	const withEntries = (...x: object[]): object => ({ ...subscription, rk: { s: 1, x } });
	assert.deepEqual(subscribed(withEntries(own), withEntries(own, own), ['rk.x.1', '_updatedAt']), []);
	assert.deepEqual(subscribed(null, withEntries(own, own), ['rk.x.1']), [], 'also where the version before is unknown');
	assert.deepEqual(subscribed({ ...subscription, rk: { s: 1 } }, withEntries(own), ['rk.x']), []);
	assert.deepEqual(subscribed(subscription, { ...subscription, rk: { x: [own] } }, ['rk']), []);
	const told = ['user:u subscription:updated'];
	assert.deepEqual(subscribed(withEntries(own), withEntries(own, mention), ['rk.x.1', '_updatedAt']), told);
	assert.deepEqual(subscribed(subscription, { ...subscription, rk: { x: [mention] } }, ['rk']), told);
	assert.deepEqual(subscribed(null, { ...subscription, rk: { x: [own] } }, ['rk.x']), told, 'nobody knows what went');
	assert.deepEqual(subscribed(withEntries(own), { ...subscription, rk: { s: 9, x: [] } }, ['rk.s', 'rk.x']), told);
	assert.deepEqual(subscribed(withEntries(own, mention), withEntries(mention), ['rk.x']), told);
	assert.deepEqual(subscribed(withEntries(own), withEntries(own), ['rk.h.s']), told);
});

const user = {
	_id: 'u',
	username: 'bob',
	name: 'Bob',
	roles: ['user'],
	active: true,
	type: 'user',
	_updatedAt: at,
	e2e: { public_key: 'p', private_key: 'secret' },
	settings: { preferences: { language: 'de', sound: 'x' } },
	services: {
		password: { bcrypt: 'secret' },
		totp: { enabled: true, secret: 'secret' },
		resume: { loginTokens: [{ hashedToken: 'one' }, { hashedToken: 'two' }] },
	},
};

test('a user’s own clients hear what changed of him, path by path, and no secret', () => {
	const found = events(
		update('users', user, user, ['settings.preferences.language', 'services.totp', 'roles', '_updatedAt']),
	);
	assert.deepEqual(said(found), ['user:u user:updated']);
	const { diff, unset } = bodyOf(found, 'user:updated') as { diff: object; unset: object };
	assert.deepEqual(diff, {
		'settings.preferences.language': 'de',
		'services.totp.enabled': true,
		roles: ['user'],
		_updatedAt: at,
	});
	assert.deepEqual(unset, {});
	assert.ok(!JSON.stringify(found).includes('secret'));
});

test('removed paths are unset; whole objects are told whole', () => {
	const after = { ...user, bio: undefined, settings: { preferences: { sound: 'x' } } };
	const found = events(update('users', user, after, ['bio', 'settings.preferences.language', 'emails.0.verified']));
	const { diff, unset } = bodyOf(found, 'user:updated') as { diff: object; unset: object };
	assert.deepEqual([diff, unset], [{}, { bio: 1, 'settings.preferences.language': 1, emails: 1 }]);
	const whole = events(update('users', user, user, ['settings', 'settings.preferences.language']));
	assert.deepEqual((bodyOf(whole, 'user:updated') as { diff: object }).diff, {
		'settings.preferences': user.settings.preferences,
	});
});

test('what presence announces itself, and what nobody sees, is silent', () => {
	assert.deepEqual(events(update('users', user, user, ['status', 'statusConnection', 'statusText', '_updatedAt'])), []);
	assert.deepEqual(events(update('users', user, user, ['__rooms', '_updatedAt'])), []);
	assert.deepEqual(events(update('users', user, user, ['services.password.bcrypt', '_updatedAt'])), []);
	assert.deepEqual(said(events(update('users', user, user, ['status', 'statusLivechat']))), ['user:u user:updated']);
});

test('tokens that ended close their sockets; a new one closes none', () => {
	const withTokens = (...tokens: string[]): object => ({
		...user,
		services: { resume: { loginTokens: tokens.map((hashedToken) => ({ hashedToken })) } },
	});
	const logout = (before: object | null, after: object, paths = ['services.resume.loginTokens']): unknown => {
		const found = events(update('users', before, after, paths));
		if (!said(found).some((text) => text.includes('logout'))) return undefined;
		return (bodyOf(found, 'logout:removed') as { hashedTokens: unknown }).hashedTokens;
	};
	assert.equal(logout(withTokens('one'), withTokens('one', 'two'), ['services.resume.loginTokens.1']), undefined);
	assert.deepEqual(logout(withTokens('one', 'two', 'three'), withTokens('two')), ['one', 'three']);
	assert.equal(logout(withTokens('one'), user, ['services']), undefined);
	assert.equal(logout(null, withTokens('one')), undefined, 'nobody knows which went');
	assert.deepEqual(logout(withTokens('one'), withTokens()), ['one']);
	assert.equal(logout(null, withTokens()), null, 'all, where the version before is unknown');
	const inactive = events(update('users', user, { ...user, active: false }, ['active', 'services.resume.loginTokens']));
	assert.deepEqual(said(inactive), ['user:u user:updated logout:removed']);
	assert.deepEqual(bodyOf(inactive, 'logout:removed'), { uid: 'u', hashedTokens: null, reason: 'deactivated' });
});

test('a deleted user ends his sockets; a new name or avatar is told to everybody', () => {
	const deleted = events(change({ collection: 'users', operation: 'delete', id: 'u', before: user }));
	assert.deepEqual(said(deleted), ['user:u user:removed logout:removed']);
	assert.ok(!JSON.stringify(deleted).includes('secret'));
	assert.deepEqual(said(events(change({ collection: 'users', operation: 'delete', id: 'u' }))), [
		'user:u logout:removed',
	]);
	const renamed = events(update('users', user, { ...user, name: 'Robert' }, ['name']));
	assert.deepEqual(said(renamed), ['user:u user:updated', 'all:logged notify-logged/Users:NameChanged']);
	assert.deepEqual(argsOf(renamed, 'notify-logged/Users:NameChanged'), [{ _id: 'u', name: 'Robert', username: 'bob' }]);
	const drawn = events(update('users', user, { ...user, avatarETag: undefined }, ['avatarETag']));
	assert.deepEqual(argsOf(drawn, 'notify-logged/updateAvatar'), [{ username: 'bob', etag: null }]);
});

const setting = { _id: 'Site_Name', type: 'string', value: 'Rookery', public: true, packageValue: 'x', _updatedAt: at };
const set = (before: object | null, after: object, paths = ['value', '_updatedAt']): Publication[] =>
	events(update('rocketchat_settings', before, after, paths));

test('a public setting is told to everybody, also inside public-info', () => {
	const found = set(setting, setting);
	assert.deepEqual(said(found), [
		'all:settings setting:updated notify-logged/private-settings-changed',
		'all:public notify-all/public-settings-changed notify-all/public-info',
	]);
	const args = argsOf(found, 'notify-all/public-settings-changed');
	assert.deepEqual(JSON.parse(JSON.stringify(args)), ['updated', { _id: 'Site_Name', value: 'Rookery' }]);
	assert.deepEqual(argsOf(found, 'notify-all/public-info'), [['public-settings-changed', args]]);
});

test('a setting that stopped being public is removed for everybody', () => {
	const found = set(setting, { ...setting, public: false }, ['public']);
	assert.deepEqual(argsOf(found, 'notify-all/public-settings-changed'), ['removed', { _id: 'Site_Name' }]);
	const hidden = set(setting, { ...setting, hidden: true }, ['hidden']);
	assert.deepEqual(said(hidden), [
		'all:settings setting:updated',
		'all:public notify-all/public-settings-changed notify-all/public-info',
	]);
});

test('secrets travel without any value, whatever the record says of them', () => {
	const secret = { ...setting, value: 'hunter2', packageValue: 'hunter2', processEnvValue: 'hunter2' };
	for (const given of [
		{ ...secret, type: 'password' },
		{ ...secret, secret: true },
	]) {
		const found = set(given, given);
		assert.deepEqual(said(found), ['all:settings setting:updated notify-logged/private-settings-changed']);
		assert.ok(!JSON.stringify(found).includes('hunter2'));
	}
});

test('an enterprise setting is told with the value that it has without a licence', () => {
	const locked = { ...setting, enterprise: true, invalidValue: 'free', value: 'paid' };
	const [, shown] = argsOf(set(locked, locked), 'notify-all/public-settings-changed') as [string, { value: string }];
	assert.equal(shown.value, 'free');
});

test('bare dates of a setting are no news, what no client sees is news for processes only', () => {
	assert.deepEqual(set(setting, setting, ['_updatedAt', 'ts']), []);
	assert.deepEqual(said(set(setting, setting, ['packageValue'])), ['all:settings setting:updated']);
	const gone = events(change({ collection: 'rocketchat_settings', operation: 'delete', id: 'Site_Name' }));
	assert.deepEqual(said(gone), ['all:settings setting:removed']);
});

test('permissions and roles are told to processes and clients', () => {
	const permission = { _id: 'create-c', roles: ['admin'], _updatedAt: at };
	const granted = events(update('rocketchat_permissions', permission, permission, ['roles.1']));
	assert.deepEqual(said(granted), ['all:permissions permission:updated notify-logged/permissions-changed']);
	assert.deepEqual(argsOf(granted, 'notify-logged/permissions-changed'), ['updated', permission]);
	const role = { _id: 'guest', name: 'guest', scope: 'Users', description: '', protected: true };
	const changed = events(update('rocketchat_roles', role, role, ['description']));
	assert.deepEqual(argsOf(changed, 'roles/roles'), [{ type: 'changed', ...role }]);
	const removed = events(change({ collection: 'rocketchat_roles', operation: 'delete', id: 'guest', before: role }));
	assert.deepEqual(said(removed), ['all:roles role:removed roles/roles']);
	assert.deepEqual(argsOf(removed, 'roles/roles'), [{ type: 'removed', _id: 'guest', name: 'guest' }]);
});

test('collections that are not published say nothing', () => {
	assert.deepEqual(events(change({ collection: 'rookery_hub', operation: 'insert', after: { _id: 'lease' } })), []);
});
