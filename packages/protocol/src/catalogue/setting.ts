import type { SettingType } from '../records.ts';

/** A setting as this server knows it, before anybody stored a value. */
export type SettingDefinition = {
	id: string;
	type: SettingType;
	/** The value of a new workspace. */
	value: unknown;
	/** Sent to everybody, also without login. */
	public?: true;
	/** Never on a stream or on the bus with its value. */
	secret?: true;
	/** Not shown to administrators, not sent to clients. */
	hidden?: true;
	enterprise?: true;
	/** What readers get of an `enterprise` setting. */
	invalidValue?: unknown;
	/** The value is made at the first start: the workspace's id, the address it is reached at, a random id. */
	generated?: 'workspaceId' | 'rootUrl' | 'randomId';
	/** Keys to choose from, of types `select` and `multiSelect`. */
	values?: readonly (string | number)[];
	/** Absent: known since version 5.0 of the protocol. */
	since?: 8;
};

/** A definition with its place. `group` is '' where it has none. */
export type GroupedSetting = SettingDefinition & { group: string; sorter: number };
