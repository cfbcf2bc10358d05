import type { ClientAction, EventPart, Publication } from '@rookery/protocol/events.ts';
import type { Setting } from '@rookery/protocol/records.ts';
import type { Change } from '../repositories/watch-change.ts';
import { actionOf, changedFields, touches, without } from './fields.ts';

/** What a client is told of a setting. */
const shownFields: ReadonlySet<string> = new Set([
	'value',
	'invalidValue',
	'enterprise',
	'editor',
	'properties',
	'requiredOnWizard',
	'public',
	'hidden',
	'secret',
	'type',
]);

/** Fields that a new start refreshes without anybody's doing. */
const datesOnly: ReadonlySet<string> = new Set(['_updatedAt', 'ts', 'createdAt', '_createdAt']);

/**
 * A setting was changed: its record for every process, and events for clients. Secrets travel without any value, and
 * never on a public key.
 *
 * @see realtime contract 4.3, 4.4; security contract SEC-AZ-4
 */
export function settingEvents(change: Change<Setting>): Publication[] {
	const action = actionOf(change);
	const setting = change.after ?? change.before ?? (action === 'removed' ? bare(change.id) : null);
	if (action === null || setting === null) return [];
	const fields = action === 'updated' ? changedFields(change) : null;
	if (fields !== null && fields.every((field) => datesOnly.has(field))) return [];
	const parts: EventPart[] = [{ kind: 'record', record: 'setting', action, body: { setting: withoutSecret(setting) } }];
	const isShown = touches(fields, shownFields) && setting.type !== 'group';
	if (isShown && setting.hidden !== true) parts.push(privateEvent(action, setting));
	return [{ key: 'all:settings', parts }, ...(isShown ? publicEvents(action, change, setting) : [])];
}

function privateEvent(action: ClientAction, setting: Setting): EventPart {
	const args = [action, shownSetting(setting)];
	return { kind: 'direct', stream: 'notify-logged', event: 'private-settings-changed', args };
}

/** Also for a setting that stopped being public: clients forget it. */
function publicEvents(action: ClientAction, { before }: Change<Setting>, setting: Setting): Publication[] {
	const isPublished = isPublic(setting);
	if (!isPublished && (before === null || !isPublic(before))) return [];
	const args =
		isPublished && action !== 'removed' ? [action, shownSetting(setting)] : ['removed', { _id: setting._id }];
	const event = 'public-settings-changed';
	return [
		{
			key: 'all:public',
			parts: [
				{ kind: 'direct', stream: 'notify-all', event, args },
				{ kind: 'direct', stream: 'notify-all', event: 'public-info', args: [[event, args]] },
			],
		},
	];
}

function isPublic(setting: Setting): boolean {
	return setting.public === true && setting.hidden !== true && !isSecret(setting);
}

function isSecret({ type, secret }: Setting): boolean {
	return type === 'password' || secret === true;
}

function withoutSecret(setting: Setting): Setting {
	if (!isSecret(setting)) return setting;
	return without(setting, ['value', 'packageValue', 'processEnvValue', 'invalidValue']);
}

/** An enterprise setting has its licence-less value. */
function shownSetting(setting: Setting): Record<string, unknown> {
	const { _id, type, editor, enterprise, requiredOnWizard, invalidValue, value } = setting;
	const isLocked = enterprise === true && invalidValue !== undefined;
	return {
		_id,
		...(isSecret(setting) ? {} : { value: isLocked ? invalidValue : value }),
		...(type === 'color' ? { editor } : {}),
		properties: (setting as { properties?: unknown }).properties,
		enterprise,
		requiredOnWizard,
	};
}

/** For a setting of which nothing but the id is known any more: it counts as secret. */
function bare(_id: string): Setting {
	return { _id, type: 'string', secret: true, hidden: true, _updatedAt: new Date(0) };
}
