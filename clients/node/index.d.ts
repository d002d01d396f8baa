export const version: string

/** The server rejected a call, or could not be reached. */
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

/** A library of a server. Its type is movie, show, artist or photo. */
export interface Section {
  name: string
  type?: string
  number?: number
}

/** An address of a server. */
export interface Connection {
  uri: string
  local?: boolean
  relay?: boolean
}

/** A media server. Without an owner, every admin owns it. */
export interface Server {
  name: string
  id: string
  owner?: string
  sections?: Section[]
  connections?: Connection[]
}

/** A media server to add. A section may be its name alone. Without connections, it gets some at which nothing listens. */
export interface NewServer extends Omit<Server, 'sections'> {
  sections?: Array<string | Section>
  sharedWith?: string[]
}

/** A server that is shared with an account. Without sections, all of them are shared. */
export interface Share {
  server: string
  account: string
  sections?: string[]
}

/** A pending invitation to a server or, without one, to a friendship. */
export interface Invitation {
  id: number
  sender: string
  to: string
  server?: string
  sections?: string[]
}

/** Which requests a fault affects. */
export interface FaultOptions {
  path?: string
  times?: number
  skip?: number
  seconds?: number
  chance?: number
}

/** A request of the program, and the status of the response (0 if there was none). */
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

/** The clock of the server. It does not affect the clock of the test. */
export interface Clock {
  now(): Promise<Date>
  advance(seconds: number): Promise<Date>
  set(time: Date | string | number): Promise<Date>
  freeze(): Promise<Date>
  unfreeze(): Promise<Date>
}

/** The server that answers the program under test. */
export class Usher {
  /** Connects to the control API, by default that of the `usher exec` that runs this program. */
  constructor(options?: { url?: string, token?: string })
  readonly clock: Clock
  /** Resolves to the version of usher. */
  version(): Promise<string>
  /** Rejects if this package belongs to another release of usher. */
  checkVersion(): Promise<void>
  /** Restores the accounts, the clock and the faults of the scene, and deletes the recorded requests. */
  reset(): Promise<void>
  /** Resolves to the current accounts, including those that the program added. */
  accounts(): Promise<Account[]>
  /** Rejects if no account has the username. */
  account(username: string): Promise<Account>
  addAccount(fields: Account): Promise<Account & { backupCodes?: string[] }>
  /** Removes an account, and the managed accounts of its home. */
  removeAccount(username: string): Promise<void>
  /** Adds an account to the home of owner. addAccount adds managed users. */
  addToHome(owner: string, username: string, options?: { homeAdmin?: boolean }): Promise<void>
  /** Removes an account from the home of owner. A managed user is deleted. */
  removeFromHome(owner: string, username: string): Promise<void>
  /** Resolves to the media servers, including usher itself. */
  servers(): Promise<Server[]>
  addServer(fields: NewServer): Promise<Server>
  /** Removes a media server, with its shares and the tokens for it. */
  removeServer(id: string): Promise<void>
  shares(): Promise<Share[]>
  /** Shares a server as its owner does: the two accounts become friends. Without sections, all are shared. */
  share(server: string, account: string, sections?: string[]): Promise<void>
  /** Removes a share, which revokes the tokens that depend on it. */
  unshare(server: string, account: string): Promise<void>
  /** Makes two accounts friends. */
  befriend(account: string, other: string): Promise<void>
  /** Ends a friendship, with the shares and invitations between the two. */
  unfriend(account: string, other: string): Promise<void>
  /** Resolves to the pending invitations, including those that the program sent. */
  invitations(): Promise<Invitation[]>
  /** Invites a username or an e-mail address, which no account need have, to a server or, without one, to a friendship. */
  invite(sender: string, to: string, server?: string, sections?: string[]): Promise<Invitation>
  /** Accepts an invitation as the invited account. */
  acceptInvitation(id: number): Promise<void>
  /** Withdraws or declines an invitation. */
  endInvitation(id: number): Promise<void>
  /** Resolves to a new token of an account. */
  issueToken(username: string, clientIdentifier?: string): Promise<string>
  revokeTokens(username: string): Promise<void>
  /** Revokes a token and its descendants. */
  revokeToken(token: string): Promise<void>
  /** Resolves to the current code of an account's second factor. Each code works once. */
  verificationCode(username: string): Promise<string>
  /** Completes a PIN as if the user had allowed access. Resolves to the URL that the browser is redirected to, or ''. */
  approvePIN(code: string, account?: string): Promise<string>
  /** Denies a PIN as if the user had denied access. */
  refusePIN(code: string, account?: string): Promise<void>
  /** Injects a fault into responses. Resolves to the number of the fault, for removeFault. */
  injectFault(fault: string, options?: FaultOptions): Promise<number>
  removeFault(number: number): Promise<void>
  clearFaults(): Promise<void>
  /** Resolves to the requests of the program since the last reset, the oldest first. */
  requests(): Promise<Request[]>
  /** Deletes the recorded requests. */
  clearRequests(): Promise<void>
}

/** Returns the server, and resets it before each test. */
export function useUsher(runner?: { beforeEach: (run: () => Promise<void>) => unknown }): Usher
