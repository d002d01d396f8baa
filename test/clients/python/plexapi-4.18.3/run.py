"""PlexAPI 4.18.3: every URL of the account plane is hard-coded, so its session redirects them to the server under test.

It only reads XML. It derives its client identifier from the machine, so it always sends one.
"""

from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import plexapi
import requests
from plexapi.exceptions import BadRequest, NotFound, TwoFactorRequired, Unauthorized
from plexapi.myplex import MyPlexAccount, MyPlexPinLogin
from plexapi.server import PlexServer

from check import (
    Account,
    Connection,
    Resource,
    Source,
    check_access_token,
    check_account,
    check_admin_resources,
    check_shared_resources,
    check_source,
    check_transient_token,
    equal,
    refused,
    reporter,
    scene,
)

operation = reporter("PlexAPI")
found = {}
# The name of the machine, which is sent in Latin-1.
plexapi.BASE_HEADERS["X-Plex-Device-Name"] = "Büro"


class Redirected(requests.Session):
    """A session that sends requests for plex.tv to the server under test."""

    def request(self, method, url, *args, **kwargs):
        parts = urlsplit(url)
        if parts.hostname in ("plex.tv", "clients.plex.tv"):
            server = urlsplit(scene.url)
            url = urlunsplit(parts._replace(scheme=server.scheme, netloc=server.netloc))
        return super().request(method, url, *args, **kwargs)


session = Redirected()


def sign_in(person, login=None, password=None, code=None):
    """Sign in with a password."""
    return MyPlexAccount(login or person.username, password or person.password, code=code, session=session)


def with_token(token):
    """Sign in with a token."""
    return MyPlexAccount(token=token, session=session)


def server(token):
    """The media server, with a token."""
    return PlexServer(scene.url, token, session=session)


def account_of(account):
    """The account in the form for the checks."""
    return Account(
        account.id, account.uuid, account.username, account.email, account.title, account.authenticationToken
    )


def resources_of(account):
    """The resources of an account in the form for the checks."""
    return [
        Resource(
            id=resource.clientIdentifier,
            name=resource.name,
            token=resource.accessToken,
            connections=[Connection(c.uri, c.protocol, c.address, c.port, c.local) for c in resource.connections],
            owned=resource.owned,
            provides=resource.provides,
        )
        for resource in account.resources()
    ]


def source(token, of):
    """Request a source. There is no method for this, but query sends a request to any path and reads the XML."""
    container = server(token).query(f"/security/resources?source={quote(of, safe='')}")
    (device,) = container.findall("Device")
    connections = [
        Connection(c.get("uri"), c.get("protocol"), c.get("address"), int(c.get("port")), c.get("local") == "1")
        for c in device.findall("Connection")
    ]
    return Source(device.get("clientIdentifier"), device.get("name"), device.get("accessToken"), connections)


@operation("sign in")
def _():
    found["admin"] = sign_in(scene.admin)
    check_account(account_of(found["admin"]), scene.admin)
    check_access_token(found["admin"].authenticationToken)

    found["plain"] = sign_in(scene.plain, login=scene.plain.email)
    check_account(account_of(found["plain"]), scene.plain)
    assert found["plain"].authToken != found["admin"].authToken
    equal([device.name for device in found["plain"].devices()], ["Büro"])


@operation("wrong password")
def _():
    error = refused(Unauthorized, sign_in, scene.plain, password="not this one")
    assert "(401)" in str(error) and 'code="1001"' in str(error), str(error)


@operation("second factor needed")
def _():
    error = refused(TwoFactorRequired, sign_in, scene.second)
    assert "(401)" in str(error) and 'code="1029"' in str(error), str(error)


@operation("second factor given")
def _():
    account = sign_in(scene.second, code=scene.second.code)
    check_account(account_of(account), scene.second)
    check_access_token(account.authenticationToken)
    equal(account.twoFactorEnabled, True)


@operation("token details")
def _():
    equal(account_of(with_token(found["admin"].authToken)), account_of(found["admin"]))


@operation("bad token")
def _():
    error = refused(Unauthorized, with_token, "nosuchtoken")
    assert 'code="1001"' in str(error), str(error)
    refused(Unauthorized, server, "nosuchtoken")

    # The token of a device that its owner has removed.
    own = plexapi.BASE_HEADERS["X-Plex-Client-Identifier"]
    plexapi.BASE_HEADERS["X-Plex-Client-Identifier"] = "lost"
    lost = sign_in(scene.plain)
    plexapi.BASE_HEADERS["X-Plex-Client-Identifier"] = own
    (device,) = [device for device in found["plain"].devices() if device.clientIdentifier == "lost"]
    device.delete()
    refused(Unauthorized, with_token, lost.authToken)
    check_account(account_of(with_token(found["plain"].authToken)), scene.plain)


@operation("transient token")
def _():
    found["transient"] = server(found["admin"].authToken).createToken()
    check_transient_token(found["transient"])
    error = refused(BadRequest, server(found["admin"].authToken).createToken, type="other")
    assert "(400)" in str(error), str(error)


@operation("use of a transient token")
def _():
    plex = server(found["transient"])
    equal(plex.machineIdentifier, scene.machineId)
    account = account_of(plex.myPlexAccount())
    check_account(account, scene.admin)
    equal(account.token, found["transient"])


@operation("source as admin")
def _():
    check_source(source(found["admin"].authToken, f"server://{scene.server.id}"), scene.server)
    check_source(source(found["admin"].authToken, f"provider://{scene.provider.id}"), scene.provider)


@operation("source with the admin's transient token")
def _():
    answer = source(found["transient"], f"server://{scene.server.id}")
    check_source(answer, scene.server)
    assert answer.token != found["admin"].authToken


@operation("source as a plain user")
def _():
    error = refused(BadRequest, source, found["plain"].authToken, f"server://{scene.server.id}")
    assert "(403)" in str(error), str(error)


@operation("malformed source")
def _():
    for of in ("no source at all", "server://"):
        error = refused(BadRequest, source, found["admin"].authToken, of)
        assert "(400)" in str(error), str(error)


@operation("unknown source")
def _():
    refused(NotFound, source, found["admin"].authToken, "server://nobody")


@operation("resources")
def _():
    check_admin_resources(resources_of(found["admin"]))
    check_shared_resources(resources_of(found["plain"]), found["plain"].authToken, found["admin"].authToken)


@operation("connect")
def _():
    plex = found["admin"].resource(scene.machineId).connect()
    assert isinstance(plex, PlexServer), type(plex).__name__
    equal(plex._baseurl, scene.url)
    equal(plex.machineIdentifier, scene.machineId)

    # It ignores the local connections of a server with another owner.
    shared = found["plain"].resource(scene.machineId)
    equal(shared.owned, False)
    assert scene.url in shared.preferred_connections(), shared.preferred_connections()
    plex = shared.connect()
    equal(plex._baseurl, scene.url)
    equal(plex.machineIdentifier, scene.machineId)


def wait_for(login, code):
    """Wait like a program does, in its thread, while a user links the code with the client's own method."""
    given = []
    login.run(callback=given.append, timeout=30)
    found["plain"].link(code)
    equal(login.waitForLogin(), True)
    equal(given, [login.token])
    check_access_token(login.token)
    assert login.token != found["plain"].authToken
    check_account(account_of(with_token(login.token)), scene.plain)


@operation("PIN of four characters")
def _():
    login = MyPlexPinLogin(session=session)
    assert len(login.pin) == 4, login.pin
    equal(login.checkLogin(), False)
    equal(login.expired, False)
    # Like users type it.
    wait_for(login, f" {login.pin.lower()} ")


@operation("strong PIN")
def _():
    login = MyPlexPinLogin(session=session, oauth=True)
    (code,) = parse_qs(urlsplit(login.oauthUrl()).fragment.removeprefix("!?"))["code"]
    equal(len(code), 25)
    wait_for(login, code)


@operation("unknown PIN")
def _():
    login = MyPlexPinLogin(session=session)
    login._id = "1"  # there is no other way to request another client's PIN
    equal(login.checkLogin(), False)
    equal(login.expired, True)
    refused(NotFound, found["plain"].link, "none")


@operation("home users")
def _():
    owner, name = sign_in(scene.plain), scene.plain.username
    equal((owner.home, owner.homeSize, owner.users()), (False, 1, []))
    # createHomeUser also shares a server with the new user, and this owner has none: own.py calls it as the admin.
    created = owner.query(owner.HOMEUSERCREATE.format(title="Robin Ann"), session.post)
    equal((created.tag, created.get("title")), ("User", "Robin Ann"))
    (robin,) = owner.users()
    equal((robin.id, robin.title, robin.username, robin.email), (int(created.get("id")), "Robin Ann", "", ""))
    equal((robin.home, robin.restricted, robin.protected), (True, "1", False))

    kid = owner.switchHomeUser("Robin Ann")
    equal((kid.id, kid.title, kid.username, kid.email), (robin.id, "Robin Ann", "", ""))
    equal((kid.home, kid.homeAdmin, kid.homeSize, kid.restricted, kid.protected), (True, False, 2, True, False))
    check_access_token(kid.authToken)
    equal(account_of(with_token(kid.authToken)), account_of(kid))
    owner = with_token(owner.authToken)
    equal((owner.home, owner.homeAdmin, owner.homeSize, owner.restricted), (True, True, 2, False))

    owner.setManagedUserPin("Robin Ann", "4321")
    equal(owner.user("Robin Ann").protected, True)
    equal(owner.switchHomeUser("Robin Ann", pin="4321").id, robin.id)
    error = refused(BadRequest, owner.switchHomeUser, "Robin Ann", pin="0000")
    assert "(403)" in str(error) and 'code="1041"' in str(error), str(error)
    owner.removeManagedUserPin("Robin Ann")
    equal(owner.user("Robin Ann").protected, False)

    # Switching to the owner requires the owner's PIN.
    equal([user.title for user in kid.users()], [name])
    error = refused(BadRequest, kid.switchHomeUser, name)
    assert 'code="1041"' in str(error), str(error)
    owner.setPin("0000")
    refused(Unauthorized, owner.setPin, "1111")
    owner.setPin("1111", currentPin="0000")
    equal(with_token(owner.authToken).protected, True)
    refused(BadRequest, kid.switchHomeUser, name, pin="0000")
    equal(kid.switchHomeUser(name, pin="1111").username, name)
    refused(Unauthorized, owner.removePin, "0000")
    owner.removePin("1111")
    equal(with_token(owner.authToken).protected, False)

    owner.removeHomeUser("Robin Ann")
    equal(owner.users(), [])
    refused(Unauthorized, with_token, kid.authToken)
