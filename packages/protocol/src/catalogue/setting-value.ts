import type { SettingType } from '../records.ts';

type Kind = { type: SettingType; values?: readonly (string | number | { key: string | number })[] | undefined };

const takesNone: ReadonlySet<SettingType> = new Set(['group', 'action']);

/** Longest text a setting may hold, in characters. */
const maxTextLength = 1024 * 1024;

/**
 * Whether a value may stand in a setting of this type. Groups and actions take none.
 *
 * @param setting `values` are the choices of `select` and `multiSelect`; without them any text is one.
 */
export function isValidSettingValue({ type, values }: Kind, value: unknown): boolean {
	// oxlint-disable-next-line typescript/switch-exhaustiveness-check -- all the others hold a text
	switch (type) {
		case 'boolean':
			return typeof value === 'boolean';
		case 'int':
			return Number.isSafeInteger(value);
		case 'range':
			return typeof value === 'number' && Number.isFinite(value);
		case 'select':
			return isChoice(values, value);
		case 'multiSelect':
			return Array.isArray(value) && value.every((entry) => isChoice(values, entry));
		case 'asset':
			return isAsset(value);
		case 'roomPick':
			return value === '' || (Array.isArray(value) && value.every(isRoomReference));
		case 'date':
			return isText(value) || value instanceof Date;
		default:
			return !takesNone.has(type) && isText(value);
	}
}

/** Reads a text of the environment as a value of this type. @returns undefined when it is none */
export function settingValueOfText({ type, values }: Kind, text: string): unknown {
	const value = readText(type, text);
	// Texts of the environment name a numeric choice by its digits.
	const chosen = values?.map(keyOf).find((key) => String(key) === text);
	const result = type === 'select' && chosen !== undefined ? chosen : value;
	return isValidSettingValue({ type, values }, result) ? result : undefined;
}

function readText(type: SettingType, text: string): unknown {
	if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
	if (type === 'int') return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
	if (type === 'range') return text.trim() === '' ? undefined : Number(text);
	if (type !== 'multiSelect' && type !== 'asset' && type !== 'roomPick') return text;
	try {
		return JSON.parse(text) as unknown;
	} catch {
		return type === 'multiSelect' ? text.split(',').map((entry) => entry.trim()) : undefined;
	}
}

function keyOf(choice: string | number | { key: string | number }): string | number {
	return typeof choice === 'object' ? choice.key : choice;
}

function isChoice(values: Kind['values'], value: unknown): boolean {
	if (typeof value !== 'string' && typeof value !== 'number') return false;
	// '' = nothing chosen yet.
	return (
		values === undefined || values.length === 0 || value === '' || values.some((choice) => keyOf(choice) === value)
	);
}

function isText(value: unknown): boolean {
	return typeof value === 'string' && value.length <= maxTextLength;
}

function isAsset(value: unknown): boolean {
	if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
	return Object.entries(value).every(([key, part]) => ['url', 'defaultUrl'].includes(key) && isText(part));
}

function isRoomReference(value: unknown): boolean {
	if (typeof value !== 'object' || value === null) return false;
	const { _id, name } = value as { _id?: unknown; name?: unknown };
	return isText(_id) && (name === undefined || isText(name));
}
