"""Control the server of `usher exec` from a test.

`usher exec -- pytest` runs a test suite for which https://plex.tv is an usher in
memory. This package controls that usher: it moves its clock, approves PINs, revokes
tokens, adds accounts, servers, shares, invitations and homes, and injects faults.
"""

from __future__ import annotations

import dataclasses
import datetime
import http.client
import json
import os
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Account", "Clock", "Connection", "Invitation", "Request", "Section", "Server", "Share", "Usher", "UsherError"]
__version__ = "0.1.0"

_TIMEOUT = 30  # seconds


class UsherError(Exception):
    """The server rejected a call, or could not be reached."""


@dataclasses.dataclass(frozen=True)
class Account:
    """An account that a program can sign in with."""

    username: str
    email: str = ""
    password: str = dataclasses.field(default="", repr=False)
    token: str = dataclasses.field(default="", repr=False)
    totp: str = dataclasses.field(default="", repr=False)
    admin: bool = False
    managed: bool = False
    disabled: bool = False
    home: str = ""
    pin: str = dataclasses.field(default="", repr=False)
    home_admin: bool = False
    guest: bool = False
    restriction: str = ""
    backup_codes: tuple[str, ...] = dataclasses.field(default=(), repr=False)


@dataclasses.dataclass(frozen=True)
class Section:
    """A library of a server. Its type is movie, show, artist or photo."""

    name: str
    type: str = ""
    number: int = 0


@dataclasses.dataclass(frozen=True)
class Connection:
    """An address of a server."""

    uri: str
    local: bool = False
    relay: bool = False


@dataclasses.dataclass(frozen=True)
class Server:
    """A media server. Without an owner, every admin owns it."""

    name: str
    id: str
    owner: str = ""
    sections: tuple[Section, ...] = ()
    connections: tuple[Connection, ...] = ()


@dataclasses.dataclass(frozen=True)
class Share:
    """A server that is shared with an account. If sections is None, all of them are shared."""

    server: str
    account: str
    sections: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Invitation:
    """A pending invitation to a server or, if server is empty, to a friendship."""

    id: int
    sender: str
    to: str
    server: str = ""
    sections: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """A request of the program, and the status of the response (0 if there was none)."""

    time: datetime.datetime
    method: str
    host: str
    path: str
    query: dict[str, list[str]]
    header: dict[str, list[str]]
    body: str
    status: int


class Clock:
    """The clock of the server. It does not affect the clock of the test."""

    def __init__(self, usher: Usher) -> None:
        self._usher = usher

    def now(self) -> datetime.datetime:
        return _time(self._usher._call("GET", "/clock")["time"])

    def advance(self, by: datetime.timedelta | float) -> datetime.datetime:
        """Move the clock by seconds, or by a timedelta, and return the time."""
        seconds = by.total_seconds() if isinstance(by, datetime.timedelta) else by
        return self._set(advance=seconds)

    def set(self, time: datetime.datetime) -> datetime.datetime:
        """Set the clock. A time without a time zone is local time."""
        return self._set(time=time.astimezone().isoformat())

    def freeze(self) -> datetime.datetime:
        """Stop the clock."""
        return self._set(frozen=True)

    def unfreeze(self) -> datetime.datetime:
        """Let the clock run again."""
        return self._set(frozen=False)

    def _set(self, **fields: Any) -> datetime.datetime:
        return _time(self._usher._call("POST", "/clock", fields)["time"])


class Usher:
    """The server that answers the program under test."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        """Connect to the control API, by default that of the `usher exec` that runs this program."""
        url = url or os.environ.get("USHER_CONTROL", "")
        if not url:
            raise UsherError("this program does not run in usher exec; start it with: usher exec -- COMMAND")
        address = urllib.parse.urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port
        self._token = token or os.environ.get("USHER_CONTROL_TOKEN", "")
        self.clock = Clock(self)

    def version(self) -> str:
        """The version of usher."""
        return self._call("GET", "/")["version"]

    def check_version(self) -> None:
        """Raise UsherError if this package belongs to another release of usher."""
        theirs = self._call("GET", "/")["clients"]
        if theirs.split(".")[:2] != __version__.split(".")[:2]:
            raise UsherError(f"this usher needs usher-exec {theirs}, and this is {__version__}: pip install usher-exec=={theirs}")

    def reset(self) -> None:
        """Restore the accounts, the clock and the faults of the scene, and delete the recorded requests."""
        self._call("POST", "/reset")

    def accounts(self) -> list[Account]:
        """Return the current accounts, including those that the program added."""
        return [_account(a) for a in self._call("GET", "/accounts")]

    def account(self, username: str) -> Account:
        """Return the account with a username."""
        for account in self.accounts():
            if account.username == username:
                return account
        raise UsherError(f"there is no account {username}")

    def add_account(self, username: str, password: str = "", **fields: Any) -> Account:
        """Add an account. The fields are the keys of a scene: email, token, totp, admin, managed, home, pin and others."""
        return _account(self._call("POST", "/accounts", {"username": username, "password": password, **fields}))

    def remove_account(self, username: str) -> None:
        """Remove an account, and the managed accounts of its home."""
        self._call("DELETE", f"/accounts/{_quote(username)}")

    def add_to_home(self, owner: str, username: str, *, home_admin: bool = False) -> None:
        """Add an account to the home of owner. add_account adds managed users."""
        self._call("POST", f"/homes/{_quote(owner)}/users", {"username": username, "homeAdmin": home_admin})

    def remove_from_home(self, owner: str, username: str) -> None:
        """Remove an account from the home of owner. A managed user is deleted."""
        self._call("DELETE", f"/homes/{_quote(owner)}/users/{_quote(username)}")

    def servers(self) -> list[Server]:
        """Return the media servers, including usher itself."""
        return [_server(s) for s in self._call("GET", "/servers")]

    def add_server(
        self, name: str, id: str, owner: str = "", sections: Iterable[str | Section] = (),
        connections: Iterable[str | Connection] = (), shared_with: Iterable[str] = (),
    ) -> Server:
        """Add a media server. Without connections, it gets some at which nothing listens."""
        return _server(self._call("POST", "/servers", {
            "name": name, "id": id, "owner": owner,
            "sections": [s if isinstance(s, str) else dataclasses.asdict(s) for s in sections],
            "connections": [{"uri": c} if isinstance(c, str) else dataclasses.asdict(c) for c in connections],
            "sharedWith": list(shared_with),
        }))

    def remove_server(self, id: str) -> None:
        """Remove a media server, with its shares and the tokens for it."""
        self._call("DELETE", f"/servers/{_quote(id)}")

    def shares(self) -> list[Share]:
        """Return the current shares."""
        return [Share(s["server"], s["with"], _names(s)) for s in self._call("GET", "/shares")]

    def share(self, server: str, account: str, sections: Iterable[str] | None = None) -> None:
        """Share a server as its owner does: the two accounts become friends. If sections is None, share all."""
        self._call("POST", "/shares", {"server": server, "with": account, "sections": _list(sections)})

    def unshare(self, server: str, account: str) -> None:
        """Remove a share, which revokes the tokens that depend on it."""
        self._call("DELETE", f"/shares/{_quote(server)}/{_quote(account)}")

    def befriend(self, account: str, other: str) -> None:
        """Make two accounts friends."""
        self._call("POST", "/friends", [account, other])

    def unfriend(self, account: str, other: str) -> None:
        """End a friendship, with the shares and invitations between the two."""
        self._call("DELETE", f"/friends/{_quote(account)}/{_quote(other)}")

    def invitations(self) -> list[Invitation]:
        """Return the pending invitations, including those that the program sent."""
        return [_invitation(i) for i in self._call("GET", "/invitations")]

    def invite(self, sender: str, to: str, server: str = "", sections: Iterable[str] | None = None) -> Invitation:
        """Invite a username or an e-mail address, which no account need have, to a server or, without one, to a friendship.

        If sections is None, the invitation is for all of them.
        """
        return _invitation(self._call("POST", "/invitations", {
            "from": sender, "to": to, "server": server, "sections": _list(sections),
        }))

    def accept_invitation(self, id: int) -> None:
        """Accept an invitation as the invited account."""
        self._call("POST", f"/invitations/{id}/accept")

    def end_invitation(self, id: int) -> None:
        """Withdraw or decline an invitation."""
        self._call("DELETE", f"/invitations/{id}")

    def issue_token(self, username: str, client_identifier: str = "usher-exec") -> str:
        """Return a new token of an account."""
        return self._call("POST", f"/accounts/{_quote(username)}/tokens", {"clientIdentifier": client_identifier})["token"]

    def revoke_tokens(self, username: str) -> None:
        """Revoke all tokens of an account."""
        self._call("DELETE", f"/accounts/{_quote(username)}/tokens")

    def revoke_token(self, token: str) -> None:
        """Revoke a token and its descendants."""
        self._call("POST", "/tokens/revoke", {"token": token})

    def verification_code(self, username: str) -> str:
        """Return the current code of an account's second factor. Each code works once."""
        return self._call("GET", f"/accounts/{_quote(username)}/code")["code"]

    def approve_pin(self, code: str, account: str = "member") -> str:
        """Complete a PIN as if the user had allowed access, and return the URL that the browser is redirected to.

        The URL is empty if the program set none.
        """
        return self._call("POST", f"/pins/{_quote(code)}/approve", {"account": account})["forward"]

    def refuse_pin(self, code: str, account: str = "member") -> None:
        """Deny a PIN as if the user had denied access."""
        self._call("POST", f"/pins/{_quote(code)}/refuse", {"account": account})

    def inject_fault(self, fault: str, **fields: Any) -> int:
        """Inject a fault into responses, and return the number of the fault.

        The fields are path, times, skip, seconds and chance.
        """
        return self._call("POST", "/faults", {"fault": fault, **fields})["id"]

    def remove_fault(self, number: int) -> None:
        """Remove the fault with a number that inject_fault returned."""
        self._call("DELETE", f"/faults/{number}")

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call("DELETE", "/faults")

    def requests(self) -> list[Request]:
        """Return the requests of the program since the last reset, the oldest first."""
        return [Request(**{**r, "time": _time(r["time"])}) for r in self._call("GET", "/requests")]

    def clear_requests(self) -> None:
        """Delete the recorded requests."""
        self._call("DELETE", "/requests")

    def _call(self, method: str, path: str, body: Mapping[str, Any] | list[str] | None = None) -> Any:
        # http.client ignores the proxy variables that `usher exec` sets.
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
        try:
            connection.request(
                method, path, body=None if body is None else json.dumps(body),
                headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            )
            response = connection.getresponse()
            text = response.read()
        except OSError as error:
            raise UsherError(f"usher exec does not answer: {error}") from error
        finally:
            connection.close()
        answer = json.loads(text) if text else None
        if response.status >= 300:
            raise UsherError(f"{method} {path}: {answer['error'] if answer else response.reason}")
        return answer


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _account(fields: dict[str, Any]) -> Account:
    codes, home_admin = fields.pop("backupCodes", ()), fields.pop("homeAdmin", False)
    return Account(**fields, home_admin=home_admin, backup_codes=tuple(codes))


def _server(fields: dict[str, Any]) -> Server:
    return Server(
        fields["name"], fields["id"], fields.get("owner", ""),
        tuple(Section(**s) for s in fields.get("sections", ())), tuple(Connection(**c) for c in fields.get("connections", ())),
    )


def _invitation(fields: dict[str, Any]) -> Invitation:
    return Invitation(fields["id"], fields["from"], fields["to"], fields.get("server", ""), _names(fields))


def _names(fields: dict[str, Any]) -> tuple[str, ...] | None:
    return tuple(fields["sections"]) if "sections" in fields else None


def _list(names: Iterable[str] | None) -> list[str] | None:
    if isinstance(names, str):
        raise TypeError("sections must be a list of names, not a string")
    return None if names is None else list(names)


def _time(text: str) -> datetime.datetime:
    # In Python 3.10, fromisoformat parses neither Z nor nanoseconds.
    text, _, fraction = text.removesuffix("Z").partition(".")
    time = datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc)
    return time + datetime.timedelta(microseconds=int(fraction.ljust(6, "0")[:6]) if fraction else 0)
