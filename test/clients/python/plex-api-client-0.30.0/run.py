"""plex-api-client 0.30.0: the last generation before 2025-10; the client identifier is a header where an operation asks for one."""

from plex_api_client import PlexAPI
from plex_api_client.models import errors, operations

from check import client_identifier, reporter, scene
from sdk_operations import run, source_of

ACCOUNT_URL = f"{scene.url}/api/v2"


def api(token="", **options):
    """The SDK, with a token."""
    return PlexAPI(access_token=token, **{"server_url": scene.url, **options})


class SDK:
    """How this version is called."""

    wrong_sign_in = errors.PostUsersSignInDataUnauthorized
    anonymous_sign_in = errors.PostUsersSignInDataBadRequest
    bad_token = errors.GetTokenDetailsUnauthorized
    bad_resources_token = errors.GetServerResourcesUnauthorized
    bad_media_token = errors.GetTransientTokenUnauthorized
    malformed_source = errors.GetSourceConnectionInformationBadRequest
    unknown_pin = errors.GetTokenByPinIDResponseBody
    SDKError = errors.SDKError

    @staticmethod
    def sign_in(person, login=None, password=None, code=None, identified=True):
        credentials = operations.PostUsersSignInDataRequestBody(
            login=login or person.username,
            password=password or person.password,
            remember_me=True,
            verification_code=code,
        )
        request = operations.PostUsersSignInDataRequest(
            client_id=client_identifier if identified else "", request_body=credentials
        )
        return api().authentication.post_users_sign_in_data(request=request, server_url=ACCOUNT_URL)

    @staticmethod
    def token_details(token, identified=True):
        # The operation has no argument for the identifier; extra headers are how a program sends one.
        headers = {"X-Plex-Client-Identifier": client_identifier} if identified else None
        return api(token).authentication.get_token_details(server_url=ACCOUNT_URL, http_headers=headers)

    @staticmethod
    def transient_token(token):
        response = api(token).authentication.get_transient_token(
            type_=operations.GetTransientTokenQueryParamType.DELEGATION, scope=operations.Scope.ALL
        )
        return response.raw_response.json()["MediaContainer"]["token"]

    @staticmethod
    def source(token, source):
        response = api(token).authentication.get_source_connection_information(source=source)
        return source_of(response.raw_response.json()["MediaContainer"]["Device"])

    @staticmethod
    def resources(token):
        return api(token).plex.get_server_resources(
            client_id=client_identifier,
            include_https=operations.IncludeHTTPS.ENABLE,
            include_relay=operations.IncludeRelay.ENABLE,
            include_i_pv6=operations.IncludeIPv6.ENABLE,
            server_url=ACCOUNT_URL,
        )

    @staticmethod
    def start_pin(strong):
        return api().plex.get_pin(
            request={"strong": strong, "client_id": client_identifier}, server_url=ACCOUNT_URL
        )

    @staticmethod
    def poll_pin(id):
        return api().plex.get_token_by_pin_id(
            request={"pin_id": id, "client_id": client_identifier}, server_url=ACCOUNT_URL
        )

    @staticmethod
    def machine_id(url, token):
        return api(token, server_url=url).server.get_server_capabilities().object.media_container.machine_identifier


run(reporter("plex-api-client"), SDK)
