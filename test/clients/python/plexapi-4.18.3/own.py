"""The assertions of PlexAPI's own tests of its account classes (tests/test_myplex.py, which its source distribution leaves out),
and the life of a device key with MyPlexJWTLogin. The names are those of the tests, without test_myplex_.
"""

import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import jwt
import plexapi
import requests
from plexapi.exceptions import BadRequest, NotFound, Unauthorized
from plexapi.myplex import MyPlexAccount, MyPlexJWTLogin
from plexapi.server import PlexServer

from check import equal, refused, reporter, scene

operation = reporter("PlexAPI")


class Redirected(requests.Session):
    """A session that sends requests for plex.tv to the server under test."""

    def request(self, method, url, *args, **kwargs):
        parts = urlsplit(url)
        if parts.hostname in ("plex.tv", "clients.plex.tv"):
            server = urlsplit(scene.url)
            url = urlunsplit(parts._replace(scheme=server.scheme, netloc=server.netloc))
        return super().request(method, url, *args, **kwargs)


session = Redirected()
plexapi.BASE_HEADERS["X-Plex-Client-Identifier"] = "own-tests"
account = MyPlexAccount(scene.admin.username, scene.admin.password, session=session)
plex = PlexServer(scene.url, account.authToken, session=session)


@operation("accounts")
def _():
    assert account.username and account.authenticationToken and account.email and account.home is not None
    local = plex.account()
    assert local.username and local.signInState, vars(local)


@operation("resources")
def _():
    assert account.resources()


@operation("connect_to_resource")
def _():
    (resource,) = [resource for resource in account.resources() if resource.name == plex.friendlyName]
    assert resource.connect(timeout=10)


@operation("devices")
def _():
    assert account.devices()


@operation("device")
def _():
    assert account.device(plex.friendlyName)


@operation("resource")
def _():
    assert account.resource(plex.friendlyName)


@operation("webhooks")
def _():
    assert isinstance(account.webhooks(), list)


@operation("addwebhooks")
def _():
    assert "http://example.com" in account.addWebhook("http://example.com")


@operation("deletewebhooks")
def _():
    assert "http://example.com" not in account.deleteWebhook("http://example.com")
    equal(account.webhooks(), [])


@operation("optout")
def _():
    def enabled():
        element = account.query("https://plex.tv/api/v2/user/privacy")
        return tuple(bool(int(element.attrib[name])) for name in ("optOutLibraryStats", "optOutPlayback"))

    account.optOut(library=True, playback=True)
    equal(enabled(), (True, True))
    account.optOut(library=False, playback=False)
    equal(enabled(), (False, False))


@operation("onlineMediaSources_optOut")
def _():
    sources = account.onlineMediaSources()
    for source in sources:
        before = source.value
        source.optIn()
        equal(source.value, "opt_in")
        source.optOut()
        equal(source.value, "opt_out")
        if source.key == "tv.plex.provider.music":
            refused(BadRequest, source.optOutManaged)
        else:
            source.optOutManaged()
            equal(source.value, "opt_out_managed")
            equal([s.value for s in account.onlineMediaSources() if s.key == source.key], ["opt_out_managed"])
        source._updateOptOut(before)
    refused(NotFound, sources[0]._updateOptOut, "unknown")


@operation("claimToken")
def _():
    assert account.claimToken().startswith("claim-")


@operation("viewStateSync")
def _():
    account.enableViewStateSync()
    assert account.viewStateSync is True
    account.disableViewStateSync()
    assert account.viewStateSync is False


@operation("pin")
def _():
    assert account.pin is None
    account.setPin("0000")
    refused(Unauthorized, account.setPin, "1111")
    account.setPin("1111", currentPin="0000")
    refused(Unauthorized, account.removePin, "0000")
    account.removePin("1111")
    account.createHomeUser("Robin", plex)
    account.setManagedUserPin("Robin", "0000")
    equal(account.user("Robin").protected, True)
    account.removeManagedUserPin("Robin")
    equal(account.user("Robin").protected, False)
    account.removeHomeUser("Robin")


@operation("geoip")
def _():
    assert account.geoip(account.publicIP())


@operation("ping")
def _():
    assert account.ping()


def check_account_of(person, token):
    """Check that a token belongs to a person."""
    equal(MyPlexAccount(token=token, session=session).uuid, person.uuid)


def sections_of(share):
    """The content of a share of the admin's: each section of the server, and whether it is shared."""
    return {section.title: section.shared for section in share.sections()}


def shares_of(title):
    """The servers of a user in the admin's list: name, sections, whether all are shared, whether it is pending."""
    return [(s.name, s.numLibraries, s.allLibraries, s.pending) for s in account.user(title).servers]


# The test has added two sections to the server Den, and shared it with the plain user, but not with the other user.
den, other_name = scene.server.id, scene.second.username
other = MyPlexAccount(other_name, scene.second.password, code=scene.second.code, session=session)


@operation("users")
def _():
    (user,) = account.users()
    equal((user.title, user.email, user.home), (scene.plain.username, scene.plain.email, False))
    equal(account.user(user.email.upper()).id, user.id)
    equal(shares_of(user.title), [("Den", 2, True, False)])
    equal(sections_of(user.server("den")), {"Films": True, "Shows": True})
    # The caller's own token for the server, and not that user's, which a media server would return here.
    equal(user.get_token(den), account.resource("Den").accessToken)
    plain = MyPlexAccount(scene.plain.username, scene.plain.password, session=session)
    assert plain.resource("Den").accessToken != user.get_token(den)
    error = refused(BadRequest, plain.inviteFriend, other_name, den)  # it is not their server
    assert "(403)" in str(error), str(error)


@operation("inviteFriend")
def _():
    for login in (other_name, "nobody-has-this-name"):
        account.inviteFriend(
            login, den, ["films"], allowSync=True, allowChannels=True, filterMovies={"contentRating": ["G"], "label": ["foo"]}
        )
        # The inviting user cannot find out whether the name exists.
        assert login not in [user.title for user in account.users()]
        invite = account.pendingInvite(login, includeReceived=False)
        equal((invite.username, invite.email, invite.friendlyName), (login, login, login))
        equal((invite.friend, invite.home, invite.server), (True, False, True))
        equal([(server.name, server.numLibraries) for server in invite.servers], [("Den", 1)])
    error = refused(BadRequest, account.inviteFriend, other_name, den)
    assert "(400)" in str(error), str(error)
    refused(NotFound, account.inviteFriend, other_name, "nosuchserver")
    equal([resource.name for resource in other.resources() if resource.clientIdentifier == den], [])


@operation("cancelInvite")
def _():
    account.cancelInvite("nobody-has-this-name")
    equal([invite.username for invite in account.pendingInvites()], [other_name])
    # The invited user declines with the same path.
    account.inviteFriend(scene.plain.username, plex.machineIdentifier)
    plain = MyPlexAccount(scene.plain.username, scene.plain.password, session=session)
    (invite,) = plain.pendingInvites()
    error = refused(NotFound, other.acceptInvite, invite)  # it is another user's
    assert "(404)" in str(error), str(error)
    plain.query(f"{invite.REQUESTS}/{invite.id}", session.delete)
    equal((plain.pendingInvites(), [i.username for i in account.pendingInvites()]), ([], [other_name]))


@operation("acceptInvite")
def _():
    equal(other.pendingInvites(includeReceived=False), [])
    (invite,) = other.pendingInvites(includeSent=False)
    equal((invite.username, invite.email, invite.server), (scene.admin.username, scene.admin.email, True))
    other.acceptInvite(scene.admin.username)
    equal((other.pendingInvites(), account.pendingInvites()), ([], []))
    equal([user.title for user in other.users()], [scene.admin.username])
    equal([user.title for user in account.users()], [scene.plain.username, other_name])
    equal(shares_of(other_name), [("Den", 1, False, False)])
    equal(sections_of(account.user(other_name).server("Den")), {"Films": True, "Shows": False})
    resource = other.resource("Den")
    equal((resource.clientIdentifier, resource.owned), (den, False))
    # The user sees the shared part of the server.
    equal([section.get("title") for section in other.query(other.PLEXSERVERS.format(machineId=den))[0]], ["Films"])


@operation("updateFriend")
def _():
    account.updateFriend(other_name, den, ["shows"], allowSync=True, filterTelevision={"label": ["foo"]})
    equal(sections_of(account.user(other_name).server("Den")), {"Films": False, "Shows": True})
    account.updateFriend(other_name, den, ["films", "shows"])
    equal(sections_of(account.user(other_name).server("Den")), {"Films": True, "Shows": True})
    token = other.resource("Den").accessToken
    account.updateFriend(other_name, den, ["films"], removeSections=True, allowSync=False)
    equal(shares_of(other_name), [])
    refused(NotFound, other.resource, "Den")
    refused(Unauthorized, MyPlexAccount, token=token, session=session)
    # A friend is invited to the next share by ID, and must accept again.
    account.updateFriend(other_name, den, ["shows"])
    equal(shares_of(other_name), [("Den", 1, False, True)])
    refused(NotFound, other.resource, "Den")
    other.acceptInvite(scene.admin.email)
    equal(shares_of(other_name), [("Den", 1, False, False)])


@operation("removeFriend")
def _():
    token = other.resource("Den").accessToken
    account.removeFriend(other_name)
    equal([user.title for user in account.users()], [scene.plain.username])
    equal(other.users(), [])
    refused(NotFound, account.user, other_name)
    refused(NotFound, other.resource, "Den")
    refused(Unauthorized, MyPlexAccount, token=token, session=session)


@operation("createHomeUser_remove")
def _():
    created, shared = account.createHomeUser("New Home User", den, ["films"])
    assert "New Home User" in [user.title for user in account.users() if user.home is True]
    # The owner consents for managed users.
    equal(int(shared.find("SharedServer").get("userID")), int(created.get("id")))
    equal(shares_of("New Home User"), [("Den", 1, False, False)])
    kid = account.switchHomeUser("New Home User")
    equal(kid.resource("Den").owned, False)
    equal([section.get("title") for section in kid.query(kid.PLEXSERVERS.format(machineId=den))[0]], ["Films"])
    account.removeHomeUser("New Home User")
    assert "New Home User" not in [user.title for user in account.users() if user.home is True]
    refused(Unauthorized, MyPlexAccount, token=kid.authToken, session=session)


@operation("JWT")
def _():
    plexapi.BASE_HEADERS["X-Plex-Client-Identifier"] = "own-tests-jwt"
    person = MyPlexAccount(scene.plain.username, scene.plain.password, session=session)
    folder = Path(tempfile.mkdtemp())
    files = (str(folder / "private.key"), str(folder / "public.key"))
    refused(BadRequest, MyPlexJWTLogin(session=session).registerDevice)
    login = MyPlexJWTLogin(session=session, token=person.authToken, scopes=["username", "email", "friendly_name"])
    login.generateKeypair(keyfiles=files)
    login.registerDevice()
    check_account_of(person, person.authToken)  # until there is a JWT

    first = login.refreshJWT()
    equal(jwt.get_unverified_header(first)["alg"], "EdDSA")
    claims = login.decodedJWT
    equal((claims["iss"], "own-tests-jwt" in claims["aud"], "plex.tv" in claims["aud"]), ("plex.tv", True, True))
    equal((claims["thumbprint"], claims["exp"] - claims["iat"]), (login._keyID, 7 * 24 * 3600))
    equal((claims["user"]["id"], claims["user"]["username"], claims["user"]["email"]), (person.id, person.username, person.email))
    check_account_of(person, first)
    # The first JWT revokes the token that registered the key.
    refused(Unauthorized, MyPlexAccount, token=person.authToken, session=session)

    # Another program refreshes with the files.
    again = MyPlexJWTLogin(session=session, jwtToken=first, keypair=files)
    equal(again.verifyJWT(), True)
    equal(again.verifyJWT(refreshWithinDays=8), False)
    second = again.refreshJWT()
    assert second != first
    check_account_of(person, second)
    check_account_of(person, first)  # it stays valid until it expires

    # Another key of the same device. With a JWT, that requires a proof of the first key, which PlexAPI does not send.
    thief = MyPlexJWTLogin(session=session, token=second)
    thief.generateKeypair()
    error = refused(BadRequest, thief.registerDevice)
    assert "(403)" in str(error), str(error)
    signed_in = MyPlexAccount(scene.plain.username, scene.plain.password, session=session)
    rotated = MyPlexJWTLogin(session=session, token=signed_in.authToken)
    rotated.generateKeypair()
    rotated.registerDevice()
    third = rotated.refreshJWT()
    equal(rotated.decodedJWT["thumbprint"], rotated._keyID)
    assert rotated._keyID != login._keyID
    check_account_of(person, third)

    # A changed JWT is rejected.
    head, body, signature = third.split(".")
    forged = MyPlexJWTLogin(session=session, jwtToken=".".join((head, body, signature[::-1])), keypair=files)
    equal(forged.verifyJWT(), False)
    refused(Unauthorized, MyPlexAccount, token=forged.jwtToken, session=session)

    # A removed device gets no JWT.
    plexapi.BASE_HEADERS["X-Plex-Client-Identifier"] = "own-tests-other"
    other = MyPlexAccount(scene.plain.username, scene.plain.password, session=session)
    (device,) = [device for device in other.devices() if device.clientIdentifier == "own-tests-jwt"]
    device.delete()
    refused(Unauthorized, MyPlexAccount, token=third, session=session)

