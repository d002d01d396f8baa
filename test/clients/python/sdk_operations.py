"""The operations of plex-api-client. sdk.py has the calls of the installed version, and knows which operations it has."""

import re
from datetime import datetime, timedelta
from types import SimpleNamespace

from check import (
    Account,
    Connection,
    Resource,
    check_access_token,
    check_account,
    check_admin_resources,
    check_shared_resources,
    check_source,
    check_transient_token,
    client_identifier,
    equal,
    link_by_hand,
    refused,
    scene,
    sign_in_by_hand,
)


def account_of(user):
    """The account in a response."""
    return Account(user.id, user.uuid, user.username, user.email, user.title, user.auth_token)


def resources_of(response):
    """The resources in a response."""
    return [
        Resource(
            id=device.client_identifier,
            name=device.name,
            token=device.access_token,
            connections=[
                Connection(c.uri, getattr(c.protocol, "value", c.protocol), c.address, c.port, c.local)
                for c in device.connections
            ],
            owned=device.owned,
            provides=device.provides,
        )
        for device in response.plex_devices
    ]


def status_of(error):
    """The HTTP status of an error, which older versions only have in the body."""
    return error.status_code if hasattr(error, "status_code") else error.data.errors[0].status


def check_code(error, status, code):
    """Check the typed error of the account plane: its first entry has the code and repeats the status."""
    equal(error.data.errors[0].code, code)
    equal(error.data.errors[0].status, status)


def run(operation, sdk):
    """Run every operation that the version has."""
    if sdk.has_account:
        found = run_account(operation, sdk)
    else:
        found = {name: sign_in_by_hand(getattr(scene, name)) for name in ("admin", "plain")}
    run_media_server(operation, sdk, found)
    if sdk.has_resources:
        run_resources(operation, sdk, found)
    if sdk.has_pins:
        run_pins(operation, sdk, found)


def run_account(operation, sdk):
    """Run the operations of accounts, and return the tokens of the admin and of the plain user."""
    found = {}

    @operation("sign in")
    def _():
        response = sdk.sign_in(scene.admin)
        equal(response.status_code, 201)
        admin = account_of(response.user_plex_account)
        check_account(admin, scene.admin)
        check_access_token(admin.token)

        plain = account_of(sdk.sign_in(scene.plain, login=scene.plain.email).user_plex_account)
        check_account(plain, scene.plain)
        assert plain.token != admin.token
        found.update(account=admin, admin=admin.token, plain=plain.token)

    @operation("wrong password")
    def _():
        error = refused(sdk.wrong_sign_in, sdk.sign_in, scene.plain, password="not this one")
        check_code(error, 401, 1001)

    @operation("second factor needed")
    def _():
        check_code(refused(sdk.wrong_sign_in, sdk.sign_in, scene.second), 401, 1029)

    @operation("second factor given")
    def _():
        user = sdk.sign_in(scene.second, code=scene.second.code).user_plex_account
        check_account(account_of(user), scene.second)
        check_access_token(user.auth_token)
        equal(user.two_factor_enabled, True)

    @operation("token details")
    def _():
        response = sdk.token_details(found["admin"])
        equal(response.status_code, 200)
        equal(account_of(response.user_plex_account), found["account"])

    @operation("no client identifier")
    def _():
        # A token is enough to identify the account. A sign-in without one must identify the device.
        response = sdk.token_details(found["admin"], identified=False)
        equal(account_of(response.user_plex_account), found["account"])
        error = refused(sdk.anonymous_sign_in, sdk.sign_in, scene.plain, identified=False)
        check_code(error, 400, 1000)

    return found


def run_media_server(operation, sdk, found):
    """Run the operations of a media server."""

    @operation("bad token")
    def _():
        if sdk.has_account:
            check_code(refused(sdk.bad_token, sdk.token_details, "nosuchtoken"), 401, 1001)
        if sdk.has_resources:
            check_code(refused(sdk.bad_resources_token, sdk.resources, "nosuchtoken"), 401, 1001)
        equal(status_of(refused(sdk.bad_media_token, sdk.transient_token, "nosuchtoken")), 401)

    @operation("transient token")
    def _():
        found["transient"] = sdk.transient_token(found["admin"])
        check_transient_token(found["transient"])

    @operation("use of a transient token")
    def _():
        if sdk.has_account:
            account = account_of(sdk.token_details(found["transient"]).user_plex_account)
            check_account(account, scene.admin)
            equal(account.token, found["transient"])
        equal(sdk.machine_id(scene.url, found["transient"]), scene.machineId)

    @operation("source as admin")
    def _():
        check_source(sdk.source(found["admin"], f"server://{scene.server.id}"), scene.server)
        check_source(sdk.source(found["admin"], f"provider://{scene.provider.id}"), scene.provider)

    @operation("source with the admin's transient token")
    def _():
        source = sdk.source(found["transient"], f"server://{scene.server.id}")
        check_source(source, scene.server)
        assert source.token != found["admin"]

    @operation("source as a plain user")
    def _():
        error = refused(sdk.SDKError, sdk.source, found["plain"], f"server://{scene.server.id}")
        equal(error.status_code, 403)

    @operation("malformed source")
    def _():
        for source in ("no source at all", "server://"):
            equal(status_of(refused(sdk.malformed_source, sdk.source, found["admin"], source)), 400)

    @operation("unknown source")
    def _():
        error = refused(sdk.SDKError, sdk.source, found["admin"], "server://nobody")
        equal(error.status_code, 404)


def run_resources(operation, sdk, found):
    """Run the operations that start with the list of servers."""

    @operation("resources")
    def _():
        response = sdk.resources(found["admin"])
        equal(response.status_code, 200)
        found["itself"] = check_admin_resources(resources_of(response))
        shared = resources_of(sdk.resources(found["plain"]))
        check_shared_resources(shared, found["plain"], found["admin"])

    @operation("connect")
    def _():
        uris = [connection.uri for connection in found["itself"].connections]
        equal(sdk.machine_id(uris[uris.index(scene.url)], found["itself"].token), scene.machineId)


def pin_of(response):
    """The PIN in a response. The oldest versions decode a new PIN, but not the answer to a poll."""
    pin = getattr(response, "auth_pin_container", None) or getattr(response, "object", None)
    return pin or SimpleNamespace(auth_token=response.raw_response.json()["authToken"])


def time_of(value):
    """A time, which the newest versions return as text."""
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value


def run_pins(operation, sdk, found):
    """Run the operations of PIN sign-in."""

    def sign_in_by_pin(strong, shape, seconds):
        response = sdk.start_pin(strong)
        assert response.status_code in (200, 201), f"the status is {response.status_code}"
        pin = pin_of(response)
        assert re.fullmatch(shape, pin.code), f"the code is {pin.code}"
        equal(pin.expires_in, seconds)
        equal(time_of(pin.expires_at) - time_of(pin.created_at), timedelta(seconds=seconds))
        equal(pin.client_identifier, client_identifier)
        assert not pin.auth_token
        assert not pin_of(sdk.poll_pin(int(pin.id))).auth_token

        link_by_hand(pin.code, found["plain"])
        token = pin_of(sdk.poll_pin(int(pin.id))).auth_token
        check_access_token(token)
        assert token != found["plain"]
        if sdk.has_account:
            check_account(account_of(sdk.token_details(token).user_plex_account), scene.plain)

    @operation("PIN of four characters")
    def _():
        sign_in_by_pin(False, "[A-Z0-9]{4}", 900)

    if sdk.has_strong_pins:

        @operation("strong PIN")
        def _():
            sign_in_by_pin(True, "[0-9a-z]{25}", 1800)

    @operation("unknown PIN")
    def _():
        error = refused(sdk.unknown_pin, sdk.poll_pin, 1)
        if sdk.unknown_pin is sdk.SDKError:
            equal(error.status_code, 404)
        else:
            equal(error.data.errors[0].code, 1020)
