"""The operations of plex-api-client, whose versions name the same things and take their arguments in different ways.

Each folder passes an `sdk` that says how its version is called:

    sign_in(person, login, password, code, identified=True)
                                             post_users_sign_in_data, gives the response; all but person may be left out
    token_details(token, identified=True)    get_token_details, gives the response
    transient_token(token)                   gives the token
    source(token, source)                    gives a check.Source
    resources(token)                         get_server_resources, gives the response
    machine_id(url, token)                   asks a media server who it is, with a token
    start_pin(strong), poll_pin(id)          get_pin and get_token_by_pin_id, give the response; left out of versions
                                             that have none

and which error class stands for which refusal:

    wrong_sign_in, anonymous_sign_in, bad_token, bad_resources_token    with errors[0].code
    bad_media_token, malformed_source                                    typed or general, as the version has it
    unknown_pin                                                          with errors[0].code
    SDKError                                                             general, with status_code
"""

import re
from datetime import timedelta

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
    client_identifier,
    equal,
    link_by_hand,
    refused,
    scene,
)


def account_of(user):
    """The account that a response holds."""
    return Account(user.id, user.uuid, user.username, user.email, user.title, user.auth_token)


def resources_of(response):
    """The resources that a response holds."""
    return [
        Resource(
            id=device.client_identifier,
            name=device.name,
            token=device.access_token,
            connections=[
                Connection(c.uri, c.protocol.value, c.address, c.port, c.local) for c in device.connections
            ],
            owned=device.owned,
            provides=device.provides,
        )
        for device in response.plex_devices
    ]


def source_of(device):
    """The source that the JSON object of a device describes."""
    return Source(
        id=device["clientIdentifier"],
        name=device["name"],
        token=device["accessToken"],
        connections=[
            Connection(c["uri"], c["protocol"], c["address"], c["port"], c["local"]) for c in device["Connection"]
        ],
    )


def status_of(error):
    """The HTTP status of an error, which the oldest version keeps in the body only."""
    return error.status_code if hasattr(error, "status_code") else error.data.errors[0].status


def check_code(error, status, code):
    """Check the typed error of the account plane: its first entry holds the code and repeats the status."""
    equal(error.data.errors[0].code, code)
    equal(error.data.errors[0].status, status)


def run(operation, sdk):
    """Run every operation."""
    found = {}

    @operation("sign in")
    def _():
        response = sdk.sign_in(scene.admin)
        equal(response.status_code, 201)
        found["admin"] = account_of(response.user_plex_account)
        check_account(found["admin"], scene.admin)
        check_access_token(found["admin"].token)

        found["plain"] = account_of(sdk.sign_in(scene.plain, login=scene.plain.email).user_plex_account)
        check_account(found["plain"], scene.plain)
        assert found["plain"].token != found["admin"].token

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
        response = sdk.token_details(found["admin"].token)
        equal(response.status_code, 200)
        equal(account_of(response.user_plex_account), found["admin"])

    @operation("no client identifier")
    def _():
        # A token is enough to say whose it is; without one, a sign-in must say which device it is for.
        response = sdk.token_details(found["admin"].token, identified=False)
        equal(account_of(response.user_plex_account), found["admin"])
        error = refused(sdk.anonymous_sign_in, sdk.sign_in, scene.plain, identified=False)
        check_code(error, 400, 1000)

    @operation("bad token")
    def _():
        check_code(refused(sdk.bad_token, sdk.token_details, "nosuchtoken"), 401, 1001)
        check_code(refused(sdk.bad_resources_token, sdk.resources, "nosuchtoken"), 401, 1001)
        equal(status_of(refused(sdk.bad_media_token, sdk.transient_token, "nosuchtoken")), 401)

    @operation("transient token")
    def _():
        found["transient"] = sdk.transient_token(found["admin"].token)
        check_transient_token(found["transient"])

    @operation("use of a transient token")
    def _():
        account = account_of(sdk.token_details(found["transient"]).user_plex_account)
        check_account(account, scene.admin)
        equal(account.token, found["transient"])
        equal(sdk.machine_id(scene.url, found["transient"]), scene.machineId)

    @operation("source as admin")
    def _():
        check_source(sdk.source(found["admin"].token, f"server://{scene.server.id}"), scene.server)
        check_source(sdk.source(found["admin"].token, f"provider://{scene.provider.id}"), scene.provider)

    @operation("source with the admin's transient token")
    def _():
        source = sdk.source(found["transient"], f"server://{scene.server.id}")
        check_source(source, scene.server)
        assert source.token != found["admin"].token

    @operation("source as a plain user")
    def _():
        error = refused(sdk.SDKError, sdk.source, found["plain"].token, f"server://{scene.server.id}")
        equal(error.status_code, 403)

    @operation("malformed source")
    def _():
        for source in ("no source at all", "server://"):
            equal(status_of(refused(sdk.malformed_source, sdk.source, found["admin"].token, source)), 400)

    @operation("unknown source")
    def _():
        error = refused(sdk.SDKError, sdk.source, found["admin"].token, "server://nobody")
        equal(error.status_code, 404)

    @operation("resources")
    def _():
        response = sdk.resources(found["admin"].token)
        equal(response.status_code, 200)
        found["itself"] = check_admin_resources(resources_of(response))
        shared = resources_of(sdk.resources(found["plain"].token))
        check_shared_resources(shared, found["plain"].token, found["admin"].token)

    @operation("connect")
    def _():
        uris = [connection.uri for connection in found["itself"].connections]
        equal(sdk.machine_id(uris[uris.index(scene.url)], found["itself"].token), scene.machineId)

    if hasattr(sdk, "start_pin"):
        run_pins(operation, sdk, found)


def run_pins(operation, sdk, found):
    """Run the operations of PIN sign-in."""

    def sign_in_by_pin(strong, shape, seconds):
        response = sdk.start_pin(strong)
        equal(response.status_code, 201)
        pin = response.auth_pin_container
        assert re.fullmatch(shape, pin.code), f"the code is {pin.code}"
        equal(pin.expires_in, seconds)
        equal(pin.expires_at - pin.created_at, timedelta(seconds=seconds))
        equal(pin.client_identifier, client_identifier)
        equal(pin.location.postal_code, "")
        assert not pin.auth_token
        assert not sdk.poll_pin(pin.id).auth_pin_container.auth_token

        link_by_hand(pin.code, found["plain"].token)
        token = sdk.poll_pin(pin.id).auth_pin_container.auth_token
        check_access_token(token)
        assert token != found["plain"].token
        check_account(account_of(sdk.token_details(token).user_plex_account), scene.plain)

    @operation("PIN of four characters")
    def _():
        sign_in_by_pin(False, "[A-Z0-9]{4}", 900)

    @operation("strong PIN")
    def _():
        sign_in_by_pin(True, "[0-9a-z]{25}", 1800)

    @operation("unknown PIN")
    def _():
        error = refused(sdk.unknown_pin, sdk.poll_pin, 1)
        equal(error.data.errors[0].code, 1020)
