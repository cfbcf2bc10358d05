/**
 * Something the person who started the command can put right: a busy port, a missing library, data in use. The message is
 * for them, in full sentences, and is printed as it is, without a stack; the exit code is 1.
 */
export class StartProblem extends Error {
	override name = 'StartProblem';
}
