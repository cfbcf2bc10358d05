import type { Sub } from './sub.ts';

/** The subscriptions of a session by their ids. Mostly a dozen or two: a list is smaller than a map. */
export class SubList {
	/** Replaced when something goes, so that whoever goes through it may take out. */
	private list: Sub[] = [];

	get(id: string): Sub | undefined {
		return this.list.find((sub) => sub.id === id);
	}

	has(id: string): boolean {
		return this.get(id) !== undefined;
	}

	/** Adds one whose id is not there yet. */
	add(sub: Sub): void {
		this.list.push(sub);
	}

	/** Takes out this very subscription, if it is there. */
	delete(sub: Sub): void {
		if (this.list.includes(sub)) this.list = this.list.filter((other) => other !== sub);
	}

	/** All of them, in the order they came. */
	values(): readonly Sub[] {
		return this.list;
	}

	clear(): void {
		this.list = [];
	}

	get size(): number {
		return this.list.length;
	}
}
