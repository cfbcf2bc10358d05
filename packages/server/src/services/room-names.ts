import { createHash } from 'node:crypto';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { UserId } from '@rookery/protocol/records.ts';
import type { SettingsReader } from './settings.ts';

const maxNameLength = 255;
const usualPattern = '[0-9a-zA-Z-_.]+';

/**
 * Checks a typed room name by the workspace's rule.
 *
 * @throws ClientError `error-invalid-name` when it is empty; `error-invalid-room-name` when it is too long or, unless
 *   special characters are allowed, does not match the setting `UTF8_Channel_Names_Validation`.
 * @see data model, 3, "Creation"
 */
export function checkRoomName(typed: string, settings: SettingsReader): void {
	if (typed.trim() === '') throw new ClientError('error-invalid-name', 'Invalid name');
	const isFree = allowsSpecialCharacters(settings);
	const isValid = isFree || namePattern(settings).test(typed);
	if (isValid && typed.length <= maxNameLength) return;
	const shown = typed.slice(0, maxNameLength);
	throw new ClientError('error-invalid-room-name', `${shown} is not a valid room name.`, { channel_name: shown });
}

/** Whether display names may hold any text, and the stored name is made from them. */
export function allowsSpecialCharacters(settings: SettingsReader): boolean {
	return settings.flag('UI_Allow_room_names_with_special_chars');
}

function namePattern(settings: SettingsReader): RegExp {
	const source = settings.text('UTF8_Channel_Names_Validation', usualPattern);
	try {
		return new RegExp(`^(?:${source})$`);
	} catch {
		return new RegExp(`^(?:${usualPattern})$`);
	}
}

const letters: Record<string, string> = {
	ß: 'ss',
	æ: 'ae',
	Æ: 'AE',
	œ: 'oe',
	Œ: 'OE',
	ø: 'o',
	Ø: 'O',
	ł: 'l',
	Ł: 'L',
	đ: 'd',
	Đ: 'D',
	ð: 'd',
	Ð: 'D',
	þ: 'th',
	Þ: 'TH',
	ı: 'i',
};

/**
 * The stored name of a room with a free display name: case kept, accents dropped, everything else a dash.
 *
 * @returns '' when nothing of the text can be written in Latin letters, digits, `_` and `.`.
 */
export function slugOf(typed: string): string {
	return typed
		.normalize('NFKD')
		.replaceAll(/\p{M}+/gu, '')
		.replaceAll(/[^\x20-\x7E]/gu, (character) => letters[character] ?? '-')
		.replaceAll(/[^0-9A-Za-z_.]+/g, '-')
		.replaceAll(/^-|-$/g, '');
}

const idAlphabet = '23456789ABCDEFGHJKLMNPQRSTWXYZabcdefghijkmnopqrstuvwxyz';

/**
 * The id of the direct room of one, or of three and more users: looks like a random id, but is the same wherever and
 * whenever it is asked for, so that parallel calls meet in one document.
 *
 * @param uids Sorted ascending.
 * @param attempt Another id for the same users: 0, then 1, ... when a room that had them once holds the earlier ones.
 */
export function groupDirectRoomId(uids: UserId[], attempt: number): string {
	const digest = createHash('sha256')
		.update(JSON.stringify([uids, attempt]))
		.digest('hex');
	let rest = BigInt(`0x${digest}`);
	let id = '';
	while (id.length < 17) {
		id += idAlphabet[Number(rest % 55n)];
		rest /= 55n;
	}
	return id;
}
