import type { z } from 'zod';
import type { Actor, Connection } from '../services/contracts.ts';
import type { CoreServices } from '../services/core.ts';

/** Who may call. `user`: logged in, else `error-invalid-user`. */
export type AccessClass = 'public' | 'user';

/** How often a method may be called: by each user, or from each address by callers who are not logged in. */
export type RateRule = { calls: number; perMs: number } | { setting: string };

export type MethodInput<P> = {
	params: P;
	connection: Connection;
	services: CoreServices;
	twoFactor?: { code: string; method: string };
};

/** A DDP method as core runs it. Made by `method`. */
export type Method = {
	name: string;
	auth: AccessClass;
	params: z.ZodType;
	/** Length of the parameter list (100 where it is open): what a client sends beyond it is cut. */
	arity: number;
	/** Own limit in place of the by-name rules of the settings. Those of the contract stand in `own-rates.ts`. */
	rate?: RateRule;
	/** Permission whose holders are free of the limit. */
	rateExempt?: string;
	run(input: MethodInput<unknown> & { actor: Actor | null }): Promise<unknown>;
};

/**
 * Declares a DDP method.
 *
 * Before the shape is checked, parameters beyond the tuple are cut and `null` is read as absent, because installed
 * clients send both. A parameter of another shape is `400 Match failed`.
 *
 * @param spec.params A `z.tuple`. Optional parameters are `.optional()`.
 * @param spec.run undefined as a result means "no result": the frame carries no `result` key.
 */
export function method<P extends z.ZodType<unknown[]>>(
	name: string,
	spec: {
		auth: 'public';
		params: P;
		rate?: RateRule;
		rateExempt?: string;
		run(input: MethodInput<z.infer<P>> & { actor: Actor | null }): Promise<unknown>;
	},
): Method;
export function method<P extends z.ZodType<unknown[]>>(
	name: string,
	spec: {
		auth: 'user';
		params: P;
		rate?: RateRule;
		rateExempt?: string;
		run(input: MethodInput<z.infer<P>> & { actor: Actor }): Promise<unknown>;
	},
): Method;
export function method(
	name: string,
	spec: {
		auth: AccessClass;
		params: z.ZodType;
		rate?: RateRule;
		rateExempt?: string;
		run(input: never): Promise<unknown>;
	},
): Method {
	const { items, rest } = (spec.params as z.ZodTuple).def;
	return {
		name,
		auth: spec.auth,
		params: spec.params,
		arity: rest === null ? items.length : 100,
		...(spec.rate === undefined ? {} : { rate: spec.rate }),
		...(spec.rateExempt === undefined ? {} : { rateExempt: spec.rateExempt }),
		run: spec.run as Method['run'],
	};
}
