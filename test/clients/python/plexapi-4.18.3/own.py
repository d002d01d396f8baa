"""What PlexAPI's own tests of its account classes assert (tests/test_myplex.py, which its source distribution leaves out),
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
    """A session that asks the server under test for what is meant for plex.tv."""

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


@operation("geoip")
def _():
    assert account.geoip(account.publicIP())


@operation("ping")
def _():
    assert account.ping()


def check_account_of(person, token):
    """Check that a token is a person's."""
    equal(MyPlexAccount(token=token, session=session).uuid, person.uuid)


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
    # The token that registered the key ends with the first JWT.
    refused(Unauthorized, MyPlexAccount, token=person.authToken, session=session)

    # Another program refreshes with the files.
    again = MyPlexJWTLogin(session=session, jwtToken=first, keypair=files)
    equal(again.verifyJWT(), True)
    equal(again.verifyJWT(refreshWithinDays=8), False)
    second = again.refreshJWT()
    assert second != first
    check_account_of(person, second)
    check_account_of(person, first)  # it lives on until it expires

    # Another key of the same device. A JWT registers none without a proof of the first key, which PlexAPI does not send.
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

    # A JWT that somebody else has changed is not one of the server's.
    head, body, signature = third.split(".")
    forged = MyPlexJWTLogin(session=session, jwtToken=".".join((head, body, signature[::-1])), keypair=files)
    equal(forged.verifyJWT(), False)
    refused(Unauthorized, MyPlexAccount, token=forged.jwtToken, session=session)

    # A device that is removed has no JWT any more.
    plexapi.BASE_HEADERS["X-Plex-Client-Identifier"] = "own-tests-other"
    other = MyPlexAccount(scene.plain.username, scene.plain.password, session=session)
    (device,) = [device for device in other.devices() if device.clientIdentifier == "own-tests-jwt"]
    device.delete()
    refused(Unauthorized, MyPlexAccount, token=third, session=session)

