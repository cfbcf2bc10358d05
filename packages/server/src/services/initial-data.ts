import { permissionCatalogue } from '@rookery/protocol/catalogue/permissions.ts';
import { roleCatalogue } from '@rookery/protocol/catalogue/roles.ts';
import { settingCatalogue } from '@rookery/protocol/catalogue/settings.ts';
import { randomId } from '@rookery/protocol/ids.ts';
import type { Permission, Setting } from '@rookery/protocol/records.ts';
import type { InitialUserRepository } from '../repositories/initial-users.ts';
import type { PermissionRepository } from '../repositories/permissions.ts';
import type { RoleRepository } from '../repositories/roles.ts';
import type { RoomRepository } from '../repositories/rooms.ts';
import type { SettingRepository } from '../repositories/settings.ts';
import type { UserRepository } from '../repositories/users.ts';
import { planSettings } from './initial-settings.ts';
import { storeInitialUser, type InitialUser } from './initial-user.ts';

type Deps = {
	settings: SettingRepository;
	roles: RoleRepository;
	permissions: PermissionRepository;
	users: Pick<UserRepository, 'findById' | 'insert' | 'grantRole'>;
	initialUsers: InitialUserRepository;
	rooms: Pick<RoomRepository, 'findById' | 'insert'>;
	environment: Readonly<Record<string, string | undefined>>;
	rootUrl: string;
	/** The document of `INITIAL_USER`; null = not given. */
	initialUser?: InitialUser | null;
	/**
	 * Creates the administrator whom the environment describes (`ADMIN_*`); does nothing where it describes none. Called
	 * only while there is no administrator.
	 */
	createAdmin: () => Promise<void>;
};

/**
 * Brings the records that a workspace starts with into the database. On a filled one it only adds what is missing: no
 * value, no role of a permission and no user that somebody stored is changed. Several processes may do it at once.
 *
 * @returns Problems an operator should know: variables that fit no setting.
 * @see data model, 13
 */
export async function storeInitialData(deps: Deps): Promise<string[]> {
	const { problems, settings } = await storeSettings(deps);
	await storeRoles(deps);
	await storePermissions(deps, settings);
	await storeBot(deps);
	await storeFirstChannel(deps);
	return [...problems, ...(await storeFirstUsers(deps))];
}

/** @returns What is stored then, as far as the next steps need it. */
async function storeSettings(deps: Deps): Promise<{ problems: string[]; settings: PlacedSetting[] }> {
	const stored = await deps.settings.all();
	const { environment, rootUrl } = deps;
	const plan = planSettings(stored, settingCatalogue, { environment, rootUrl, newId: randomId });
	await deps.settings.insertMissing(plan.insert);
	await deps.settings.change(plan.change);
	return { problems: plan.problems, settings: [...stored, ...plan.insert] };
}

type PlacedSetting = Pick<Setting, '_id' | 'group' | 'section' | 'sorter' | 'hidden'>;

async function storeRoles({ roles }: Deps): Promise<void> {
	const present = new Set((await roles.all()).map(({ _id }) => _id));
	await roles.insertMissing(roleCatalogue.filter(({ _id }) => !present.has(_id)));
}

async function storePermissions({ permissions, settings }: Deps, known: PlacedSetting[]): Promise<void> {
	const stored = await permissions.all();
	const present = new Set(stored.map(({ _id }) => _id));
	const base = Object.entries(permissionCatalogue).map(([_id, roles]) => ({ _id, roles: [...roles] }));
	const ofSettings = known.filter(({ hidden }) => hidden !== true).map(settingPermission);
	await permissions.insertMissing([...base, ...ofSettings].filter(({ _id }) => !present.has(_id)));

	const ids = new Set(known.map(({ _id }) => _id));
	const doubtful = stored.filter(({ level, settingId }) => {
		return level === 'settings' && settingId !== undefined && !ids.has(settingId);
	});
	if (doubtful.length === 0) return;
	// A newer version may have stored both since the settings were read.
	const settingIds = doubtful.flatMap(({ settingId }) => settingId ?? []);
	for (const { _id } of await settings.findByIds(settingIds)) ids.add(_id);
	await permissions.remove(doubtful.filter(({ settingId }) => !ids.has(settingId ?? '')).map(({ _id }) => _id));
}

/** The permission to change one setting. @see data model, 10.3 */
function settingPermission({ _id, group, section, sorter }: PlacedSetting): Omit<Permission, '_updatedAt'> {
	return {
		_id: `change-setting-${_id}`,
		level: 'settings',
		settingId: _id,
		...(group === undefined ? {} : { group, groupPermissionId: `change-setting-${group}` }),
		...(section === undefined ? {} : { section, sectionPermissionId: `change-setting-${section}` }),
		...(sorter === undefined ? {} : { sorter }),
		roles: [],
	};
}

/** The user in whose name the server speaks. Nobody can log in as it: it has no credentials. */
async function storeBot({ users }: Deps): Promise<void> {
	if ((await users.findById('rocket.cat')) !== null) return;
	await users.insert({
		_id: 'rocket.cat',
		username: 'rocket.cat',
		name: 'Rocket.Cat',
		status: 'online',
		statusDefault: 'online',
		utcOffset: 0,
		active: true,
		type: 'bot',
		roles: ['bot'],
		avatarOrigin: 'none',
		services: {},
	});
}

/** Once in a workspace's life: a channel that was deleted does not come back. */
async function storeFirstChannel({ settings, rooms }: Deps): Promise<void> {
	if ((await settings.findById('Initial_Channel_Created'))?.value !== false) return;
	if ((await rooms.findById('GENERAL')) === null) {
		await rooms.insert({ _id: 'GENERAL', t: 'c', name: 'general', usernames: [], usersCount: 0, default: true });
	}
	await settings.replaceValue('Initial_Channel_Created', false, true);
}

/** The users of the environment; without an administrator among them the person who has been there longest is one. */
async function storeFirstUsers(deps: Deps): Promise<string[]> {
	const { settings, initialUsers, createAdmin } = deps;
	if (!(await initialUsers.hasAdmin())) await createAdmin();
	const problems = await storeInitialUser(deps, deps.initialUser ?? null);
	if (!(await ensureAdmin(deps))) return problems;
	const wizard = await settings.findById('Show_Setup_Wizard');
	if (wizard?.value === 'pending') await settings.replaceValue('Show_Setup_Wizard', 'pending', 'in_progress');
	return problems;
}

/** @returns false when there is nobody who could be the administrator. */
async function ensureAdmin({ users, initialUsers }: Deps): Promise<boolean> {
	if (await initialUsers.hasAdmin()) return true;
	const heir = await initialUsers.oldestPerson();
	return heir !== null && users.grantRole(heir, 'admin');
}
