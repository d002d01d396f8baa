"""The calls of Tautulli about accounts (plexpy/plextv.py), with the headers of its HTTP handler and without an Accept
header; and the fields that it reads in the answers, which are XML. It runs in usher exec.

Every call becomes a line: the call, a tab, and the fields.
"""

import os
import re
from xml.dom import minidom

import requests

from control import approve

ATTIC = os.environ["USHER_SERVER_ATTIC_ID"]
MIA, NOA = os.environ["USHER_ACCOUNT_MIA_TOKEN"], os.environ["USHER_ACCOUNT_NOA_TOKEN"]
session = requests.Session()


def request(method, uri, token=None, url="https://plex.tv"):
    headers = {
        "X-Plex-Product": "Tautulli",
        "X-Plex-Version": "v2.15.2",
        "X-Plex-Client-Identifier": "9a1b6ff0c7ce4f1fb7b6c9c5bb0a5d5e",
        "X-Plex-Platform": "Linux",
        "X-Plex-Platform-Version": "6.1",
        "X-Plex-Device": "Linux 6.1",
        "X-Plex-Device-Name": "nas (Tautulli)",
        "X-Plex-Language": "en",
    }
    if token:
        headers["X-Plex-Token"] = token
    return session.request(method, url + uri, headers=headers, timeout=15)


def elements(name, method, uri, token=MIA, url="https://plex.tv"):
    response = request(method, uri, token, url)
    assert response.status_code in (200, 201), (uri, response.status_code, response.text)
    return minidom.parseString(response.content).getElementsByTagName(name)


def values(element, *names):
    for name in names:
        assert element.hasAttribute(name), f"{element.tagName} has no {name}"
    return [element.getAttribute(name) for name in names]


def equal(got, want):
    assert got == want, f"got {got!r}, want {want!r}"


def call(name, read):
    def run(check):
        check()
        print(f"{name}\t{read}", flush=True)

    return run


class At:
    pin = devices = None


@call("POST /api/v2/pins?strong=true", "pin: id, code")
def _():
    (At.pin,) = elements("pin", "POST", "/api/v2/pins?strong=true", token=None)
    number, code = values(At.pin, "id", "code")
    assert number.isdigit() and re.fullmatch("[0-9a-z]{25}", code), (number, code)


@call("GET /api/v2/pins/{id}", "pin: id, code, authToken")
def _():
    number, code = values(At.pin, "id", "code")
    (waiting,) = elements("pin", "GET", f"/api/v2/pins/{number}", token=None)
    equal(values(waiting, "id", "code", "authToken"), [number, code, ""])
    approve(code, "mia")
    (linked,) = elements("pin", "GET", f"/api/v2/pins/{number}", token=None)
    token = linked.getAttribute("authToken")
    assert re.fullmatch("[0-9A-Za-z]{20}", token), token
    (user,) = elements("user", "GET", "/users/account", token)
    equal(user.getAttribute("username"), "mia")


def account(token):
    """The function get_plex_account_details of Tautulli."""
    (user,) = elements("user", "GET", "/users/account", token)
    return user


@call("GET /users/account", "user: id, username, title, thumb, email, home, restricted, authToken, filters; subscription: active")
def _():
    user = account(MIA)
    equal(values(user, "username", "title", "email", "home", "restricted", "authToken"), ["mia", "mia", "mia@example.org", "1", "0", MIA])
    assert user.getAttribute("id").isdigit() and user.getAttribute("thumb").startswith("https://")
    equal([user.getAttribute(f"filter{kind}") for kind in ("All", "Movies", "Television", "Music", "Photos")], [""] * 5)
    (subscription,) = user.getElementsByTagName("subscription")
    equal(subscription.getAttribute("active"), "0")


def users():
    """The function get_full_users_list of Tautulli, for the friends and the home."""
    names = ("username", "email", "home", "allowSync", "restricted", "filterAll", "filterMovies", "filterTelevision", "filterMusic", "filterPhotos")
    return {user.getAttribute("title"): (user.getAttribute("id"), user.getAttribute("thumb"), values(user, *names)) for user in elements("User", "GET", "/api/users")}


@call("GET /api/users", "User: id, username, title, thumb, email, home, allowSync, restricted, filters")
def _():
    found = users()
    equal({title: fields for title, (_, _, fields) in found.items()}, {
        "noa": ["noa", "noa@example.org", "0", "0", "0", "", "", "", "", ""],
        "zoe": ["zoe", "zoe@example.org", "1", "0", "0", "", "", "", "", ""],
        "Kid": ["", "", "1", "0", "1", "", "", "", "", ""],
    })
    equal(found["noa"][:2], (account(NOA).getAttribute("id"), account(NOA).getAttribute("thumb")))


@call("GET /api/servers/{id}/shared_servers", "SharedServer: userID, accessToken; Section: key, shared")
def _():
    by_id = {number: title for title, (number, _, _) in users().items()}
    shared = {}
    for share in elements("SharedServer", "GET", f"/api/servers/{ATTIC}/shared_servers"):
        user, token = values(share, "userID", "accessToken")
        shared[by_id[user]] = [s.getAttribute("key") for s in share.getElementsByTagName("Section") if s.getAttribute("shared") == "1"]
        # Tautulli does not show it. It is the owner's own token, and never another account's.
        equal(account(token).getAttribute("username"), "mia")
    equal(shared, {"noa": ["1", "7"], "zoe": ["1", "2", "7"], "Kid": ["2"]})


@call("GET /api/resources?includeHttps=1", "Device: clientIdentifier, provides, accessToken, name, productVersion, platform, presence, owned, httpsRequired, publicAddressMatches; Connection: protocol, address, port, uri, local")
def _():
    def found(token):
        (device,) = [d for d in elements("Device", "GET", "/api/resources?includeHttps=1", token) if d.getAttribute("clientIdentifier") == ATTIC]
        return device

    own = found(MIA)
    equal(values(own, "provides", "name", "presence", "owned", "httpsRequired"), ["server", "Attic", "1", "1", "0"])
    assert own.getAttribute("publicAddressMatches") in ("0", "1")
    values(own, "productVersion", "platform")
    equal([values(c, "protocol", "address", "port", "uri", "local") for c in own.getElementsByTagName("Connection")], [
        ["http", "192.0.2.5", "32400", "http://192.0.2.5:32400", "1"],
        ["https", "attic.example.org", "32401", "https://attic.example.org:32401", "0"],
    ])
    # A guest of Tautulli has a token for the server, not the account's token.
    theirs = found(NOA)
    equal(values(theirs, "provides", "owned"), ["server", "0"])
    assert re.fullmatch("[0-9A-Za-z]{20}", theirs.getAttribute("accessToken")) and theirs.getAttribute("accessToken") != NOA


@call("GET /pms/servers.xml", "Server: machineIdentifier, createdAt, updatedAt, version")
def _():
    servers = {s.getAttribute("machineIdentifier"): s for s in elements("Server", "GET", "/pms/servers.xml")}
    created, updated = values(servers[ATTIC], "createdAt", "updatedAt")
    assert created.isdigit() and updated.isdigit() and servers[ATTIC].hasAttribute("version")


@call("GET /devices.xml", "Device: name, product, productVersion, platform, platformVersion, device, model, vendor, provides, clientIdentifier, id, token")
def _():
    At.devices = {d.getAttribute("clientIdentifier"): d for d in elements("Device", "GET", "/devices.xml")}
    names = ("name", "product", "productVersion", "platform", "platformVersion", "device", "model", "vendor", "clientIdentifier")
    equal(values(At.devices["tv-1"], *names), ["Den", "Player", "1.2", "tvOS", "17", "TV", "T1", "Maker", "tv-1"])
    equal(values(At.devices["tv-1"], "token"), [""])  # a list never contains a secret
    values(At.devices["tv-1"], "provides", "id")


@call("DELETE /devices/{id}.xml", "the status")
def _():
    response = request("DELETE", f"/devices/{At.devices['tv-1'].getAttribute('id')}.xml", MIA)
    assert response.ok, response.status_code
    assert "tv-1" not in [d.getAttribute("clientIdentifier") for d in elements("Device", "GET", "/devices.xml")]


@call("GET /servers/{id}/sync_lists", "SyncList: none")
def _():
    equal(elements("SyncList", "GET", f"/servers/{ATTIC}/sync_lists").length, 0)


@call("GET /devices/{client}/sync_items", "SyncItem: none")
def _():
    equal(elements("SyncItem", "GET", "/devices/tv-1/sync_items").length, 0)


@call("GET /api/v2/cloud_server", "info: none")
def _():
    equal(elements("info", "GET", "/api/v2/cloud_server").length, 0)


@call("GET /:/ip", "the text")
def _():
    equal(request("GET", "/:/ip", MIA).text.count("."), 3)


@call("GET /api/v2/geoip?ip_address=", "location: city, code, continent_code, country, coordinates, postal_code, subdivisions, time_zone")
def _():
    (location,) = elements("location", "GET", "/api/v2/geoip?ip_address=192.0.2.1")
    equal(values(location, "city", "code", "continent_code", "country", "postal_code", "subdivisions", "time_zone"), [""] * 7)
    equal([float(part) for part in location.getAttribute("coordinates").split(",")], [0, 0])


@call("GET /api/v2/ping", "pong; any status but 401 means that the token is good")
def _():
    (pong,) = elements("pong", "GET", "/api/v2/ping")
    equal(pong.firstChild.nodeValue, "true")
    equal(request("GET", "/api/v2/ping", "notATokenOfAnybody00").status_code, 401)


@call("GET /identity of the server", "MediaContainer: machineIdentifier")
def _():
    (container,) = elements("MediaContainer", "GET", "/identity", token=None, url="http://127.0.0.1:32400")
    equal(container.getAttribute("machineIdentifier"), os.environ["USHER_SERVER_USHER_ID"])
