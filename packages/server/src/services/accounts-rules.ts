import { createHash, timingSafeEqual } from 'node:crypto';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { ErrorCode } from '@rookery/protocol/errors.ts';
import { foldName } from '../repositories/users.ts';
import type { SettingsReader } from './settings.ts';

const maxNameLength = 128;
const usualNamePattern = '[0-9a-zA-Z-_.]+';

/** Names that mean everybody in a message. */
const groupMentions = ['all', 'here'];

/** Whether a name has the characters that `UTF8_User_Names_Validation` allows. */
export function isValidUsername(username: string, settings: SettingsReader): boolean {
	if (username === '' || username.length > maxNameLength || username.trim() !== username) return false;
	if (/^\.*$/.test(username) || /\p{Cc}/u.test(username)) return false;
	return namePattern(settings).test(username);
}

function namePattern(settings: SettingsReader): RegExp {
	try {
		return new RegExp(`^(?:${settings.text('UTF8_User_Names_Validation', usualNamePattern)})$`);
	} catch {
		return new RegExp(`^${usualNamePattern}$`);
	}
}

/** Whether a name is on one of the lists of names that nobody may take. */
export function isBlockedUsername(username: string, settings: SettingsReader): boolean {
	const blocked = [
		...groupMentions,
		...listOf(settings.text('Accounts_BlockedUsernameList', '')),
		...listOf(settings.text('Accounts_SystemBlockedUsernameList', 'admin,administrator,system,user')),
	];
	return blocked.some((name) => foldName(name) === foldName(username));
}

/**
 * Checks the form of an address and the domain lists.
 *
 * @throws ClientError `error-invalid-email`, `error-invalid-domain`, `error-email-domain-blacklisted`
 */
export function checkEmail(email: string, settings: SettingsReader): void {
	if (
		email.length > 254 ||
		/\p{Cc}/u.test(email) ||
		!/^[^\s@<>"(),:;\\[\]]{1,64}@[^\s@<>"(),:;\\[\]]{1,253}$/.test(email)
	) {
		throw new ClientError('error-invalid-email', `Invalid email ${email.slice(0, 254)}`);
	}
	const domain = email.slice(email.lastIndexOf('@') + 1).toLowerCase();
	const allowed = listOf(settings.text('Accounts_AllowedDomainsList', ''));
	if (allowed.length > 0) {
		if (!allowed.some((entry) => entry.toLowerCase() === domain)) {
			throw new ClientError('error-invalid-domain', 'The email domain is not in whitelist');
		}
		return;
	}
	const isIn = (entry: string) => domain === entry || domain.endsWith(`.${entry}`);
	if (listOf(settings.text('Accounts_BlockedDomainsList', '')).some((entry) => isIn(entry.toLowerCase()))) {
		throw new ClientError('error-email-domain-blacklisted', 'The email domain is blacklisted');
	}
}

/** One rule of the password policy: whether a password breaks it, and how that and the rule are told. */
type PolicyRule = { name: string; value?: number; code: ErrorCode; text: string; isBroken(password: string): boolean };

function policyRules(settings: SettingsReader): PolicyRule[] {
	const id = (name: string) => `Accounts_Password_Policy_${name}`;
	const rules: PolicyRule[] = [];
	const minLength = settings.number(id('MinLength'), 7);
	if (minLength >= 1) {
		rules.push({
			name: 'minLength',
			value: minLength,
			code: 'error-password-policy-not-met-minLength',
			text: 'The password does not meet the minimum length password policy.',
			isBroken: (password) => password.length < minLength,
		});
	}
	const maxLength = settings.number(id('MaxLength'), -1);
	if (maxLength >= 1) {
		rules.push({
			name: 'maxLength',
			value: maxLength,
			code: 'error-password-policy-not-met-maxLength',
			text: 'The password does not meet the maximum length password policy.',
			isBroken: (password) => password.length > maxLength,
		});
	}
	if (settings.flag(id('ForbidRepeatingCharacters'), true)) {
		const most = settings.number(id('ForbidRepeatingCharactersCount'), 3);
		const told = {
			code: 'error-password-policy-not-met-repeatingCharacters' as const,
			text: 'The password contains repeating characters which is against the password policy.',
		};
		rules.push({ name: 'forbidRepeatingCharacters', ...told, isBroken: () => false });
		const isBroken = (password: string) => longestRun(password) > most;
		rules.push({ name: 'forbidRepeatingCharactersCount', value: most, ...told, isBroken });
	}
	for (const [setting, name, word, pattern] of requiredCharacters) {
		if (!settings.flag(id(`AtLeastOne${setting}`), true)) continue;
		rules.push({
			name: `mustContainAtLeastOne${setting}`,
			code: `error-password-policy-not-met-one${name}`,
			text: `The password does not contain at least one ${word} character which is against the password policy.`,
			isBroken: (password) => !pattern.test(password),
		});
	}
	return rules;
}

const requiredCharacters = [
	['Lowercase', 'Lowercase', 'lowercase', /\p{Ll}/u],
	['Uppercase', 'Uppercase', 'uppercase', /\p{Lu}/u],
	['Number', 'Number', 'numerical', /\p{Nd}/u],
	['SpecialCharacter', 'Special', 'special', /[^\p{L}\p{N}\s]/u],
] as const;

/**
 * Checks a new password.
 *
 * @throws ClientError `error-password-policy-not-met` when it is empty or longer than 4,096 characters; the code of the
 *   first rule it breaks when `Accounts_Password_Policy_Enabled` is on
 */
export function checkPassword(password: string, settings: SettingsReader): void {
	if (password.trim() === '' || password.length > 4096) {
		const text = "The password provided does not meet the server's password policy.";
		throw new ClientError('error-password-policy-not-met', text);
	}
	if (!settings.flag('Accounts_Password_Policy_Enabled')) return;
	const broken = policyRules(settings).find((rule) => rule.isBroken(password));
	if (broken !== undefined) throw new ClientError(broken.code, broken.text);
}

/** The policy as clients show it: names with their numbers. */
export function passwordPolicy(settings: SettingsReader): {
	enabled: boolean;
	policy: [string, Record<string, number>?][];
} {
	if (!settings.flag('Accounts_Password_Policy_Enabled')) return { enabled: false, policy: [] };
	const policy = policyRules(settings).map(({ name, value }): [string, Record<string, number>?] =>
		value === undefined ? [`get-password-policy-${name}`] : [`get-password-policy-${name}`, { [name]: value }],
	);
	return { enabled: true, policy };
}

function longestRun(text: string): number {
	let longest = 0;
	let run = 0;
	let previous = '';
	for (const character of text) {
		run = character === previous ? run + 1 : 1;
		previous = character;
		longest = Math.max(longest, run);
	}
	return longest;
}

type CustomField = {
	type?: string;
	public?: boolean;
	required?: boolean;
	minLength?: number;
	maxLength?: number;
	options?: string[];
};

/**
 * Reduces custom fields to those that `Accounts_CustomFields` declares.
 *
 * @throws ClientError `error-user-registration-custom-field`
 */
export function checkCustomFields(given: Record<string, unknown>, settings: SettingsReader): Record<string, unknown> {
	const checked: Record<string, unknown> = {};
	for (const [name, field] of declaredFields(settings)) {
		const value = Object.hasOwn(given, name) ? given[name] : undefined;
		const problem = fieldProblem(name, field, value);
		if (problem !== null) throw new ClientError('error-user-registration-custom-field', problem);
		if (value !== undefined) checked[name] = value;
	}
	return checked;
}

function fieldProblem(name: string, field: CustomField, value: unknown): string | null {
	if (value === undefined || value === '') return field.required === true ? `Field ${name} is required` : null;
	if (typeof value !== 'string') return `Value for field ${name} is invalid`;
	if (field.type === 'select' && !(field.options ?? []).includes(value)) return `Value for field ${name} is invalid`;
	if (field.maxLength !== undefined && value.length > field.maxLength) {
		return `Max length of field ${name} ${field.maxLength}`;
	}
	if (field.minLength !== undefined && value.length < field.minLength) {
		return `Min length of field ${name} ${field.minLength}`;
	}
	return null;
}

function declaredFields(settings: SettingsReader): [string, CustomField][] {
	const text = settings.text('Accounts_CustomFields', '').trim();
	if (text === '') return [];
	try {
		const declared: unknown = JSON.parse(text);
		if (typeof declared !== 'object' || declared === null || Array.isArray(declared)) return [];
		return Object.entries(declared as Record<string, CustomField>).filter(([name]) => /^[^$.][^.]*$/.test(name));
	} catch {
		// An administrator's unfinished text: no field is declared until it is JSON.
		return [];
	}
}

/** Names of the custom fields that everybody may see. */
export function publicCustomFields(settings: SettingsReader): string[] {
	return declaredFields(settings).flatMap(([name, field]) => (field.public === true ? [name] : []));
}

/** Whether a text is the secret of the registration page. Compares in constant time. */
export function isRegistrationSecret(given: string, settings: SettingsReader): boolean {
	const secret = settings.text('Accounts_RegistrationForm_SecretURL', '');
	if (secret === '') return false;
	const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();
	return timingSafeEqual(digest(given), digest(secret));
}

/** The entries of a comma list. */
export function listOf(text: string): string[] {
	return text
		.split(',')
		.map((entry) => entry.trim())
		.filter((entry) => entry !== '');
}
