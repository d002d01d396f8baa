export const version: string

/** The server refused a call, or there is none. */
export class UsherError extends Error {}

/** An account that a program can sign in with. */
export interface Account {
  username: string
  email?: string
  password?: string
  token?: string
  totp?: string
  admin?: boolean
  managed?: boolean
  disabled?: boolean
  home?: string
  pin?: string
  homeAdmin?: boolean
  guest?: boolean
  restriction?: string
}

/** Which requests a fault affects. */
export interface FaultOptions {
  path?: string
  times?: number
  skip?: number
  seconds?: number
  chance?: number
}

/** A request of the program, and the status of the answer (0: none). */
export interface Request {
  time: Date
  method: string
  host: string
  path: string
  query: Record<string, string[]>
  header: Record<string, string[]>
  body: string
  status: number
}

/** The clock of the server. That of the test does not change. */
export interface Clock {
  now(): Promise<Date>
  advance(seconds: number): Promise<Date>
  set(time: Date | string | number): Promise<Date>
  freeze(): Promise<Date>
  unfreeze(): Promise<Date>
}

/** The server that answers the program under test. */
export class Usher {
  /** Without options, the server of the `usher exec` that runs this program. */
  constructor(options?: { url?: string, token?: string })
  readonly clock: Clock
  version(): Promise<string>
  checkVersion(): Promise<void>
  reset(): Promise<void>
  accounts(): Promise<Account[]>
  account(username: string): Promise<Account>
  addAccount(fields: Account): Promise<Account & { backupCodes?: string[] }>
  issueToken(username: string, clientIdentifier?: string): Promise<string>
  revokeTokens(username: string): Promise<void>
  revokeToken(token: string): Promise<void>
  verificationCode(username: string): Promise<string>
  /** Resolves to where the browser goes on to; '' if the program named no address. */
  approvePIN(code: string, account?: string): Promise<string>
  refusePIN(code: string, account?: string): Promise<void>
  injectFault(fault: string, options?: FaultOptions): Promise<number>
  removeFault(number: number): Promise<void>
  clearFaults(): Promise<void>
  requests(): Promise<Request[]>
  clearRequests(): Promise<void>
}

/** Returns the server, and resets it before each test. */
export function useUsher(runner?: { beforeEach: (run: () => Promise<void>) => unknown }): Usher
