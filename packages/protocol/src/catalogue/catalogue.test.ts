import assert from 'node:assert/strict';
import { test } from 'node:test';
import { permissionCatalogue } from './permissions.ts';
import { roleCatalogue } from './roles.ts';
import { isValidSettingValue } from './setting-value.ts';
import { settingCatalogue } from './settings.ts';

const becamePublic = (id: string): boolean =>
	id.startsWith('Accounts_Password_Policy_') ||
	['Accounts_Registration_Users_Default_Roles', 'API_Upper_Count_Limit'].includes(id);

test('the public settings of version 5.0 are complete: 436, one of which is not public here', () => {
	const ofVersion5 = settingCatalogue.filter((setting) => setting.since === undefined);
	const isPublic = ofVersion5.filter((setting) => setting.public === true && !becamePublic(setting.id));
	assert.equal(isPublic.length, 436 - 1);
	assert.equal(settingCatalogue.find(({ id }) => id === 'VoIP_Management_Server_Password')?.public, undefined);
	assert.equal(ofVersion5.length, 436 + 209);
	assert.equal(settingCatalogue.length, 436 + 209 + 77);
});

test('setting ids are unique', () => {
	assert.equal(new Set(settingCatalogue.map(({ id }) => id)).size, settingCatalogue.length);
});

test('every default fits its own type', () => {
	// The sizes of the CAS window are texts in settings of type int: installed clients know them so.
	const odd = ['CAS_popup_width', 'CAS_popup_height'];
	const wrong = settingCatalogue.filter(
		(setting) => !odd.includes(setting.id) && !isValidSettingValue(setting, setting.value),
	);
	assert.deepEqual(
		wrong.map(({ id }) => id),
		[],
	);
});

test('where the versions differ the chosen defaults are in force, and nothing calls a vendor', () => {
	const value = (id: string): unknown => settingCatalogue.find((setting) => setting.id === id)?.value;
	const chosen = {
		Accounts_AvatarBlockUnauthenticatedAccess: false,
		Message_Attachments_Strip_Exif: true,
		Block_Multiple_Failed_Logins_Enabled: true,
		Accounts_TwoFactorAuthentication_By_Email_Code_Expiration: 600,
		API_Use_REST_For_DDP_Calls: true,
		Presence_broadcast_disabled: false,
		Site_Name: 'Rookery',
		Livechat_title: 'Rookery',
		Push_enable_gateway: false,
		Statistics_reporting: false,
		Update_EnableChecker: false,
		Register_Server: false,
		NPS_survey_enabled: false,
	};
	for (const [id, expected] of Object.entries(chosen)) assert.equal(value(id), expected, id);
});

test('what holds a credential is secret and never public', () => {
	const passwords = settingCatalogue.filter(({ type }) => type === 'password');
	assert.ok(passwords.length >= 4);
	for (const setting of passwords) {
		assert.equal(setting.secret, true, setting.id);
		assert.equal(setting.public, undefined, setting.id);
	}
});

test('the permissions are the 157 of the base table, those outside of it and those of later versions', () => {
	const ids = Object.keys(permissionCatalogue);
	assert.equal(ids.length, 157 + 21 + 23);
	assert.deepEqual(permissionCatalogue['message-impersonate'], ['bot', 'app']);
	assert.deepEqual(permissionCatalogue['add-user-to-any-p-room'], []);
	assert.deepEqual(permissionCatalogue['view-joined-room'], ['guest', 'bot', 'app', 'anonymous']);
	assert.deepEqual(permissionCatalogue['call-management'], ['admin', 'owner', 'moderator', 'user']);
});

test('permissions name built-in roles only, each at most once', () => {
	const known = new Set(roleCatalogue.map(({ _id }) => _id));
	for (const [permission, roles] of Object.entries(permissionCatalogue)) {
		for (const role of roles) assert.ok(known.has(role), `${permission}: ${role}`);
		assert.equal(new Set(roles).size, roles.length, permission);
	}
});

test('built-in roles are protected, and their ids are their names', () => {
	assert.equal(roleCatalogue.length, 15);
	for (const role of roleCatalogue) assert.deepEqual([role.name, role.protected], [role._id, true]);
});
