/** One line of `rookery doctor`: what was looked at and how it is. */
export type Finding = {
	/** error: it does not work, or loses something. warn: it works, but not as it should in production. */
	level: 'ok' | 'warn' | 'error';
	text: string;
};

/** Whether a version is at least another one; both of three numbers. */
export function isAtLeast(version: string, floor: string): boolean {
	const [left, right] = [version, floor].map((text) => text.split('.').map((part) => Number.parseInt(part, 10) || 0));
	for (let index = 0; index < 3; index++) {
		const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
		if (difference !== 0) return difference > 0;
	}
	return true;
}
