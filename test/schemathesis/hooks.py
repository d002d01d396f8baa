"""What the requests of Schemathesis must have to reach the operation that they are for."""

import zlib

import schemathesis


@schemathesis.hook
def filter_path_parameters(context, path_parameters):
    """A value that is empty, a dot, or has a slash makes another path."""
    return all(str(value) not in ("", ".", "..") and "/" not in str(value) for value in (path_parameters or {}).values())


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Half of the users of a home are numbers that the owner and those that were added have."""
    if path_parameters and "/home/users/" in context.operation.path:
        number = zlib.crc32(repr(path_parameters["id"]).encode()) % 16
        if number < 8:
            return {**path_parameters, "id": str(number + 1)}
    return path_parameters
