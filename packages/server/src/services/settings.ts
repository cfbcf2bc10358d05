import { isValidSettingValue } from '@rookery/protocol/catalogue/setting-value.ts';
import { ClientError } from '@rookery/protocol/errors.ts';
import type { Setting } from '@rookery/protocol/records.ts';
import type { Bus } from '../bus/bus.ts';
import type { LoginServiceRepository } from '../repositories/login-services.ts';
import type { SettingRepository } from '../repositories/settings.ts';
import { visibleLoginService } from './login-services.ts';
import { recordTable, type RecordTable } from './record-table.ts';

/**
 * Reads settings from memory. Every process keeps its own copy, loaded at start and refreshed by the events of
 * `all:settings` (re-read after a gap of the bus).
 */
export type SettingsReader = {
	/** Effective value; undefined for an unknown id. */
	get(id: string): unknown;
	/** The value when it is a boolean, else `fallback`. */
	flag(id: string, fallback?: boolean): boolean;
	number(id: string, fallback: number): number;
	text(id: string, fallback?: string): string;
};

export type SettingsService = SettingsReader & {
	/** Public, not hidden settings, ordered by id. */
	listPublic(): Setting[];
	/** Public settings changed after a date (10 s overlap) and removed since. */
	publicSince(since: Date): Promise<{ update: Setting[]; remove: { _id: string; _deletedAt: Date }[] }>;
	/** Stores a value. Checks the type, not the permission. @throws ClientError `error-invalid-setting-value` */
	set(id: string, value: unknown): Promise<void>;
	/** How people can log in besides a password, in the order of their names. Without anything secret. */
	loginServices(): Promise<LoginService[]>;
};

/** One provider of logins as everybody may see it: its public keys and addresses, its button. */
export type LoginService = { _id: string; service: string; [field: string]: unknown };

type Deps = {
	settings: SettingRepository;
	bus: Bus;
	/** Hears of each change, with the effective value; also of those read again after a gap. */
	onChange?: (id: string, value: unknown) => void;
};

/** Answers of a sync repeat what changed shortly before the date asked for: commits may be late, clocks differ. */
const syncOverlapMs = 10_000;

/**
 * Loads the settings into memory and keeps them current. For every process.
 *
 * @throws what the database threw: the caller decides about another try
 */
export async function loadSettings(deps: Deps): Promise<SettingsReader & { stop(): void }> {
	const table = await settingTable(deps);
	return { ...readerOf(table), stop: () => table.stop() };
}

/** The settings as they are stored now, not kept current: for what runs before there is a bus. */
export async function readSettings(settings: Pick<SettingRepository, 'all'>): Promise<SettingsReader> {
	const byId = new Map((await settings.all()).map((setting) => [setting._id, setting]));
	return readerOf({ get: (id) => byId.get(id) });
}

/**
 * Settings as core uses them: read, listed for clients and written.
 *
 * @see realtime contract 3.5; data model 9
 */
export async function settingsService(
	deps: Deps & { loginServices: LoginServiceRepository },
): Promise<SettingsService & { stop(): void }> {
	const { settings, loginServices } = deps;
	const table = await settingTable(deps);

	return {
		...readerOf(table),
		listPublic: () => publicOf(table.all()).toSorted((left, right) => (left._id < right._id ? -1 : 1)),

		async publicSince(since) {
			const from = new Date(since.getTime() - syncOverlapMs);
			const [changed, removed] = await Promise.all([settings.changedSince(from), settings.removedSince(from)]);
			return { update: publicOf(changed), remove: removed.map(({ _id, _deletedAt }) => ({ _id, _deletedAt })) };
		},

		async set(id, value) {
			const present = table.get(id) ?? (await settings.findById(id));
			if (present === null || !isValidSettingValue(present, value)) throw invalidValue(id);
			const stored = await settings.setValue(id, value);
			if (stored === null) throw invalidValue(id);
			table.put(stored);
		},

		async loginServices() {
			return (await loginServices.all()).map(visibleLoginService);
		},

		stop: () => table.stop(),
	};
}

function settingTable({ settings, bus, onChange }: Deps): Promise<RecordTable<Setting>> {
	return recordTable({
		bus,
		key: 'all:settings',
		record: 'setting',
		recordOf: (body) => body.setting,
		load: () => settings.all(),
		// Secrets travel without their value.
		reload: {
			isNeeded: (setting) => setting.type !== 'group' && !('value' in setting),
			load: (id) => settings.findById(id),
		},
		...(onChange === undefined
			? {}
			: { onChange: (setting: Setting) => onChange(setting._id, effectiveValue(setting)) }),
	});
}

function readerOf(table: Pick<RecordTable<Setting>, 'get'>): SettingsReader {
	const get = (id: string): unknown => {
		const setting = table.get(id);
		return setting === undefined ? undefined : effectiveValue(setting);
	};
	return {
		get,
		flag(id, fallback = false) {
			const value = get(id);
			return typeof value === 'boolean' ? value : fallback;
		},
		number(id, fallback) {
			const value = numberOf(get(id));
			return Number.isFinite(value) ? value : fallback;
		},
		text(id, fallback = '') {
			const value = get(id);
			return typeof value === 'string' ? value : fallback;
		},
	};
}

/** Texts of digits occur in settings of type `int`. @see data model, 17.7 */
function numberOf(value: unknown): number {
	return typeof value === 'string' && value.trim() !== ''
		? Number(value)
		: typeof value === 'number'
			? value
			: Number.NaN;
}

/** An enterprise setting has its licence-less value. */
function effectiveValue({ enterprise, invalidValue, value }: Setting): unknown {
	return enterprise === true && invalidValue !== undefined ? invalidValue : value;
}

/** What everybody may see, with the effective values. A password is never public, whatever the record says. */
function publicOf(settings: Setting[]): Setting[] {
	return settings
		.filter((setting) => setting.public === true && setting.hidden !== true && setting.type !== 'password')
		.map((setting) => ({ ...setting, value: effectiveValue(setting) }));
}

function invalidValue(id: string): ClientError {
	return new ClientError('error-invalid-setting-value', 'Invalid setting value', { settingId: id });
}
