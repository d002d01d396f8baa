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

/** A media server to add: a section may be its name alone. Without connections, it has some where nothing listens. */
export interface NewServer extends Omit<Server, 'sections'> {
  sections?: Array<string | Section>
  sharedWith?: string[]
}

/** A server that is shared with an account; without sections, all of them. */
export interface Share {
  server: string
  account: string
  sections?: string[]
}

/** An invitation that waits: to a server or, without one, to a friendship. */
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
  /** Removes an account, and the managed ones of its home. */
  removeAccount(username: string): Promise<void>
  /** Lets an account live in the home of another. addAccount adds managed users. */
  addToHome(owner: string, username: string, options?: { homeAdmin?: boolean }): Promise<void>
  /** Takes an account out of a home. A managed user is removed. */
  removeFromHome(owner: string, username: string): Promise<void>
  /** The media servers, with usher itself. */
  servers(): Promise<Server[]>
  addServer(fields: NewServer): Promise<Server>
  removeServer(id: string): Promise<void>
  shares(): Promise<Share[]>
  /** Shares a server as its owner, who is a friend of the account then. Without sections, all of them. */
  share(server: string, account: string, sections?: string[]): Promise<void>
  unshare(server: string, account: string): Promise<void>
  befriend(account: string, other: string): Promise<void>
  /** Ends a friendship, with the shares and invitations between the two. */
  unfriend(account: string, other: string): Promise<void>
  /** The invitations that wait for an answer, also those that the program has sent. */
  invitations(): Promise<Invitation[]>
  /** Invites a username or an e-mail address, which nobody needs to have. */
  invite(sender: string, to: string, server?: string, sections?: string[]): Promise<Invitation>
  /** Accepts an invitation as who was invited. */
  acceptInvitation(id: number): Promise<void>
  /** Withdraws or declines an invitation. */
  endInvitation(id: number): Promise<void>
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
