"""Code that all Python scripts share: the scene, one line for each operation, and the checks that are the same for
each client.

Run a script with `python run.py scene.json`, and this folder in PYTHONPATH. The scene names the server, and the
accounts that the test has created there:

    slug                       the name of the client's folder
    url, machineId             the server under test
    admin, plain, second       accounts: username, email, password; second also has the secret of its second factor
    server, provider           sources: id, name and their connections

Each operation becomes one line of JSON on standard output, which the Go test reads. All other output goes to
standard error.

The clients have different names for the same things, so each script converts its results to an Account, a Source or
a Resource before it is checked.
"""

import base64
import hashlib
import hmac
import json
import re
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from types import SimpleNamespace


class Fields(SimpleNamespace):
    """An object of the scene."""

    @property
    def code(self):
        """The code of a person's second factor, according to RFC 6238: six digits every 30 seconds."""
        secret = self.secret.rstrip("=")
        key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        digest = hmac.digest(key, (int(time.time()) // 30).to_bytes(8, "big"), hashlib.sha1)
        start = digest[-1] & 0xF
        number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"


with open(sys.argv[1], encoding="utf-8") as file:
    scene = json.load(file, object_hook=lambda fields: Fields(**fields))

# The identifier of a client that lets its user choose one.
client_identifier = f"usher-clients-{scene.slug}"


@dataclass(frozen=True)
class Account:
    """An account in a client."""

    id: int
    uuid: str
    username: str
    email: str
    title: str
    token: str


@dataclass(frozen=True, order=True)
class Connection:
    """One address of a server."""

    uri: str
    protocol: str
    address: str
    port: int
    local: bool


@dataclass(frozen=True)
class Source:
    """The answer about a source."""

    id: str
    name: str
    token: str
    connections: list


@dataclass(frozen=True)
class Resource(Source):
    """A server in the list of those that an account can reach."""

    owned: bool
    provides: str


def reporter(client):
    """Return a decorator that runs a function as one operation, and prints the result."""

    def operation(name):
        def run(check):
            line = {"client": client, "version": installed_version(client), "operation": name, "ok": True, "detail": ""}
            try:
                check()
            except Exception as error:
                line["ok"] = False
                line["detail"] = f"{type(error).__name__}: {error}"
            print(json.dumps(line), flush=True)
            return check

        return run

    return operation


def equal(got, want):
    """Fail unless both are equal."""
    assert got == want, f"got {got!r}, want {want!r}"


def refused(kind, call, *args, **kwargs):
    """Make a call that must fail with exactly this kind of error, and return the error."""
    try:
        answer = call(*args, **kwargs)
    except Exception as error:
        assert type(error) is kind, f"got a {type(error).__name__} ({error}), want a {kind.__name__}"
        return error
    raise AssertionError(f"it was accepted: {answer!r:.200}")


def check_account(account, person):
    """Check an account against the person that it must describe."""
    equal(account.username, person.username)
    equal(account.email, person.email)
    equal(account.title, person.username)
    assert isinstance(account.id, int) and account.id > 0, f"id is {account.id!r}"
    assert account.uuid, "uuid is empty"


def check_access_token(token):
    """Check that a token has the format of one from a sign-in: 20 letters and digits."""
    assert re.fullmatch(r"[0-9A-Za-z]{20}", token or ""), f"the token is {token!r}"


def check_transient_token(token):
    """Check that a token has the format of one from /security/token."""
    assert re.match(r"transient-.", token or ""), f"the token is {token!r}"


def check_source(source, wanted):
    """Check the answer about a source: its name, and all its connections."""
    equal(source.id, wanted.id)
    equal(source.name, wanted.name)
    assert source.token, "its accessToken is empty"
    check_connections(source.connections, wanted.connections)


def check_connections(got, wanted):
    """Check that a list has the wanted connections and no others, in any order."""
    equal(sorted(got), sorted(Connection(**vars(connection)) for connection in wanted))


def check_admin_resources(resources):
    """Check the admin's list, the server itself and the added one, and return the entry of the server itself."""
    by_id = {resource.id: resource for resource in resources}
    assert scene.machineId in by_id, f"the server itself is not among {list(by_id)}"
    itself = by_id[scene.machineId]
    assert "server" in itself.provides.split(","), f"it provides {itself.provides}"
    equal(itself.owned, True)
    assert itself.token, "its accessToken is empty"
    assert scene.url in [connection.uri for connection in itself.connections], f"no connection is {scene.url}"

    assert scene.server.id in by_id, f"the added server is not among {list(by_id)}"
    equal(by_id[scene.server.id].name, scene.server.name)
    check_connections(by_id[scene.server.id].connections, scene.server.connections)
    return itself


def check_shared_resources(resources, *account_tokens):
    """Check the plain user's list: the shared server, not as its owner, with its own token."""
    by_id = {resource.id: resource for resource in resources}
    assert scene.server.id in by_id, f"the shared server is not among {list(by_id)}"
    equal(by_id[scene.server.id].owned, False)
    check_access_token(by_id[scene.server.id].token)
    assert by_id[scene.server.id].token not in account_tokens, "the token of the shared server is an account token"


def sign_in_by_hand(person):
    """Get a token without the client, for clients that cannot sign in."""
    request = urllib.request.Request(
        f"{scene.url}/api/v2/users/signin",
        headers={"Accept": "application/json", "X-Plex-Client-Identifier": client_identifier},
        data=urllib.parse.urlencode({"login": person.username, "password": person.password}).encode(),
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["authToken"]


def link_by_hand(code, token):
    """Link a PIN to the token's account, like the page on which a user types the code."""
    request = urllib.request.Request(
        f"{scene.url}/api/v2/pins/link",
        method="PUT",
        headers={"X-Plex-Token": token},
        data=urllib.parse.urlencode({"code": code}).encode(),
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        equal(response.status, 204)
