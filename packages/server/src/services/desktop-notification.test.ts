import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Post } from '@rookery/protocol/events.ts';
import type { Subscription } from '@rookery/protocol/records.ts';
import type { RoomFacts, UserFacts } from '../repositories/streamer-reads.ts';
import { isNotified, notificationOf, type NotificationSettings } from './desktop-notification.ts';

const post: Post = {
	_id: 'm',
	rid: 'r',
	msg: 'hello there',
	u: { _id: 'ana', username: 'ana', name: 'Ana A.' },
	mentions: [],
	all: false,
	here: false,
};
const channel: RoomFacts = { _id: 'r', t: 'c', name: 'general', usersCount: 3 };
const member = { _id: 's', rid: 'r', t: 'c', u: { _id: 'bob', username: 'bob' } } as Subscription;
const online: UserFacts = { _id: 'bob', status: 'online', statusConnection: 'online' };
const rules: NotificationSettings = { defaultPreference: 'mentions', maxRoomMembers: 100, usesRealNames: false };

type Case = {
	name: string;
	expected: boolean;
	post?: Partial<Post>;
	room?: Partial<RoomFacts>;
	member?: Partial<Subscription>;
	user?: Partial<UserFacts>;
	rules?: Partial<NotificationSettings>;
};

const cases: Case[] = [
	{ name: 'a plain message by default only counts in direct rooms', expected: false },
	{ name: 'a direct room', expected: true, room: { t: 'd' } },
	{ name: 'the author himself', expected: false, room: { t: 'd' }, post: { u: { _id: 'bob' } } },
	{ name: 'a mention', expected: true, post: { mentions: ['bob'] } },
	{ name: 'a mention of somebody else', expected: false, post: { mentions: ['eve'] } },
	{ name: 'an ignored author', expected: false, post: { mentions: ['bob'] }, member: { ignored: ['ana'] } },
	{
		name: 'notifications off for the room',
		expected: false,
		post: { mentions: ['bob'] },
		member: { disableNotifications: true },
	},
	{ name: 'a busy user', expected: false, post: { mentions: ['bob'] }, user: { status: 'busy' } },
	{
		name: 'a user without a connection',
		expected: false,
		post: { mentions: ['bob'] },
		user: { statusConnection: 'offline' },
	},
	{
		name: 'preference nothing',
		expected: false,
		post: { mentions: ['bob'] },
		member: { desktopNotifications: 'nothing' },
	},
	{ name: 'preference all', expected: true, member: { desktopNotifications: 'all' } },
	{
		name: 'own preference all for every room',
		expected: true,
		user: { settings: { preferences: { desktopNotifications: 'all' } } },
	},
	{
		name: 'the room’s preference before the general one',
		expected: false,
		member: { desktopNotifications: 'mentions' },
		user: { settings: { preferences: { desktopNotifications: 'all' } } },
	},
	{
		name: 'preference default is none',
		expected: true,
		member: { desktopNotifications: 'default' },
		rules: { defaultPreference: 'all' },
	},
	{
		name: 'server default nothing',
		expected: false,
		post: { mentions: ['bob'] },
		rules: { defaultPreference: 'nothing' },
	},
	{ name: '@all', expected: true, post: { all: true } },
	{ name: '@here', expected: true, post: { here: true } },
	{ name: '@here to somebody invisible', expected: false, post: { here: true }, user: { status: 'offline' } },
	{ name: 'a highlighted word', expected: true, member: { userHighlights: ['There'] } },
	{ name: 'a part of a word is no highlight', expected: false, member: { userHighlights: ['her'] } },
	{ name: 'a reply in a thread not followed', expected: false, post: { tmid: 't' }, room: { t: 'd' } },
	{ name: 'a reply in a followed thread', expected: true, post: { tmid: 't', replies: ['bob'] }, room: { t: 'd' } },
	{ name: 'a mention in a thread', expected: true, post: { tmid: 't', mentions: ['bob'] } },
	{ name: '@all in a large room', expected: false, post: { all: true }, room: { usersCount: 101 } },
	{ name: 'a mention in a large room', expected: true, post: { mentions: ['bob'] }, room: { usersCount: 101 } },
	{
		name: 'the server default all in a large room',
		expected: false,
		room: { usersCount: 101 },
		rules: { defaultPreference: 'all' },
	},
	{
		name: 'an own preference all in a large room',
		expected: true,
		room: { usersCount: 101 },
		member: { desktopNotifications: 'all' },
	},
];

for (const entry of cases) {
	test(`desktop notification: ${entry.name}: ${entry.expected ? 'yes' : 'no'}`, () => {
		const verdict = isNotified(
			{ ...post, ...entry.post },
			{ ...channel, ...entry.room },
			{ ...member, ...entry.member },
			{ ...online, ...entry.user },
			{ ...rules, ...entry.rules },
		);
		assert.equal(verdict, entry.expected);
	});
}

test('title and text by type of room, the shown name by setting, nothing readable of what is encrypted', () => {
	const texts = (room: Partial<RoomFacts>, usesRealNames: boolean, changed: Partial<Post> = {}) => {
		const made = notificationOf(
			{ ...post, ...changed },
			{ ...channel, ...room },
			{ ...member, fname: 'Ana, Eve' },
			usesRealNames,
		);
		const { title, text } = made as { title: string; text: string };
		return [title, text];
	};
	assert.deepEqual(texts({}, false), ['#general', 'ana: hello there']);
	assert.deepEqual(texts({ fname: 'General Talk' }, true), ['#General Talk', 'Ana A.: hello there']);
	assert.deepEqual(texts({ t: 'd', uids: ['ana', 'bob'] }, false), ['ana', 'hello there']);
	assert.deepEqual(texts({ t: 'd', uids: ['ana', 'bob', 'eve'] }, false), ['Ana, Eve', 'ana: hello there']);
	assert.deepEqual(texts({ t: 'l', fname: 'Guest' }, false), ['[Omnichannel] Guest', 'hello there']);
	assert.deepEqual(texts({}, false, { t: 'e2e', msg: 'cipher' }), ['#general', 'ana: Encrypted message']);
});
