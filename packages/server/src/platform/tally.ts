/**
 * What happened, for metrics: told where it happens, counted by who runs the process. The second text is a name out of
 * our own code, never anything of a user.
 *
 * `login`: `ok` or the code of the refusal. `denied`: `not-logged-in`, `permission`. `limited`: `route`, `method`, `sub`,
 * `login`, `login-queue`, and over all names `connection`, `user`, `address`.
 *
 * @see security contract, 11
 */
export type Tally = (what: 'login' | 'denied' | 'limited', label: string) => void;
