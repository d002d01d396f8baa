"""Fixtures for tests that run in `usher exec -- pytest`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import Account, Clock, Usher, UsherError


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "usher_account(username): the account that the fixture usher_account returns (default: member)")


@pytest.fixture(scope="session")
def _usher_of_run() -> Usher:
    try:
        usher = Usher()
        usher.check_version()
    except UsherError as error:
        pytest.fail(f"{error}", pytrace=False)
    return usher


@pytest.fixture
def usher(_usher_of_run: Usher) -> Iterator[Usher]:
    """The server, reset to its scene before and after the test."""
    _usher_of_run.reset()
    yield _usher_of_run
    _usher_of_run.reset()


@pytest.fixture
def usher_account(usher: Usher, request: pytest.FixtureRequest) -> Account:
    """The account member, or the one that @pytest.mark.usher_account selects."""
    marker = request.node.get_closest_marker("usher_account")
    return usher.account(marker.args[0] if marker else "member")


@pytest.fixture
def usher_clock(usher: Usher) -> Clock:
    """The clock of the server. It is frozen, so only the test moves it."""
    usher.clock.freeze()
    return usher.clock
