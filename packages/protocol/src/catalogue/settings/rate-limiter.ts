import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Rate Limiter`. @see data model, 9.3 to 9.5 */
export const rateLimiterSettings: readonly SettingDefinition[] = [
	{ id: 'DDP_Rate_Limit_IP_Enabled', type: 'boolean', value: true },
	{ id: 'DDP_Rate_Limit_IP_Requests_Allowed', type: 'int', value: 120000 },
	{ id: 'DDP_Rate_Limit_IP_Interval_Time', type: 'int', value: 60000 },
	{ id: 'DDP_Rate_Limit_User_Enabled', type: 'boolean', value: true },
	{ id: 'DDP_Rate_Limit_User_Requests_Allowed', type: 'int', value: 1200 },
	{ id: 'DDP_Rate_Limit_User_Interval_Time', type: 'int', value: 60000 },
	{ id: 'DDP_Rate_Limit_Connection_Enabled', type: 'boolean', value: true },
	{ id: 'DDP_Rate_Limit_Connection_Requests_Allowed', type: 'int', value: 600 },
	{ id: 'DDP_Rate_Limit_Connection_Interval_Time', type: 'int', value: 60000 },
	{ id: 'DDP_Rate_Limit_User_By_Method_Enabled', type: 'boolean', value: true },
	{ id: 'DDP_Rate_Limit_User_By_Method_Requests_Allowed', type: 'int', value: 20 },
	{ id: 'DDP_Rate_Limit_User_By_Method_Interval_Time', type: 'int', value: 10000 },
	{ id: 'DDP_Rate_Limit_Connection_By_Method_Enabled', type: 'boolean', value: true },
	{ id: 'DDP_Rate_Limit_Connection_By_Method_Requests_Allowed', type: 'int', value: 10 },
	{ id: 'DDP_Rate_Limit_Connection_By_Method_Interval_Time', type: 'int', value: 10000 },
	{ id: 'API_Enable_Rate_Limiter', type: 'boolean', value: true },
	{ id: 'API_Enable_Rate_Limiter_Dev', type: 'boolean', value: true },
	{ id: 'API_Enable_Rate_Limiter_Limit_Calls_Default', type: 'int', value: 10 },
	{ id: 'API_Enable_Rate_Limiter_Limit_Time_Default', type: 'int', value: 60000 },
	{ id: 'Rate_Limiter_Limit_RegisterUser', type: 'int', value: 1 },
];
