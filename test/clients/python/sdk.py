"""plex-api-client in any version.

The versions have the same operations with different arguments: flat, in one object, or with the form in
an object inside that one, and with different names. So a call states the meanings, each method gets those that it has a
parameter for, and an operation that the version has no method for is not run.
"""

import importlib
import importlib.util
import inspect
import typing

from check import Connection, Source, client_identifier, reporter, scene
from sdk_operations import run

# Up to 0.9.0 the module had another name.
PACKAGE = next(name for name in ("plex_api_client", "plex_api") if importlib.util.find_spec(name))
PlexAPI = importlib.import_module(PACKAGE).PlexAPI
errors = importlib.import_module(f"{PACKAGE}.models.errors")

ACCOUNT_URL = f"{scene.url}/api/v2"

# The parts of the SDK that an operation may be in.
GROUPS = ("authentication", "security", "plex", "server", "general")

# The meaning of a parameter whose name differs between versions.
MEANINGS = {
    "access_token": "token",
    "client_id": "identifier",
    "client_identifier": "identifier",
    "x_plex_client_identifier": "identifier",
    "client_name": "product",
    "x_plex_product": "product",
    "type_": "type",
    "media_type": "type",
}

# The parameters and fields that are objects of their own.
OBJECTS = ("request", "request_body", "security")


def arguments(fields, meant):
    """Return the meanings that the fields have. A field has a name, a type, and whether it is required.

    An absent identifier is the empty string if the SDK requires one.
    """
    chosen = {}
    for name, kind, required in fields:
        meaning = MEANINGS.get(name, name)
        if name in OBJECTS:
            chosen[name] = arguments(model_fields(kind), meant)
        elif meaning in meant and (meant[meaning] != "" or required):
            chosen[name] = str(meant[meaning]) if kind is str else meant[meaning]
    return chosen


def signature_fields(function):
    """The parameters of a function."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return [(p.name, p.annotation, p.default is inspect.Parameter.empty) for p in parameters]


def model_fields(kind):
    """The fields of the model in an annotation, which may be in a union with a TypedDict and None."""
    if hasattr(kind, "model_fields"):
        return [(name, field.annotation, field.is_required()) for name, field in kind.model_fields.items()]
    return next(filter(None, map(model_fields, typing.get_args(kind))), [])


def api(**meant):
    """The SDK."""
    meant = {"token": "", "server_url": scene.url, "identifier": client_identifier, "product": "usher clients", **meant}
    return PlexAPI(**arguments(signature_fields(PlexAPI), meant))


def method(sdk, *names):
    """The first of the operations that this version has, or None."""
    groups = [getattr(sdk, group) for group in GROUPS if hasattr(sdk, group)]
    found = (getattr(group, name) for name in names for group in groups if hasattr(group, name))
    return next(found, None)


def means(fields, meaning):
    """Whether one of the fields, or a field of an object in them, has this meaning."""
    return any(
        means(model_fields(kind), meaning) if name in OBJECTS else MEANINGS.get(name, name) == meaning
        for name, kind, _ in fields
    )


def caller(*names):
    """A function that calls the operation with these names, or None if this version has none.

    Its arguments are those of the SDK and those of the operation. If an operation has no parameter for
    the identifier, it is sent as a header of the HTTP client.
    """
    operation = method(api(), *names)
    if operation is None:
        return None
    fields = signature_fields(operation)
    has_identifier = means(fields, "identifier")

    def call(options, identified=True, **meant):
        identifier = client_identifier if identified else ""
        options = {"identifier": identifier, **options}
        if identified and not has_identifier and importlib.util.find_spec("httpx"):
            headers = {"X-Plex-Client-Identifier": identifier}
            options["client"] = importlib.import_module("httpx").Client(headers=headers)
        meant = {"identifier": identifier, "product": "usher clients", **meant}
        sdk = api(**options)  # some versions close their HTTP client when this is deleted
        return method(sdk, *names)(**arguments(fields, meant))

    return call


def error(*names):
    """The first of the error classes that this version has, or the general one."""
    return next((getattr(errors, name) for name in names if hasattr(errors, name)), errors.SDKError)


class SDK:
    """The calls of this version. A missing operation is None."""

    wrong_sign_in = error("PostUsersSignInDataUnauthorized", "Unauthorized")
    anonymous_sign_in = error("PostUsersSignInDataBadRequest", "BadRequest")
    bad_token = error("GetTokenDetailsUnauthorized", "Unauthorized")
    bad_resources_token = error("GetServerResourcesUnauthorized", "Unauthorized")
    bad_media_token = error("GetTransientTokenUnauthorized")
    malformed_source = error("GetSourceConnectionInformationBadRequest")
    unknown_pin = error("GetTokenByPinIDResponseBody")
    SDKError = errors.SDKError

    _sign_in = caller("post_users_sign_in_data")
    _token_details = caller("get_token_details")
    _transient_token = caller("get_transient_token", "create_transient_token")
    _source = caller("get_source_connection_information")
    _resources = caller("get_server_resources")
    _server = caller("get_server_capabilities", "get_server_info")
    _start_pin = caller("get_pin", "create_o_auth_pin")
    _poll_pin = caller("get_token_by_pin_id", "get_token", "get_o_auth_pin")

    has_account = _sign_in is not None and _token_details is not None
    has_resources = _resources is not None
    has_pins = _start_pin is not None and _poll_pin is not None
    has_strong_pins = has_pins and method(api(), "get_pin") is not None

    @classmethod
    def sign_in(cls, person, login=None, password=None, code=None, identified=True):
        credentials = {
            "login": login or person.username,
            "password": password or person.password,
            "remember_me": True,
        }
        if code:
            credentials["verification_code"] = code
        return cls._sign_in({}, identified, server_url=ACCOUNT_URL, **credentials)

    @classmethod
    def token_details(cls, token, identified=True):
        return cls._token_details({"token": token}, identified, server_url=ACCOUNT_URL)

    @classmethod
    def transient_token(cls, token):
        response = cls._transient_token({"token": token}, type="delegation", scope="all")
        if hasattr(response, "object"):
            return response.object.media_container.token
        return response.raw_response.json()["MediaContainer"]["token"]

    @classmethod
    def source(cls, token, source):
        response = cls._source({"token": token}, source=source)
        if hasattr(response, "object"):
            device = response.object.media_container.device
            connections = [Connection(c.uri, c.protocol, c.address, c.port, c.local) for c in device.connection]
            return Source(device.client_identifier, device.name, device.access_token, connections)
        device = response.raw_response.json()["MediaContainer"]["Device"]
        connections = [
            Connection(c["uri"], c["protocol"], c["address"], c["port"], c["local"]) for c in device["Connection"]
        ]
        return Source(device["clientIdentifier"], device["name"], device["accessToken"], connections)

    @classmethod
    def resources(cls, token):
        flags = {"include_https": 1, "include_relay": 1, "include_i_pv6": 1}
        return cls._resources({"token": token}, server_url=ACCOUNT_URL, **flags)

    @classmethod
    def machine_id(cls, url, token):
        # get_server_info decodes its answer one level too high, so the raw body is read.
        response = cls._server({"token": token, "server_url": url})
        return response.raw_response.json()["MediaContainer"]["machineIdentifier"]

    @classmethod
    def start_pin(cls, strong):
        return cls._start_pin({}, server_url=ACCOUNT_URL, strong=strong)

    @classmethod
    def poll_pin(cls, id):
        return cls._poll_pin({}, server_url=ACCOUNT_URL, pin_id=id)


run(reporter("plex-api-client"), SDK)
