import { stringifyEjson } from '@rookery/protocol/ejson.ts';
import type { ClientAction } from '@rookery/protocol/events.ts';
import type { Change, StoredDocument } from '../repositories/watch-change.ts';

/** The word clients know for what happened. Null for changes of whole collections. */
export function actionOf({ operation }: Change): ClientAction | null {
	return actions[operation];
}

const actions: Record<Change['operation'], ClientAction | null> = {
	insert: 'inserted',
	update: 'updated',
	replace: 'updated',
	delete: 'removed',
	drop: null,
	rename: null,
	dropDatabase: null,
	invalidate: null,
};

/**
 * Names of the top-level fields that changed; null when nobody knows: then everything may have.
 * Of a replaced document the versions are compared.
 */
export function changedFields<T extends StoredDocument>({ updatedFields, before, after }: Change<T>): string[] | null {
	if (updatedFields !== null) return updatedFields;
	if (before === null || after === null) return null;
	const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
	const names = new Set([...Object.keys(old), ...Object.keys(now)]);
	return [...names].filter((name) => !isEqual(old[name], now[name]));
}

/** Whether two stored values look the same to a client. */
export function isEqual(one: unknown, other: unknown): boolean {
	return one === other || stringifyEjson(one) === stringifyEjson(other);
}

/** Whether one of the named fields changed. Unknown counts as changed. */
export function touches(fields: string[] | null, names: ReadonlySet<string>): boolean {
	return fields === null || fields.some((field) => names.has(field));
}

/** A record without some of its fields. */
export function without<T extends object, K extends string>(record: T, names: readonly K[]): Omit<T, K> {
	const copy = { ...record } as Record<string, unknown>;
	for (const name of names) delete copy[name];
	return copy as Omit<T, K>;
}
