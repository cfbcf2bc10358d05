import { z } from 'zod';
import type { Setting } from '@rookery/protocol/records.ts';
import type { LoginService } from '../services/settings.ts';
import type { UserCondition, UserFilter } from '../services/users.ts';
import { readFields, readSort } from './list-query.ts';
import { pagingOf, pagingQuery, qList, qText } from './query.ts';
import { route } from './route.ts';
import { readUserFilter } from './users-filter.ts';

/** What every answer holds of a setting. */
const always = ['_id', 'value', 'enterprise', 'invalidValue', 'modules'] as const satisfies (keyof Setting)[];

/** What may be asked for beside that, filtered and sorted by. */
const visible = [
	...always,
	'type',
	'public',
	'group',
	'section',
	'sorter',
	'i18nLabel',
	'i18nDescription',
	'packageValue',
	'valueSource',
	'blocked',
	'hidden',
	'secret',
	'editor',
	'values',
	'requiredOnWizard',
	'ts',
	'createdAt',
	'_updatedAt',
] as const satisfies (keyof Setting)[];

/**
 * `settings.public`: what everybody may know of the workspace. `_id` is a comma list of ids (new form); `query` and
 * `fields` are the older one.
 *
 * @see REST endpoints, 12
 */
export const settingsPublic = route({
	get: 'settings.public',
	summary: 'Public settings',
	auth: 'public',
	query: z.object({ ...pagingQuery, _id: qList().optional(), query: qText.optional(), fields: qText.optional() }),
	run: ({ query, services }) => {
		const { offset, count } = pagingOf(query, services.settings);
		const sort = readSort(query.sort, visible) ?? { _id: 1 };
		const filter = readUserFilter(query.query, visible);
		const project = projection(query.fields);
		const ids = query._id === undefined ? null : new Set(query._id);
		const found = services.settings
			.listPublic()
			.filter((setting) => ids?.has(setting._id) ?? true)
			.filter((setting) => filter === null || fits(setting, filter))
			.toSorted(bySort(sort));
		const page = found.slice(offset, offset + count).map(project);
		return Promise.resolve({ settings: page, count: page.length, offset, total: found.length });
	},
});

/** `settings.oauth`: how people can log in besides a password. */
export const settingsOauth = route({
	get: 'settings.oauth',
	summary: 'Login services and their buttons',
	auth: 'public',
	run: async ({ services }) => ({ services: (await services.settings.loginServices()).map(oauthService) }),
});

/** `service.configurations`: the login services as they are stored. */
export const serviceConfigurations = route({
	get: 'service.configurations',
	summary: 'Login services as they are configured',
	auth: 'public',
	run: async ({ services }) => ({ configurations: await services.settings.loginServices() }),
});

/** `fields` adds what is visible to what is always there. */
function projection(text: string | undefined): (setting: Setting) => Partial<Setting> {
	// Throws for a text that is no list of fields.
	readFields(text);
	const asked = text === undefined ? {} : (JSON.parse(text) as Record<string, unknown>);
	const names = visible.filter((field) => asked[field] === 1 || (always as readonly string[]).includes(field));
	return (setting) => {
		const present = names.filter((field) => setting[field] !== undefined);
		return Object.fromEntries(present.map((field) => [field, setting[field]]));
	};
}

/** A setting's field as a filter or an order sees it. */
function valueOf(setting: Setting, field: string): unknown {
	return visible.some((name) => name === field) ? setting[field as keyof Setting] : undefined;
}

function fits(setting: Setting, filter: UserFilter): boolean {
	if ('all' in filter) return filter.all.every((part) => fits(setting, part));
	if ('any' in filter) return filter.any.some((part) => fits(setting, part));
	return passes(valueOf(setting, filter.field), filter.test);
}

/** As the database would judge: a field that is absent equals null. */
function passes(value: unknown, test: UserCondition['test']): boolean {
	switch (test.is) {
		case 'equal':
			return (value ?? null) === test.value;
		case 'different':
			return (value ?? null) !== test.value;
		case 'oneOf':
			return test.values.some((choice) => choice === value);
		case 'present':
			return (value !== undefined) === test.value;
		case 'containing':
			return typeof value === 'string' && contains(value, test);
	}
	return false;
}

function contains(value: string, test: Extract<UserCondition['test'], { is: 'containing' }>): boolean {
	const [text, part] = test.ignoreCase ? [value.toLowerCase(), test.text.toLowerCase()] : [value, test.text];
	if (test.atStart && test.atEnd) return text === part;
	if (test.atStart) return text.startsWith(part);
	return test.atEnd ? text.endsWith(part) : text.includes(part);
}

function bySort(sort: Record<string, 1 | -1>): (left: Setting, right: Setting) => number {
	const keys = Object.entries({ ...sort, _id: sort['_id'] ?? 1 });
	return (left, right) => {
		for (const [field, direction] of keys) {
			const order = compare(valueOf(left, field), valueOf(right, field));
			if (order !== 0) return order * direction;
		}
		return 0;
	};
}

/** Texts by their code points, everything else by its number; what is neither is all the same. */
function compare(left: unknown, right: unknown): number {
	if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0;
	const [first, second] = [left, right].map((value) => (value instanceof Date ? value.getTime() : Number(value ?? 0)));
	const difference = (first ?? 0) - (second ?? 0);
	return Number.isNaN(difference) ? 0 : difference;
}

/** Built-in providers with what a button needs; all others as they are stored. */
function oauthService(service: LoginService): object {
	const isWhole = service['custom'] === true || ['saml', 'cas', 'wordpress'].includes(service.service);
	if (isWhole) return service;
	return {
		_id: service._id,
		name: service.service,
		clientId: service['appId'] ?? service['clientId'] ?? service['consumerKey'],
		buttonLabelText: service['buttonLabelText'] ?? '',
		buttonColor: service['buttonColor'] ?? '',
		buttonLabelColor: service['buttonLabelColor'] ?? '',
		custom: false,
	};
}
