"""Makes the packages of Python programs that "usher exec" runs trust its certificates.
It also leads programs without a network of their own to usher, and keeps them from
other hosts. usher exec puts its settings in place of the
dictionary below, and this file first on PYTHONPATH."""

import sys

_settings = {}  # usher exec: settings


def _install(settings):
    import errno
    import ipaddress
    import socket

    host, port = settings["address"]
    domains, allowed = settings["domains"], settings["allow"]
    resolve = socket.getaddrinfo
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def text(name):
        if isinstance(name, (bytes, bytearray)):
            name = bytes(name).decode("ascii", "replace")
        return name.rstrip(".").lower() if isinstance(name, str) else name

    def ours(name):
        return any(name == d or name.endswith("." + d) for d in domains)

    def address(name):
        try:
            return ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return None

    def local(name):
        a = address(name)
        if a is not None:
            return a.is_loopback or a.is_unspecified
        return name in ("", "localhost", socket.gethostname().lower()) or name.endswith(".localhost")

    def may(name):
        return settings["allowAll"] or name in allowed

    def report(name, at):
        # usher reads the file at the end.
        with open(settings["refused"], "a", encoding="ascii", errors="backslashreplace") as f:
            f.write("%s %s\n" % ("".join(name.split()), at or 0))

    def refused(name):
        return "usher exec: %s is refused; --allow %s opens it" % (name, name)

    def getaddrinfo(name, at, *args, **kwargs):
        n = text(name)
        if n is None:
            return resolve(name, at, *args, **kwargs)
        number = int(at) if isinstance(at, (int, str, bytes)) and str(at).isdigit() else None
        if ours(n) or local(n) and number == settings["localPort"]:
            return resolve(host, port, 0, socket.SOCK_STREAM)
        if local(n) or may(n) or address(n) is not None:  # connect refuses addresses
            return resolve(name, at, *args, **kwargs)
        report(n, number)
        raise socket.gaierror(socket.EAI_NONAME, refused(n))

    def target(s, to):
        """Where a connection goes, or the name that is refused."""
        if s.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(to, tuple) or not to:
            return to, None
        n = text(to[0])
        if not isinstance(n, str):
            return to, None
        if ours(n):
            return (host, port), None
        if local(n) or may(n) or address(n) is not None and settings["allow"] and n in seen:
            return to, None
        return to, n

    # The addresses of allowed names, which a program connects to after it has
    # looked them up.
    seen = set()

    def remembering(name, at, *args, **kwargs):
        found = getaddrinfo(name, at, *args, **kwargs)
        if isinstance(text(name), str) and may(text(name)):
            seen.update(item[4][0] for item in found)
        return found

    def patched_connect(s, to):
        to, no = target(s, to)
        if no is not None:
            report(no, to[1] if len(to) > 1 else None)
            raise ConnectionRefusedError(errno.ECONNREFUSED, refused(no))
        return connect(s, to)

    def patched_connect_ex(s, to):
        to, no = target(s, to)
        if no is not None:
            report(no, to[1] if len(to) > 1 else None)
            return errno.ECONNREFUSED
        return connect_ex(s, to)

    socket.getaddrinfo = remembering
    socket.socket.connect, socket.socket.connect_ex = patched_connect, patched_connect_ex


_certifis = ("certifi", "pip._vendor.certifi")


def _trust(module):
    """Makes certifi name the file of certificates that has usher's."""
    bundle = _settings["bundle"]
    module.where = lambda: bundle
    module.contents = lambda: open(bundle, encoding="ascii").read()


class _Certifi:
    """Meets certifi when it is imported."""

    def find_spec(self, name, path=None, target=None):
        if name not in _certifis:
            return None
        import importlib.machinery

        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _trust(module)

        spec.loader.exec_module = exec_module
        return spec


def _next():
    """Runs the sitecustomize that this one hides."""
    import importlib.machinery
    import importlib.util
    import os

    here = os.path.dirname(os.path.abspath(__file__))
    rest = [p for p in sys.path if os.path.abspath(p or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


if _settings:
    if _settings["address"]:
        _install(_settings)
    sys.meta_path.insert(0, _Certifi())
    for _name in _certifis:
        if _name in sys.modules:
            _trust(sys.modules[_name])
_next()
