import { isDeepStrictEqual } from 'node:util';
import type { GroupedSetting } from '@rookery/protocol/catalogue/setting.ts';
import { isValidSettingValue, settingValueOfText } from '@rookery/protocol/catalogue/setting-value.ts';
import type { Setting } from '@rookery/protocol/records.ts';
import type { NewSetting, SettingChange } from '../repositories/settings.ts';

/** Where values of a new workspace come from. */
export type SettingSources = {
	/** `OVERWRITE_SETTING_<id>`, `<id>`, `SETTINGS_HIDDEN`, `SETTINGS_BLOCKED`, `SETTINGS_REQUIRED_ON_WIZARD`, `DEPLOYMENT_ID`. */
	environment: Readonly<Record<string, string | undefined>>;
	rootUrl: string;
	/** A new id: 17 characters. */
	newId: () => string;
};

export type SettingPlan = {
	insert: NewSetting[];
	change: SettingChange[];
	/** Values of the environment that fit no setting. */
	problems: string[];
};

/**
 * Compares what is stored with what this version knows. A stored value stays, unless `OVERWRITE_SETTING_<id>` is set;
 * settings this version does not know stay as they are.
 *
 * @see data model, 9.2
 */
export function planSettings(
	stored: readonly Setting[],
	catalogue: readonly GroupedSetting[],
	sources: SettingSources,
): SettingPlan {
	const byId = new Map(stored.map((setting) => [setting._id, setting]));
	const plan: SettingPlan = { insert: newGroups(byId, catalogue), change: [], problems: [] };
	const flags = flagsOf(sources.environment);
	for (const definition of catalogue) {
		const present = byId.get(definition.id);
		const forced = environmentValue(`OVERWRITE_SETTING_${definition.id}`, definition, sources, plan.problems);
		if (present === undefined) {
			const seed = forced ?? environmentValue(definition.id, definition, sources, plan.problems);
			plan.insert.push(newSetting(definition, flags(definition), seed, sources));
			continue;
		}
		const set = changesOf(present, definition, flags(definition), forced);
		if (Object.keys(set).length > 0) plan.change.push({ _id: definition.id, set });
	}
	return plan;
}

type Flags = { hidden: boolean; blocked: boolean; requiredOnWizard: boolean };

/** Reads the comma lists of the environment once. */
function flagsOf(environment: SettingSources['environment']): (definition: GroupedSetting) => Flags {
	const list = (name: string): Set<string> => new Set((environment[name] ?? '').split(',').map((id) => id.trim()));
	const hidden = list('SETTINGS_HIDDEN');
	const blocked = list('SETTINGS_BLOCKED');
	const required = list('SETTINGS_REQUIRED_ON_WIZARD');
	return ({ id, hidden: isHidden }) => ({
		hidden: isHidden === true || hidden.has(id),
		blocked: blocked.has(id),
		requiredOnWizard: required.has(id),
	});
}

/** The value a variable gives; undefined without the variable, or when it does not fit (then it is a problem). */
function environmentValue(
	name: string,
	definition: GroupedSetting,
	{ environment }: SettingSources,
	problems: string[],
): { value: unknown } | undefined {
	const text = environment[name];
	if (text === undefined) return undefined;
	const value = settingValueOfText(definition, text);
	if (value !== undefined) return { value };
	problems.push(`${name}: not a value of type ${definition.type}; the stored value stays`);
	return undefined;
}

function newGroups(stored: Map<string, Setting>, catalogue: readonly GroupedSetting[]): NewSetting[] {
	const names = [...new Set(catalogue.map(({ group }) => group))].filter((name) => name !== '');
	return names.flatMap((name, sorter) => {
		if (stored.has(name)) return [];
		const labels = { i18nLabel: name, i18nDescription: `${name}_Description` };
		return [{ _id: name, type: 'group', ...labels, sorter, public: false, hidden: false, blocked: false } as const];
	});
}

function newSetting(
	definition: GroupedSetting,
	flags: Flags,
	seed: { value: unknown } | undefined,
	sources: SettingSources,
): NewSetting {
	const packageValue = defaultOf(definition, sources);
	const { id, type, group, sorter } = definition;
	return {
		_id: id,
		type,
		value: seed === undefined ? packageValue : seed.value,
		valueSource: seed === undefined ? 'packageValue' : 'processEnvValue',
		...(seed === undefined ? {} : { processEnvValue: seed.value }),
		packageValue,
		...(group === '' ? {} : { group }),
		sorter,
		...declaredOf(definition),
		...(definition.values === undefined ? {} : { values: labelled(definition.values) }),
		secret: definition.secret === true,
		...flags,
		env: false,
		i18nLabel: id,
		i18nDescription: `${id}_Description`,
	};
}

function defaultOf(definition: GroupedSetting, { environment, rootUrl, newId }: SettingSources): unknown {
	if (definition.generated === undefined) return definition.value;
	if (definition.generated === 'rootUrl') return rootUrl;
	const deploymentId = definition.generated === 'workspaceId' ? environment['DEPLOYMENT_ID'] : undefined;
	return deploymentId ?? newId();
}

/** What the code alone decides about a setting. */
function declaredOf({ public: isPublic, enterprise, invalidValue }: GroupedSetting): Partial<Setting> {
	return {
		public: isPublic === true,
		enterprise: enterprise === true,
		...(enterprise === true ? { invalidValue, modules: [] } : {}),
	};
}

function labelled(values: readonly (string | number)[]): { key: string | number; i18nLabel: string }[] {
	return values.map((key) => ({ key, i18nLabel: String(key) }));
}

/**
 * What differs from the stored record. Presentation that somebody stored (labels, order, choices) stays; so does `hidden`
 * and `secret` where they are set.
 */
function changesOf(
	stored: Setting,
	definition: GroupedSetting,
	flags: Flags,
	forced: { value: unknown } | undefined,
): SettingChange['set'] {
	const wanted: SettingChange['set'] = { ...declaredOf(definition), blocked: flags.blocked };
	if (definition.generated === undefined) wanted.packageValue = definition.value;
	if (flags.hidden) wanted.hidden = true;
	if (definition.secret === true) wanted.secret = true;
	if (stored.type !== definition.type && isValidSettingValue(definition, stored.value)) wanted.type = definition.type;
	if (stored.values === undefined && definition.values !== undefined) wanted.values = labelled(definition.values);
	if (stored.sorter === undefined) wanted.sorter = definition.sorter;
	if (stored.group === undefined && definition.group !== '') wanted.group = definition.group;
	if (forced !== undefined) {
		Object.assign(wanted, { value: forced.value, valueSource: 'processEnvValue', processEnvValue: forced.value });
	}
	const differing = Object.entries(wanted).filter(([name, value]) => {
		return !isDeepStrictEqual(value, stored[name as keyof Setting] ?? absentMeans[name]);
	});
	return Object.fromEntries(differing);
}

/** Flags that older records leave out when they are false. */
const absentMeans: Record<string, unknown> = { public: false, blocked: false, enterprise: false, modules: [] };
