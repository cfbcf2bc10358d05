import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Call_Center`. @see data model, 9.3 to 9.5 */
export const callCenterSettings: readonly SettingDefinition[] = [
	{ id: 'VoIP_Enabled', type: 'boolean', value: false, public: true },
	{ id: 'VoIP_Server_Host', type: 'string', value: '', public: true },
	{ id: 'VoIP_Server_Websocket_Port', type: 'int', value: 0, public: true },
	{ id: 'VoIP_Server_Name', type: 'string', value: '', public: true },
	{ id: 'VoIP_Server_Websocket_Path', type: 'string', value: '', public: true },
	{ id: 'VoIP_Retry_Count', type: 'int', value: -1, public: true },
	{ id: 'VoIP_Enable_Keep_Alive_For_Unstable_Networks', type: 'boolean', value: true, public: true },
	{ id: 'VoIP_Management_Server_Host', type: 'string', value: '', public: true },
	{ id: 'VoIP_Management_Server_Port', type: 'int', value: 0, public: true },
	{ id: 'VoIP_Management_Server_Name', type: 'string', value: '', public: true },
	{ id: 'VoIP_Management_Server_Username', type: 'string', value: '', public: true },
	{ id: 'VoIP_Management_Server_Password', type: 'password', value: '', secret: true },
	{ id: 'VoIP_TeamCollab_Screen_Sharing_Enabled', type: 'boolean', value: true, public: true, since: 8 },
	{ id: 'VoIP_TeamCollab_Mobile_Ringing_Enabled', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'VoIP_TeamCollab_Ice_Servers', type: 'string', value: 'stun:stun.nextcloud.com:443', public: true, since: 8 },
	{ id: 'VoIP_TeamCollab_Ice_Gathering_Timeout', type: 'int', value: 5000, public: true, since: 8 },
	{ id: 'VoIP_TeamCollab_SIP_Integration_Enabled', type: 'boolean', value: false, public: true, since: 8 },
	{ id: 'VoIP_TeamCollab_SIP_Integration_For_Internal_Calls', type: 'boolean', value: false, public: true, since: 8 },
];
