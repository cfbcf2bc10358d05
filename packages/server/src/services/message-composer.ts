import type { Mention, Message, MessageId } from '@rookery/protocol/records.ts';
import { authorOf, type UnsentMessage } from '../repositories/messages.ts';
import type { RoomPostRepository } from '../repositories/room-posts.ts';
import type { UserRepository } from '../repositories/users.ts';
import type { Actor, AuthorizationApi } from './contracts.ts';
import { partsOf, type MessageParts } from './message-parts.ts';
import type { NewMessage } from './messages.ts';

type Deps = {
	users: Pick<UserRepository, 'findByUsernames'>;
	posts: Pick<RoomPostRepository, 'findNamed'>;
	authorization: Pick<AuthorizationApi, 'readableRooms'>;
};

/** What the server reads out of a text and stores beside it. */
export type Resolved = Required<Pick<Message, 'mentions' | 'channels' | 'urls'>>;

const noParts: MessageParts = { names: [], all: false, here: false, channels: [], urls: [] };

/** Fields that are taken over from the client as they are. */
const takenFields = [
	'alias',
	'avatar',
	'emoji',
	'groupable',
	'attachments',
	'blocks',
	'customFields',
	'bot',
	'parseUrls',
	't',
	'e2e',
	'content',
	'location',
] as const satisfies (keyof NewMessage & keyof Message)[];

/** The references of a message's text. An encrypted text has none that the server could see. */
export function partsOfMessage(message: Pick<NewMessage, 'msg' | 't'>): MessageParts {
	return message.t === 'e2e' ? noParts : partsOf(message.msg ?? '');
}

/** Turns what a client sent into what is stored. */
export function messageComposer({ users, posts, authorization }: Deps) {
	async function mentionsOf(parts: MessageParts): Promise<Mention[]> {
		const wanted = new Set(parts.names.map((name) => name.toLowerCase()));
		const found = parts.names.length === 0 ? [] : await users.findByUsernames(parts.names);
		const persons = found
			.filter(({ username }) => username !== undefined && wanted.has(username.toLowerCase()))
			.map(({ _id, username, name }) => ({
				_id,
				username: username ?? '',
				...(name === undefined ? {} : { name }),
				type: 'user' as const,
			}));
		const groups = (['all', 'here'] as const)
			.filter((name) => parts[name])
			.map((name) => ({ _id: name, username: name }));
		return [...groups, ...persons];
	}

	/** Only rooms the author may read: a name must not prove that a hidden room exists. */
	async function channelsOf(actor: Actor, names: string[]): Promise<Resolved['channels']> {
		if (names.length === 0) return [];
		const found = await posts.findNamed(names);
		if (found.length === 0) return [];
		const readable = new Set(
			await authorization.readableRooms(
				found.map(({ _id }) => _id),
				actor.uid,
			),
		);
		return found.filter(({ _id }) => readable.has(_id));
	}

	async function resolve(actor: Actor, parts: MessageParts, parseUrls: boolean): Promise<Resolved> {
		return {
			mentions: await mentionsOf(parts),
			channels: await channelsOf(actor, parts.channels),
			urls: parseUrls ? parts.urls.map((url) => ({ url })) : [],
		};
	}

	return {
		resolve,

		/** @param thread The thread's root, where it is a reply. */
		async compose(
			actor: Actor,
			message: NewMessage & { _id: MessageId },
			parts: MessageParts,
			thread: MessageId | undefined,
		): Promise<UnsentMessage> {
			const { uid, username, name } = actor;
			const taken = Object.fromEntries(
				takenFields.filter((field) => message[field] !== undefined).map((field) => [field, message[field]]),
			);
			return {
				_id: message._id,
				rid: message.rid,
				msg: message.msg ?? '',
				u: authorOf({ _id: uid, username, ...(name === undefined ? {} : { name }) }),
				...taken,
				...(thread === undefined ? {} : { tmid: thread }),
				...(message.tshow === true ? { tshow: true } : {}),
				...(await resolve(actor, parts, message.parseUrls !== false)),
			};
		},
	};
}

export type MessageComposer = ReturnType<typeof messageComposer>;
