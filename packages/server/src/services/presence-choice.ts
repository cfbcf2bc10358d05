import { ClientError } from '@rookery/protocol/errors.ts';
import type { UserId, UserStatus } from '@rookery/protocol/records.ts';
import type { NewStatus, UserStatusRepository } from '../repositories/user-status.ts';
import { visibleStatus } from './presence-rule.ts';
import type { SettingsReader } from './settings.ts';

type Deps = { statuses: UserStatusRepository; settings: SettingsReader };

/** What a choice changed: `isVisible` when others see a difference. */
export type Chosen = { isVisible: boolean; previousStatus: UserStatus };

const choices: readonly string[] = ['online', 'away', 'busy', 'offline'] satisfies UserStatus[];
const maxTextLength = 120;
const maxTries = 10;

/**
 * Checks a chosen status and text.
 *
 * @throws ClientError `error-invalid-status`, `error-status-not-allowed`, `error-not-allowed`
 * @see realtime contract 3.9
 */
export function checkChoice(status: UserStatus | null, text: string | null, settings: SettingsReader): void {
	if (status !== null && !choices.includes(status)) {
		throw new ClientError('error-invalid-status', 'Valid status types include online, away, offline, and busy.', {
			method: 'setUserStatus',
		});
	}
	if (status === 'offline' && !settings.flag('Accounts_AllowInvisibleStatusOption', true)) {
		throw new ClientError('error-status-not-allowed', 'Invisible status is disabled', { method: 'setUserStatus' });
	}
	if (text !== null && !settings.flag('Accounts_AllowUserStatusMessageChange', true)) {
		throw new ClientError('error-not-allowed', 'Change status is not allowed', { method: 'setUserStatus' });
	}
}

/** A status text as it is stored: trimmed, at most 120 UTF-16 units, no half character at its end. */
export function statusText(text: string): string {
	const cut = text.trim().slice(0, maxTextLength);
	return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}

/**
 * Stores what a user chose, and what others see by it, in one write that replaces exactly the state it was computed from.
 *
 * @returns What changed, or null when nothing did.
 * @throws ClientError the codes of `checkChoice`; `error-invalid-user`
 */
export async function storeChoice(
	{ statuses, settings }: Deps,
	uid: UserId,
	status: UserStatus | null,
	text: string | null,
): Promise<Chosen | null> {
	checkChoice(status, text, settings);
	for (let attempt = 0; attempt < maxTries; attempt++) {
		const [user] = await statuses.findPresence([uid]);
		if (user === undefined) throw new ClientError('error-invalid-user', 'Invalid user', { method: 'setUserStatus' });
		const chosen = status ?? user.statusDefault;
		const next: NewStatus = {
			status: visibleStatus(user.statusConnection ?? 'offline', chosen),
			...(chosen === undefined || chosen === null ? {} : { statusDefault: chosen }),
			...(text === null ? {} : { statusText: statusText(text) }),
		};
		const isVisible =
			next.status !== (user.status ?? 'offline') ||
			(next.statusText ?? '') !== (text === null ? '' : (user.statusText ?? ''));
		if (!isVisible && next.statusDefault === user.statusDefault) return null;
		if ((await statuses.replaceStatus([uid], user, next)) === 1) {
			return { isVisible, previousStatus: user.status ?? 'offline' };
		}
	}
	throw new Error(`the status of ${uid} changed ${maxTries} times while it was being set`);
}
