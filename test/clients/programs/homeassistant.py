"""The calls of Home Assistant about accounts: with the package plexauth, which sends X-Plex-* in the form, and with
PlexAPI; and the fields that it reads. It runs in usher exec.

Every call becomes a line: the call, a tab, and the fields.
"""

import asyncio
import os
import re
from urllib.parse import parse_qs, urlsplit

from plexapi.exceptions import Unauthorized
from plexapi.myplex import MyPlexAccount
from plexapi.server import PlexServer
from plexauth import PlexAuth

from control import approve

ATTIC = os.environ["USHER_SERVER_ATTIC_ID"]
ITSELF = os.environ["USHER_SERVER_USHER_ID"]


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def called(name, read):
    print(f"{name}\t{read}", flush=True)


async def sign_in():
    payload = {
        "X-Plex-Device-Name": "Home Assistant",
        "X-Plex-Version": "2026.11.0",
        "X-Plex-Product": "Home Assistant",
        "X-Plex-Device": "Linux",
        "X-Plex-Platform": "Home Assistant",
        "X-Plex-Model": "Plex OAuth",
    }
    async with PlexAuth(payload) as auth:
        await auth.initiate_auth()
        page = urlsplit(auth.auth_url("https://home.example.org/auth/plex/callback"))
        asked = parse_qs(page.fragment.lstrip("?!"))
        (code,) = asked["code"]
        assert re.fullmatch("[0-9a-z]{25}", code) and asked["clientID"] == [auth.client_identifier], asked
        called("POST /api/v2/pins.json?strong=true", "id, code; X-Plex-* in the form")
        approve(code, "mia")
        return await auth.token(10)


token = asyncio.run(sign_in())
assert re.fullmatch("[0-9A-Za-z]{20}", token or ""), token
called("GET /api/v2/pins/{id}", "authToken, as application/json")

account = MyPlexAccount(token=token)
equal((account.username, account.email, account.title), ("mia", "mia@example.org", "mia"))
try:
    MyPlexAccount(token="notATokenOfAnybody00")
except Unauthorized:
    called("GET /api/v2/user", "username, email, title; 401: asks to sign in again")

servers = {r.clientIdentifier: r for r in account.resources() if "server" in r.provides}
equal((servers[ATTIC].name, servers[ATTIC].owned, servers[ATTIC].presence), ("Attic", True, True))
assert isinstance(servers[ATTIC].publicAddressMatches, bool)
server = servers[ITSELF].connect(timeout=10)
equal((server.friendlyName, server.machineIdentifier), ("usher", ITSELF))
called("GET /api/v2/resources?includeHttps=1&includeRelay=1", "name, clientIdentifier, accessToken, provides, owned, presence, publicAddressMatches, connections")

server = PlexServer("http://localhost:32400", token)
equal((server.friendlyName, server.machineIdentifier), ("usher", ITSELF))
called("GET / of the server", "friendlyName, machineIdentifier, version")
owner = {a.id: a.name for a in server.systemAccounts()}[1]
equal(owner, "mia")
called("GET /accounts of the server", "Account: id, name; 1 is the owner")
assert server.createToken().startswith("transient-")
called("GET /security/token of the server", "token")
users = {user.title: (user.email, user.home, user.restricted == "1") for user in account.users()}
equal(users, {"noa": ("noa@example.org", False, False), "zoe": ("zoe@example.org", True, False), "Kid": ("", True, True)})
called("GET /api/users/", "User: title, email, home, restricted")
