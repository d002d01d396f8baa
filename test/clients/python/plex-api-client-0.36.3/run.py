"""plex-api-client 0.36.3: the newest generation, which names the client once for all operations."""

from plex_api_client import PlexAPI
from plex_api_client.models import errors

from check import Connection, Source, client_identifier, reporter, scene
from sdk_operations import run

ACCOUNT_URL = f"{scene.url}/api/v2"


def api(token="", **options):
    """The SDK, with a token."""
    defaults = {"server_url": scene.url, "client_identifier": client_identifier, "product": "usher clients"}
    return PlexAPI(token=token, **{**defaults, **options})


class SDK:
    """How this version is called."""

    wrong_sign_in = errors.Unauthorized
    anonymous_sign_in = errors.BadRequest
    bad_token = errors.Unauthorized
    bad_resources_token = errors.Unauthorized
    # The operations of the media server have the general error only.
    bad_media_token = errors.SDKError
    malformed_source = errors.SDKError
    SDKError = errors.SDKError

    @staticmethod
    def sign_in(person, login=None, password=None, code=None, identified=True):
        credentials = {
            "login": login or person.username,
            "password": password or person.password,
            "remember_me": True,
        }
        if code:
            credentials["verification_code"] = code
        named = {} if identified else {"client_identifier": None}
        return api(**named).authentication.post_users_sign_in_data(
            request={"request_body": credentials}, server_url=ACCOUNT_URL
        )

    @staticmethod
    def token_details(token, identified=True):
        named = {} if identified else {"client_identifier": None}
        return api(token, **named).authentication.get_token_details(request={}, server_url=ACCOUNT_URL)

    @staticmethod
    def transient_token(token):
        response = api(token).general.create_transient_token(request={"media_type": "delegation", "scope": "all"})
        return response.object.media_container.token

    @staticmethod
    def source(token, source):
        response = api(token).general.get_source_connection_information(request={"source": source})
        device = response.object.media_container.device
        connections = [Connection(c.uri, c.protocol, c.address, c.port, c.local) for c in device.connection]
        return Source(device.client_identifier, device.name, device.access_token, connections)

    @staticmethod
    def resources(token):
        return api(token).plex.get_server_resources(
            request={"include_https": 1, "include_relay": 1, "include_i_pv6": 1}, server_url=ACCOUNT_URL
        )

    @staticmethod
    def machine_id(url, token):
        # What the operation gives is decoded one level too high in this version, so the body is read as it came.
        response = api(token, server_url=url).general.get_server_info(request={})
        return response.raw_response.json()["MediaContainer"]["machineIdentifier"]


run(reporter("plex-api-client"), SDK)
