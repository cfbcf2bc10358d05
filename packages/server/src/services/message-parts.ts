/**
 * What a message's text refers to. Everything here runs in time linear in the text: each expression is anchored at one
 * character and no two of its parts can match the same text.
 */
export type MessageParts = {
	/** Possible usernames behind `@`, most likely first for each place. At most 500. */
	names: string[];
	/** `@all` stands in the text. */
	all: boolean;
	here: boolean;
	/** Possible room names behind `#`. At most 500. */
	channels: string[];
	/** Addresses, each once, in order. At most 100. */
	urls: string[];
};

const maxReferences = 500;
const maxUrls = 100;
/** Longest name looked up; what is longer is no name. */
const maxNameLength = 128;

const mention = /(?<![\p{L}\p{N}_.@#/-])@([\p{L}\p{N}_.-]+(?::[\p{L}\p{N}_.-]+)?)/gu;
const channel = /(?<![\p{L}\p{N}_.@#/-])#([\p{L}\p{N}_.-]+)/gu;
const url = /https?:\/\/[^\s<>"`\p{Cc}]+/giu;
const trailing = '.,;:!?\'"*_~|]}';

/**
 * Reads mentions, channels and addresses out of a text. Code is left out.
 *
 * @param text At most `Message_MaxAllowedSize` characters.
 * @see data model, 5 (`mentions`, `channels`, `urls`)
 */
export function partsOf(text: string): MessageParts {
	const plain = withoutCode(text);
	const urls = new Set<string>();
	const prose = plain.replaceAll(url, (found) => {
		if (urls.size < maxUrls) urls.add(trimUrl(found));
		return ' ';
	});
	const names = referencesOf(prose, mention);
	return {
		names: names.filter((name) => name !== 'all' && name !== 'here'),
		all: names.includes('all'),
		here: names.includes('here'),
		channels: referencesOf(prose, channel),
		urls: [...urls],
	};
}

/** The text with fenced blocks and inline code replaced by blanks. An unclosed fence or tick is ordinary text. */
export function withoutCode(text: string): string {
	return cutPairs(
		cutPairs(text, '```', () => true),
		'`',
		(inside) => !inside.includes('\n'),
	);
}

function cutPairs(text: string, fence: string, isCode: (inside: string) => boolean): string {
	const pieces = text.split(fence);
	let result = pieces[0] ?? '';
	for (let index = 1; index < pieces.length; index++) {
		const piece = pieces[index] ?? '';
		const isClosed = index + 1 < pieces.length;
		if (isClosed && isCode(piece)) {
			index += 1;
			result += ` ${pieces[index] ?? ''}`;
		} else {
			result += fence + piece;
		}
	}
	return result;
}

/** Each name as it stands, and without the points and dashes that a sentence may have put behind it. */
function referencesOf(text: string, pattern: RegExp): string[] {
	const found = new Set<string>();
	for (const match of text.matchAll(pattern)) {
		const name = match[1] ?? '';
		if (found.size >= maxReferences) break;
		if (name.length > maxNameLength) continue;
		found.add(name);
		let end = name.length;
		while (end > 0 && '.-:'.includes(name.charAt(end - 1))) end -= 1;
		if (end > 0) found.add(name.slice(0, end));
	}
	return [...found];
}

/** Takes off what belongs to the sentence: punctuation, and closing brackets that the address did not open. */
function trimUrl(found: string): string {
	let end = found.length;
	let open = 0;
	for (const letter of found) {
		if (letter === '(') open += 1;
		if (letter === ')') open -= 1;
	}
	for (; end > 0; end--) {
		const last = found.charAt(end - 1);
		if (trailing.includes(last)) continue;
		if (last !== ')' || open >= 0) break;
		open += 1;
	}
	return found.slice(0, end);
}

/**
 * Whether a user's highlight words stand in a text: case-insensitive substrings.
 * @see data model, 6.2
 */
export function isHighlighted(text: string, words: string[]): boolean {
	const lower = text.toLowerCase();
	return words.some((word) => word.trim() !== '' && lower.includes(word.trim().toLowerCase()));
}

/** Length of a text as the size limit counts it: an emoji's short name counts as one character. */
export function lengthOf(text: string): number {
	return text.replaceAll(/:(?:[+-]1|100|1234|(?=[\d_+-]{0,32}[a-z])[a-z\d_+-]{1,32}):/gi, ' ').length;
}
