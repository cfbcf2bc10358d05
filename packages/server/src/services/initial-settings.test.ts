import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GroupedSetting } from '@rookery/protocol/catalogue/setting.ts';
import type { Setting } from '@rookery/protocol/records.ts';
import { planSettings, type SettingPlan } from './initial-settings.ts';

const flag: GroupedSetting = { id: 'Flag', type: 'boolean', value: true, public: true, group: 'General', sorter: 0 };
const limit: GroupedSetting = { id: 'Limit', type: 'int', value: 5, group: 'General', sorter: 1 };
const choice: GroupedSetting = { id: 'Choice', type: 'select', value: 0, values: [0, 1, 2], group: '', sorter: 0 };
const id: GroupedSetting = {
	id: 'uniqueID',
	type: 'string',
	value: '',
	generated: 'workspaceId',
	group: '',
	sorter: 1,
};

const plan = (stored: Setting[], catalogue: GroupedSetting[], environment: Record<string, string> = {}): SettingPlan =>
	planSettings(stored, catalogue, { environment, rootUrl: 'http://chat', newId: () => 'new-id' });

/** What is stored after a plan ran on an empty database. */
const afterFirstStart = (catalogue: GroupedSetting[], environment: Record<string, string> = {}): Setting[] =>
	plan([], catalogue, environment).insert.map((setting) => ({ ...setting, _updatedAt: new Date(0) }));

test('an empty database gets the groups and the defaults', () => {
	const { insert, change } = plan([], [flag, limit, id]);
	assert.deepEqual(
		insert.map(({ _id }) => _id),
		['General', 'Flag', 'Limit', 'uniqueID'],
	);
	assert.equal(insert[0]?.type, 'group');
	assert.equal('value' in (insert[0] ?? {}), false);
	assert.deepEqual(insert[1], {
		_id: 'Flag',
		type: 'boolean',
		value: true,
		valueSource: 'packageValue',
		packageValue: true,
		group: 'General',
		sorter: 0,
		public: true,
		enterprise: false,
		secret: false,
		hidden: false,
		blocked: false,
		requiredOnWizard: false,
		env: false,
		i18nLabel: 'Flag',
		i18nDescription: 'Flag_Description',
	});
	assert.equal(insert[3]?.value, 'new-id');
	assert.deepEqual(change, []);
});

test('a second start on the same database writes nothing', () => {
	const catalogue = [flag, limit, choice, id];
	const environment = { Flag: 'false', SETTINGS_BLOCKED: 'Limit' };
	const { insert, change, problems } = plan(afterFirstStart(catalogue, environment), catalogue, environment);
	assert.deepEqual([insert, change, problems], [[], [], []]);
});

test('a variable named like the setting gives the first value only; OVERWRITE_SETTING_ gives it at every start', () => {
	const stored = afterFirstStart([flag, limit, choice], { Flag: 'false', Limit: '7', Choice: '2' });
	const values = Object.fromEntries(stored.map(({ _id, value, valueSource }) => [_id, [value, valueSource]]));
	assert.deepEqual(values['Flag'], [false, 'processEnvValue']);
	assert.deepEqual(values['Limit'], [7, 'processEnvValue']);
	assert.deepEqual(values['Choice'], [2, 'processEnvValue']);

	assert.deepEqual(plan(stored, [limit], { Limit: '9' }).change, []);
	assert.deepEqual(plan(stored, [limit], { OVERWRITE_SETTING_Limit: '9' }).change, [
		{ _id: 'Limit', set: { value: 9, processEnvValue: 9 } },
	]);
	assert.equal(plan([], [limit], { Limit: '7', OVERWRITE_SETTING_Limit: '9' }).insert[1]?.value, 9);
});

test('a variable that fits no value of the type is reported, and the stored value stays', () => {
	const { change, problems } = plan(afterFirstStart([limit]), [limit], { OVERWRITE_SETTING_Limit: 'many' });
	assert.deepEqual(change, []);
	assert.equal(problems.length, 1);
	assert.match(problems[0] ?? '', /OVERWRITE_SETTING_Limit.*int/);
});

test('a changed default is stored as default, not as value', () => {
	const { change } = plan(afterFirstStart([limit]), [{ ...limit, value: 6 }]);
	assert.deepEqual(change, [{ _id: 'Limit', set: { packageValue: 6 } }]);
});

test('DEPLOYMENT_ID names a new workspace, never an existing one', () => {
	assert.equal(plan([], [id], { DEPLOYMENT_ID: 'mine' }).insert[0]?.value, 'mine');
	assert.deepEqual(plan(afterFirstStart([id]), [id], { DEPLOYMENT_ID: 'other' }).change, []);
});

test('what another server stored about a setting stays: labels, order, choices, and settings unknown here', () => {
	const foreign: Setting = {
		_id: 'Choice',
		type: 'select',
		value: 1,
		packageValue: 0,
		values: [{ key: 1, i18nLabel: 'One' }],
		sorter: 40,
		group: 'Message',
		section: 'Layout',
		i18nLabel: 'A_choice',
		_updatedAt: new Date(0),
	};
	const unknown: Setting = { _id: 'LDAP_Base', type: 'string', value: 'dc=x', public: true, _updatedAt: new Date(0) };
	assert.deepEqual(plan([foreign, unknown], [choice]), { insert: [], change: [], problems: [] });
});

test('a type is replaced only where the stored value fits the new one', () => {
	const stored: Setting = {
		_id: 'Limit',
		type: 'string',
		value: 'x',
		packageValue: 5,
		sorter: 1,
		group: 'General',
		_updatedAt: new Date(0),
	};
	assert.deepEqual(plan([stored], [limit]).change, []);
	assert.deepEqual(plan([{ ...stored, value: 3 }], [limit]).change, [{ _id: 'Limit', set: { type: 'int' } }]);
});

test('lists of the environment hide and block', () => {
	const environment = { SETTINGS_HIDDEN: 'Flag', SETTINGS_BLOCKED: 'Flag, Limit' };
	assert.deepEqual(plan(afterFirstStart([flag, limit]), [flag, limit], environment).change, [
		{ _id: 'Flag', set: { blocked: true, hidden: true } },
		{ _id: 'Limit', set: { blocked: true } },
	]);
});
