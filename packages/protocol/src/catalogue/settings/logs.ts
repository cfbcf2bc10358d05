import type { SettingDefinition } from '../setting.ts';

/** Settings of the group `Logs`. @see data model, 9.3 to 9.5 */
export const logsSettings: readonly SettingDefinition[] = [
	{ id: 'Log_Level', type: 'select', value: '0', public: true, values: ['0', '1', '2'] },
	{ id: 'Log_Exceptions_to_Channel', type: 'string', value: '' },
	{ id: 'Log_View_Limit', type: 'int', value: 1000 },
	{ id: 'Log_Trace_Methods', type: 'boolean', value: false },
	{ id: 'Log_Trace_Methods_Filter', type: 'string', value: '' },
	{ id: 'Log_Trace_Subscriptions', type: 'boolean', value: false },
	{ id: 'Log_Trace_Subscriptions_Filter', type: 'string', value: '' },
	{ id: 'Prometheus_Enabled', type: 'boolean', value: false },
	{ id: 'Prometheus_Port', type: 'int', value: 9458 },
	{ id: 'Prometheus_Reset_Interval', type: 'int', value: 0 },
	{ id: 'Prometheus_Garbage_Collector', type: 'boolean', value: false },
	{ id: 'Prometheus_API_User_Agent', type: 'boolean', value: false },
];
