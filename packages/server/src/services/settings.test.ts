import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Setting } from '@rookery/protocol/records.ts';
import { localBus } from '../bus/local.ts';
import { loginServiceRepository } from '../repositories/login-services.ts';
import { settingRepository, type NewSetting } from '../repositories/settings.ts';
import { trashRepository } from '../repositories/trash.ts';
import { testDatabase } from '../testing/database.ts';
import { loadSettings, settingsService } from './settings.ts';

const name: NewSetting = { _id: 'Site_Name', type: 'string', value: 'Rookery', public: true };
const limit: NewSetting = { _id: 'Limit', type: 'int', value: 5 };
const secret: NewSetting = { _id: 'SMTP_Password', type: 'password', value: 'old', secret: true };
const flag: NewSetting = { _id: 'Flag', type: 'boolean', value: true, public: true };
const mode: NewSetting = {
	_id: 'Mode',
	type: 'select',
	value: 'a',
	values: [
		{ key: 'a', i18nLabel: 'A' },
		{ key: 'b', i18nLabel: 'B' },
	],
};
const paid: NewSetting = {
	_id: 'Paid',
	type: 'boolean',
	value: true,
	enterprise: true,
	invalidValue: false,
	public: true,
};
const hidden: NewSetting = { _id: 'Hidden', type: 'string', value: 'x', public: true, hidden: true };
const group: NewSetting = { _id: 'General', type: 'group', public: false };

async function given(t: TestContext) {
	const db = await testDatabase(t);
	const bus = localBus();
	const settings = settingRepository(db);
	await settings.insertMissing([name, limit, secret, flag, mode, paid, hidden, group]);
	const waiting = new Map<string, (value: unknown) => void>();
	const loginServices = loginServiceRepository(db);
	const service = await settingsService({
		settings,
		loginServices,
		bus,
		onChange: (id, value) => waiting.get(id)?.(value),
	});
	t.after(async () => {
		service.stop();
		await bus.close();
	});
	return {
		db,
		bus,
		settings,
		service,
		/** The next value of a setting that an event or a read brings. */
		nextChange: (id: string) => new Promise((resolve) => waiting.set(id, resolve)),
		announce(
			setting: Setting,
			action: 'updated' | 'removed' = 'updated',
			position?: { pos: string; prev: string },
		): void {
			const { value, ...others } = setting;
			const travelling = setting.secret === true ? others : { ...others, value };
			bus.publish(
				{
					key: 'all:settings',
					parts: [{ kind: 'record', record: 'setting', action, body: { setting: travelling as Setting } }],
				},
				position === undefined ? undefined : { epoch: 1, ...position },
			);
		},
	};
}

test('settings are read from memory, with the type that was asked for', async (t) => {
	const { service } = await given(t);
	assert.equal(service.get('Limit'), 5);
	assert.equal(service.get('No_Such_Setting'), undefined);
	assert.equal(service.flag('Flag'), true);
	assert.equal(service.flag('Limit', true), true);
	assert.equal(service.number('Limit', 1), 5);
	assert.equal(service.number('Site_Name', 1), 1);
	assert.equal(service.text('Site_Name'), 'Rookery');
	assert.equal(service.text('Flag', 'none'), 'none');
});

test('without a licence an enterprise setting has its licence-less value, for readers and for clients', async (t) => {
	const { service } = await given(t);
	assert.equal(service.get('Paid'), false);
	assert.equal(service.listPublic().find(({ _id }) => _id === 'Paid')?.value, false);
});

test('clients get public settings that are not hidden, ordered by id', async (t) => {
	const { service } = await given(t);
	assert.deepEqual(
		service.listPublic().map(({ _id }) => _id),
		['Flag', 'Paid', 'Site_Name'],
	);
});

test('a stored value is read at once by who stored it, and has a new date', async (t) => {
	const { service, settings } = await given(t);
	const before = await settings.findById('Site_Name');

	await service.set('Site_Name', 'Crows');

	assert.equal(service.text('Site_Name'), 'Crows');
	const after = await settings.findById('Site_Name');
	assert.equal(after?.value, 'Crows');
	assert.ok(Number(after?._updatedAt) >= Number(before?._updatedAt));
});

test('a value of another type is refused and changes nothing', async (t) => {
	const { service, settings } = await given(t);
	const wrong: [string, unknown][] = [
		['Site_Name', 1],
		['Site_Name', { $ne: null }],
		['Limit', '5'],
		['Limit', 1.5],
		['Flag', 'true'],
		['Mode', 'c'],
		['General', 'x'],
		['No_Such_Setting', 'x'],
	];
	const before = await settings.all();
	for (const [id, value] of wrong) {
		await assert.rejects(service.set(id, value), { code: 'error-invalid-setting-value' }, `${id} ${String(value)}`);
	}
	assert.deepEqual(await settings.all(), before);
});

test('a change elsewhere arrives by its event', async (t) => {
	const { service, settings, announce, nextChange } = await given(t);
	const arrived = nextChange('Site_Name');
	const stored = await settings.setValue('Site_Name', 'Ravens');
	assert.ok(stored !== null);
	assert.equal(service.text('Site_Name'), 'Rookery');

	announce(stored);

	assert.equal(await arrived, 'Ravens');
	assert.equal(service.text('Site_Name'), 'Ravens');
});

test('a secret travels without its value and is read from the database', async (t) => {
	const { service, settings, announce, nextChange } = await given(t);
	const arrived = nextChange('SMTP_Password');
	const stored = await settings.setValue('SMTP_Password', 'new');
	assert.ok(stored !== null);

	announce(stored);

	assert.equal(await arrived, 'new');
	assert.equal(service.text('SMTP_Password'), 'new');
});

test('an older version of a setting never replaces a newer one', async (t) => {
	const { service, settings, announce, nextChange } = await given(t);
	const older = await settings.findById('Site_Name');
	assert.ok(older !== null);
	await service.set('Site_Name', 'Newest');
	const other = nextChange('Limit');

	announce({ ...older, _updatedAt: new Date(older._updatedAt.getTime() - 1) });
	const limitNow = await settings.setValue('Limit', 6);
	assert.ok(limitNow !== null);
	announce(limitNow);

	await other;
	assert.equal(service.text('Site_Name'), 'Newest');
});

test('after a lost connection everything is read again', async (t) => {
	const { service, bus, settings, nextChange } = await given(t);
	bus.disconnect();
	await settings.setValue('Site_Name', 'Changed meanwhile');
	const arrived = nextChange('Site_Name');

	bus.reconnect();

	assert.equal(await arrived, 'Changed meanwhile');
	assert.equal(service.text('Site_Name'), 'Changed meanwhile');
});

test('when the hub has missed changes, everything is read again', async (t) => {
	const { bus, settings, nextChange } = await given(t);
	await settings.setValue('Site_Name', 'Missed');
	const arrived = nextChange('Site_Name');
	const body = { epoch: 2, reason: 'history lost' };

	bus.publish({ key: 'all:hub', parts: [{ kind: 'record', record: 'resync', action: 'updated', body }] });

	assert.equal(await arrived, 'Missed');
});

test('an event that never came is noticed by the next one of the key', async (t) => {
	const { bus, settings, announce, nextChange } = await given(t);
	const first = await settings.setValue('Limit', 1);
	const lost = await settings.setValue('Site_Name', 'Lost');
	const last = await settings.setValue('Limit', 2);
	assert.ok(first !== null && lost !== null && last !== null);
	const arrived = nextChange('Site_Name');

	announce(first, 'updated', { pos: '01', prev: '' });
	bus.dropNext(1);
	announce(lost, 'updated', { pos: '02', prev: '01' });
	announce(last, 'updated', { pos: '03', prev: '02' });

	assert.equal(await arrived, 'Lost');
});

test('a removed setting is unknown', async (t) => {
	const { service, settings, announce, nextChange } = await given(t);
	const removed = await settings.findById('Site_Name');
	const limitNow = await settings.setValue('Limit', 9);
	assert.ok(removed !== null && limitNow !== null);
	const arrived = nextChange('Limit');

	announce(removed, 'removed');
	announce(limitNow);

	await arrived;
	assert.equal(service.get('Site_Name'), undefined);
});

test('a sync answers what changed since a date with ten seconds of overlap, and what was removed', async (t) => {
	const { db, service, settings } = await given(t);
	const stored = await settings.setValue('Site_Name', 'Later');
	assert.ok(stored !== null);
	await settings.setValue('Limit', 6);
	await trashRepository(db).moveToTrash('rocketchat_settings', ['Flag']);

	const soon = await service.publicSince(new Date(stored._updatedAt.getTime() + 5_000));
	assert.deepEqual(
		soon.update.map(({ _id }) => _id),
		['Paid', 'Site_Name'],
	);
	assert.deepEqual(
		soon.remove.map(({ _id }) => _id),
		['Flag'],
	);
	assert.deepEqual(Object.keys(soon.remove[0] ?? {}), ['_id', '_deletedAt']);

	const later = await service.publicSince(new Date(stored._updatedAt.getTime() + 60_000));
	assert.deepEqual(later, { update: [], remove: [] });
});

test('every other process reads settings the same way', async (t) => {
	const { bus, settings } = await given(t);
	const reader = await loadSettings({ settings, bus });
	t.after(() => reader.stop());
	assert.equal(reader.text('Site_Name'), 'Rookery');
	assert.equal(reader.get('Paid'), false);
});

test('login services are listed without anything secret', async (t) => {
	const { db, service } = await given(t);
	await db
		.collection<{ _id: string; [field: string]: unknown }>('meteor_accounts_loginServiceConfiguration')
		.insertMany([
			{ _id: 'b', service: 'github', clientId: 'id', secret: 'hush', buttonColor: '#fff' },
			{ _id: 'a', service: 'apple', clientId: 'apple-id', privateKey: 'hush', client_secret: 'hush' },
		]);
	assert.deepEqual(await service.loginServices(), [
		{ _id: 'a', service: 'apple', clientId: 'apple-id' },
		{ _id: 'b', service: 'github', clientId: 'id', buttonColor: '#fff' },
	]);
});
