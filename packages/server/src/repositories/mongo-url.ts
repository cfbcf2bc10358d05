import { MongoClient } from 'mongodb';

/**
 * Why a URL cannot be used, seen without connecting; null when it can. Without user and password.
 */
export function mongoUrlProblem(url: string): string | null {
	try {
		void new MongoClient(url);
		return null;
	} catch (error) {
		return (error instanceof Error ? error.message : String(error)).replaceAll(/\/\/\S*@/g, '//***@');
	}
}
