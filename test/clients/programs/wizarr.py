"""The calls of Wizarr about accounts (app/services/media/plex.py and plex_custom.py): some with PlexAPI, like Wizarr makes
them, and some at clients.plex.tv with X-Plex-* in the query; and the fields that it reads. It runs in usher
exec.

Every call becomes a line: the call, a tab, and the fields.
"""

import os
import re

from plexapi.exceptions import BadRequest, NotFound
from plexapi.myplex import MyPlexAccount

ATTIC = os.environ["USHER_SERVER_ATTIC_ID"]
admin = MyPlexAccount(token=os.environ["USHER_ACCOUNT_MIA_TOKEN"])


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def call(name, read):
    def run(check):
        check()
        print(f"{name}\t{read}", flush=True)

    return run


def request(method, account, url, body=None):
    params = {
        "X-Plex-Product": "Wizarr",
        "X-Plex-Version": "1.0",
        "X-Plex-Client-Identifier": account.uuid,
        "X-Plex-Token": account.authToken,
        "X-Plex-Platform": "Web",
        "X-Plex-Platform-Version": "1.0",
        "X-Plex-Features": "external-media,indirect-media,hub-style-list",
        "X-Plex-Language": "en",
    }
    response = account._session.request(method, url, params=params, headers={"Accept": "application/json"}, json=body)
    response.raise_for_status()
    return response


def told(error):
    """The text of an error in Wizarr: the attribute status of a Response or, if there is none, a JSON message."""
    text = str(error)
    found = re.search(r'<Response[^>]+status="([^"]*)"[^>]*/?>', text) or re.search(r'"message":\s*"([^"]*)"', text)
    assert found, text
    return found.group(1)


class At:
    ids = share = None


@call("GET /api/v2/user", "uuid, authToken, email, username, title")
def _():
    equal((admin.email, admin.username, admin.title, len(admin.uuid)), ("mia@example.org", "mia", "mia", 16))


@call("GET /api/v2/servers/{id}", "librarySections: title, id")
def _():
    sections = request("GET", admin, f"https://plex.tv/api/v2/servers/{ATTIC}").json()["librarySections"]
    At.ids = {section["title"]: section["id"] for section in sections}
    equal(list(At.ids), ["Films", "Shows", "Songs"])
    assert len(set(At.ids.values())) == 3 and all(isinstance(number, int) for number in At.ids.values()), At.ids


@call("GET /api/servers/{id}, POST /api/servers/{id}/shared_servers", "Section: id, key, title; the status; Response: status")
def _():
    admin.inviteFriend("ned@example.org", ATTIC, sections=["Films", "Songs"], allowSync=True, allowChannels=False, allowCameraUpload=False)
    for again, text in (
        (lambda: admin.inviteFriend("ned@example.org", ATTIC, sections=["Films"]), "This invitation was sent already"),
        (lambda: admin.createExistingUser("new@example.org", ATTIC), "Nobody is invited into a home here: the operator adds accounts to it"),
    ):
        try:
            again()
        except BadRequest as error:
            equal(told(error), text)
        else:
            raise AssertionError(f"there is no error that says {text!r}")


@call("GET /api/v2/shared_servers/invites/received/pending", "owner: username, email, title, friendlyName; sharedServers: id")
def _():
    for name in ("ned", "uma"):
        account = MyPlexAccount(token=os.environ[f"USHER_ACCOUNT_{name.upper()}_TOKEN"])
        (invite,) = request("GET", account, "https://clients.plex.tv/api/v2/shared_servers/invites/received/pending").json()
        owner = invite["owner"]
        equal((owner["username"], owner["email"], owner["title"], owner["friendlyName"]), ("mia", "mia@example.org", "mia", "mia"))
        (shared,) = invite["sharedServers"]
        assert isinstance(shared["id"], int)
        if name == "ned":
            At.share = account, shared["id"]


@call("POST /api/v2/shared_servers/{id}/accept", "the status")
def _():
    account, number = At.share
    request("POST", account, f"https://clients.plex.tv/api/v2/shared_servers/{number}/accept")
    assert ATTIC in [resource.clientIdentifier for resource in account.resources()]
    equal(request("GET", account, "https://clients.plex.tv/api/v2/shared_servers/invites/received/pending").json(), [])


@call("GET /api/users/", "User: id, email, title, thumb, allowSync, allowChannels, allowCameraUpload; Server: machineIdentifier, allLibraries")
def _():
    users = {user.email: user for user in admin.users() if user.email and any(s.machineIdentifier == ATTIC for s in user.servers)}
    equal({email: user.title for email, user in users.items()}, {"noa@example.org": "noa", "zoe@example.org": "zoe", "ned@example.org": "ned"})
    for user in users.values():
        assert user.thumb.startswith("https://"), user.thumb
        equal((user.allowSync, user.allowChannels, user.allowCameraUpload), (False, False, False))
    equal({email: user.servers[0].allLibraries for email, user in users.items()}, {"noa@example.org": False, "zoe@example.org": True, "ned@example.org": False})


@call("GET /api/servers/{id}/shared_servers/{share}", "Section: title, shared")
def _():
    def libraries(user):
        return [section.title for section in user.servers[0].sections() if section.shared]

    equal(libraries(admin.user("noa@example.org")), ["Films", "Songs"])
    equal(libraries(admin.user("ned@example.org")), ["Films", "Songs"])
    equal(libraries(admin.user("Kid")), ["Shows"])


def share(email):
    """The function _get_share_data of Wizarr."""
    number = admin.user(email).id
    shares = request("GET", admin, "https://clients.plex.tv/api/v2/shared_servers/owned/accepted").json()
    (found,) = [s for s in shares if s["machineIdentifier"] == ATTIC and s["invitedId"] == number]
    return found


@call("GET /api/v2/shared_servers/owned/accepted", "machineIdentifier, invitedId, invitedEmail, id; invited: email, username; libraries: id, title")
def _():
    found = share("ned@example.org")
    equal((found["id"], found["invited"]["email"], found["invited"]["username"], found["invitedEmail"]), (At.share[1], "ned@example.org", "ned", "ned@example.org"))
    equal({library["title"]: library["id"] for library in found["libraries"]}, {title: At.ids[title] for title in ("Films", "Songs")})


@call("POST /api/v2/shared_servers/{id}", "the status")
def _():
    settings = {
        "allowSync": False, "allowChannels": False, "allowCameraUpload": False, "filterMovies": "", "filterMusic": "", "filterPhotos": None,
        "filterTelevision": "", "filterAll": None, "allowSubtitleAdmin": False, "allowTuners": 0,
    }
    url = f"https://clients.plex.tv/api/v2/shared_servers/{share('ned@example.org')['id']}"
    request("POST", admin, url, {"settings": settings, "librarySectionIds": [At.ids["Shows"]]})
    equal([library["title"] for library in share("ned@example.org")["libraries"]], ["Shows"])


@call("DELETE /api/home/users/{id}, DELETE /api/v2/sharings/{id}", "the status")
def _():
    # Wizarr first removes a user from the home, and from the friends if that fails.
    try:
        admin.removeHomeUser("ned@example.org")
    except (BadRequest, NotFound):
        admin.removeFriend("ned@example.org")
    else:
        raise AssertionError("ned is said to have lived in the home")
    account, _ = At.share
    assert ATTIC not in [resource.clientIdentifier for resource in account.resources()]
    admin.removeHomeUser("zoe@example.org")
    equal([user.title for user in admin.users() if user.home], ["Kid"])
