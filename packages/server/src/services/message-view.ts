import type { Message, UserId } from '@rookery/protocol/records.ts';
import type { UserRepository } from '../repositories/users.ts';
import type { SettingsReader } from './settings.ts';

type Deps = { users: Pick<UserRepository, 'findByUsernames'>; settings: SettingsReader };

/**
 * Messages as one caller sees them in answers: of the stars only his own; with `UI_Use_Real_Name` real names of authors,
 * of those mentioned and of those who reacted.
 *
 * @see REST endpoints 0.2, "Normalisation for the caller"
 */
export function messageView({ users, settings }: Deps) {
	return async function forClient(uid: UserId | null, messages: Message[]): Promise<Message[]> {
		const seen = messages.map((message) => withOwnStar(message, uid));
		if (!settings.flag('UI_Use_Real_Name') || seen.length === 0) return seen;
		const wanted = [...new Set(seen.flatMap(usernamesOf))];
		const found = wanted.length === 0 ? [] : await users.findByUsernames(wanted);
		const names = new Map(found.map(({ username, name }) => [username ?? '', name]));
		return seen.map((message) => withRealNames(message, names));
	};
}

function withOwnStar(message: Message, uid: UserId | null): Message {
	if (message.starred === undefined) return message;
	const { starred, ...rest } = message;
	const own = starred.filter(({ _id }) => _id === uid);
	return own.length === 0 ? rest : { ...rest, starred: own };
}

function usernamesOf(message: Message): string[] {
	return [
		...(message.u.username === undefined ? [] : [message.u.username]),
		...(message.mentions ?? []).map(({ username }) => username),
		...Object.values(message.reactions ?? {}).flatMap(({ usernames }) => usernames ?? []),
	];
}

function withRealNames(message: Message, names: Map<string, string | undefined>): Message {
	const named = <T extends { username?: string }>(ref: T): T => {
		const name = names.get(ref.username ?? '');
		return name === undefined ? ref : { ...ref, name };
	};
	return {
		...message,
		u: named(message.u),
		...(message.mentions === undefined ? {} : { mentions: message.mentions.map(named) }),
		...(message.reactions === undefined ? {} : { reactions: namedReactions(message.reactions, names) }),
	};
}

function namedReactions(
	reactions: NonNullable<Message['reactions']>,
	names: Map<string, string | undefined>,
): NonNullable<Message['reactions']> {
	return Object.fromEntries(
		Object.entries(reactions).map(([emoji, reaction]) => [
			emoji,
			{ ...reaction, names: (reaction.usernames ?? []).map((username) => names.get(username) ?? username) },
		]),
	);
}
