"""The calls of authentik about accounts: those of its page in the browser, and those of its Plex source
(authentik/sources/plex), which have the token and the client identifier in the query, and the fields that it reads. It
runs in usher exec.

Every call becomes a line: the call, a tab, and the fields.
"""

import os
import re
from urllib.parse import urlencode

import requests

from control import approve

CLIENT = "ck7zR8ZtYwVbQmXn5Jc0"
ATTIC = os.environ["USHER_SERVER_ATTIC_ID"]
TOKENS = {name: os.environ[f"USHER_ACCOUNT_{name.upper()}_TOKEN"] for name in ("mia", "noa", "zoe", "ned")}

session = requests.Session()
session.headers.update({
    "Accept": "application/json",
    "Content-Type": "application/json",
    "X-Plex-Product": "authentik",
    "X-Plex-Version": "2026.8.0",
    "X-Plex-Device-Vendor": "goauthentik.io",
})


def get(path, token):
    response = session.get(f"https://plex.tv{path}?{urlencode({'X-Plex-Token': token, 'X-Plex-Client-Identifier': CLIENT})}", timeout=10)
    response.raise_for_status()
    return response.json()


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def call(name, read):
    def run(check):
        check()
        print(f"{name}\t{read}", flush=True)

    return run


class At:
    pin = token = None


@call("POST /api/v2/pins.json?strong=true", "id, code")
def _():
    response = session.post("https://plex.tv/api/v2/pins.json?strong=true", headers={"X-Plex-Client-Identifier": CLIENT}, timeout=10)
    At.pin = response.json()
    assert isinstance(At.pin["id"], int) and re.fullmatch("[0-9a-z]{25}", At.pin["code"]), At.pin


@call("GET /api/v2/pins/{id}", "authToken; a status above 200 is an error")
def _():
    def poll():
        response = session.get(f"https://plex.tv/api/v2/pins/{At.pin['id']}", headers={"X-Plex-Client-Identifier": CLIENT}, timeout=10)
        equal(response.status_code, 200)
        return response.json()["authToken"]

    equal(poll(), None)
    approve(At.pin["code"], "noa")
    At.token = poll()
    assert re.fullmatch("[0-9A-Za-z]{20}", At.token), At.token


@call("GET /api/v2/user?X-Plex-Token=", "username, email, title, id")
def _():
    found = get("/api/v2/user", At.token)
    equal((found["username"], found["email"], found["title"]), ("noa", "noa@example.org", "noa"))
    assert isinstance(found["id"], int) and found["id"] > 0
    try:
        get("/api/v2/user", "notATokenOfAnybody00")
    except requests.HTTPError as error:
        equal(error.response.status_code, 401)
    else:
        raise AssertionError("a token that is none is taken")


@call("GET /api/v2/resources?X-Plex-Token=", "provides, clientIdentifier, name, owned")
def _():
    def servers(name):
        return {r["clientIdentifier"]: (r["name"], r["owned"]) for r in get("/api/v2/resources", TOKENS[name]) if r["provides"] == "server"}

    # An owner chooses among their own servers; users who can reach an allowed one may sign in.
    equal(servers("mia")[ATTIC], ("Attic", True))
    equal(servers("noa")[ATTIC], ("Attic", False))
    equal(servers("zoe")[ATTIC], ("Attic", False))
    assert ATTIC not in servers("ned")


@call("GET /api/v2/friends?X-Plex-Token=", "id")
def _():
    friends = {friend["id"] for friend in get("/api/v2/friends", TOKENS["mia"])}
    who = {name: get("/api/v2/user", token)["id"] for name, token in TOKENS.items()}
    equal({name for name, number in who.items() if number in friends}, {"noa", "zoe"})
