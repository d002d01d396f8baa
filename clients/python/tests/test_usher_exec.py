# Runs in `usher exec -- pytest`, with the standard library alone.
import datetime
import json
import os
import urllib.error
import urllib.request

import pytest

import usher_exec

HEADERS = {"X-Plex-Client-Identifier": "clients-python", "Accept": "application/json"}


def ask(path, method="GET", token=None, host="https://plex.tv"):
    headers = HEADERS | ({"X-Plex-Token": token} if token else {})
    request = urllib.request.Request(host + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read()
            return response.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_account(usher_account):
    assert usher_account.username == "member"
    assert "password" not in repr(usher_account)
    assert ask("/api/v2/user", token=usher_account.token)[1]["username"] == "member"


@pytest.mark.usher_account("admin")
def test_other_account(usher_account):
    assert usher_account.admin and usher_account.token == os.environ["USHER_ACCOUNT_ADMIN_TOKEN"]


def test_pins(usher):
    _, pin = ask("/api/v2/pins", "POST")
    assert usher.approve_pin(pin["code"]) == ""
    _, linked = ask(f"/api/v2/pins/{pin['id']}")
    assert ask("/api/v2/user", token=linked["authToken"])[1]["username"] == "member"
    _, pin = ask("/api/v2/pins", "POST")
    usher.refuse_pin(pin["code"])
    assert ask(f"/api/v2/pins/{pin['id']}")[0] == 404


def test_clock(usher_clock):
    assert usher_clock.now() == usher_clock.now()
    start = usher_clock.set(datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc))
    assert start == datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    _, pin = ask("/api/v2/pins", "POST")
    assert usher_clock.advance(datetime.timedelta(minutes=16)) - start == datetime.timedelta(minutes=16)
    assert ask(f"/api/v2/pins/{pin['id']}")[0] == 404
    usher_clock.advance(1.5)
    usher_clock.unfreeze()
    assert usher_clock.now() >= start


def test_tokens(usher):
    mia = usher.add_account("mia", "mia has a password", email="mia@example.org", totp="KVJUQRKSKVJUQRKSKVJUQRKSKVJUQRKS")
    assert len(mia.backup_codes[0]) >= 8 and len(usher.verification_code("mia")) == 6
    token = usher.issue_token("mia")
    assert ask("/api/v2/user", token=token)[0] == 200
    usher.revoke_token(token)
    assert ask("/api/v2/user", token=token)[0] == 401
    token = usher.issue_token("mia")
    usher.revoke_tokens("mia")
    assert ask("/api/v2/user", token=token)[0] == 401


def test_home(usher):
    usher.add_account("mia", "mia has a password", pin="1234")
    zoe = usher.add_account("zoe", "zoe has a password", home="mia", homeAdmin=True)
    kid = usher.add_account("Kid", managed=True, home="mia", pin="5678", restriction="little_kid")
    assert (zoe.home, zoe.home_admin, kid.home, kid.pin, kid.restriction) == ("mia", True, "mia", "5678", "little_kid")
    assert usher.account("mia").pin == "1234"
    status, home = ask("/api/v2/home/users", token=usher.issue_token("mia"))
    assert status == 200 and [u["title"] for u in home["users"]] == ["mia", "zoe", "Kid"]
    usher.add_account("noa", "noa has a password")
    usher.add_to_home("mia", "noa", home_admin=True)
    assert (usher.account("noa").home, usher.account("noa").home_admin) == ("mia", True)
    usher.remove_from_home("mia", "noa")
    assert usher.account("noa").home == ""
    usher.remove_account("mia")
    assert "Kid" not in [a.username for a in usher.accounts()]


def reached(usher, username):
    resources = ask("/api/v2/resources", token=usher.issue_token(username))[1]
    return {r["clientIdentifier"] for r in resources}


def test_servers(usher):
    usher.add_account("mia", "mia has a password")
    songs = usher_exec.Section("Songs", "artist", 7)
    attic = usher.add_server("Attic", "attic", "mia", ["Films", songs], ["https://192.0.2.9:32400"], ["member"])
    assert attic.sections == (usher_exec.Section("Films", "movie", 1), songs) and attic.owner == "mia"
    assert attic.connections == (usher_exec.Connection("https://192.0.2.9:32400"),) and attic in usher.servers()
    assert "attic" in reached(usher, "mia") and "attic" in reached(usher, "member")
    usher.remove_server("attic")
    assert "attic" not in reached(usher, "mia") | {s.id for s in usher.servers()}


def test_shares(usher):
    usher.add_account("mia", "mia has a password")
    usher.add_server("Attic", "attic", "mia", ["Films", "Songs"])
    usher.share("attic", "member", ["Songs"])
    usher.share("attic", "admin")
    assert usher.shares() == [
        usher_exec.Share("attic", "admin"), usher_exec.Share("attic", "member", ("Songs",)), usher_exec.Share("den", "member"),
    ]
    assert "attic" in reached(usher, "member")
    usher.unshare("attic", "member")
    assert "attic" not in reached(usher, "member")
    usher.unfriend("mia", "admin")
    assert [s.server for s in usher.shares()] == ["den"]
    usher.befriend("mia", "admin")
    with pytest.raises(TypeError):
        usher.share("attic", "member", "Songs")
    with pytest.raises(usher_exec.UsherError, match="no server with the id"):
        usher.share("attik", "member")


def test_invitations(usher):
    usher.add_account("mia", "mia has a password")
    usher.add_server("Attic", "attic", "mia", ["Films", "Songs"])
    sent = usher.invite("mia", "member", "attic", ["Songs"])
    assert (sent.sender, sent.to, sent.server, sent.sections) == ("mia", "member", "attic", ("Songs",))
    assert usher.invitations() == [sent]
    usher.accept_invitation(sent.id)
    assert "attic" in reached(usher, "member") and usher.invitations() == []
    usher.end_invitation(usher.invite("mia", "zoe@example.org").id)
    ask("/api/v2/friends/invite?identifier=admin", "POST", token=usher.issue_token("mia"))
    (theirs,) = usher.invitations()
    assert (theirs.sender, theirs.to, theirs.server, theirs.sections) == ("mia", "admin", "", None)


def test_reset_between_tests(usher):
    assert [a.username for a in usher.accounts()] == ["admin", "member", "twofactor", "disabled", "managed"]


def test_faults(usher):
    usher.inject_fault("rate-limit", path="/api/v2/ping", times=1)
    assert ask("/api/v2/ping")[0] == 429
    assert ask("/api/v2/ping")[0] == 200
    usher.remove_fault(usher.inject_fault("empty"))
    usher.inject_fault("bad-gateway")
    assert ask("/api/v2/ping")[0] == 502
    usher.clear_faults()
    assert ask("/api/v2/ping")[0] == 200
    with pytest.raises(usher_exec.UsherError, match='did you mean "slow"'):
        usher.inject_fault("slwo")


def test_requests(usher):
    ask("/api/v2/ping?a=1")
    (request,) = usher.requests()
    assert (request.method, request.host, request.path, request.status) == ("GET", "plex.tv", "/api/v2/ping", 200)
    assert request.query == {"a": ["1"]} and request.header["X-Plex-Client-Identifier"] == ["clients-python"]
    usher.clear_requests()
    assert usher.requests() == []


def test_errors(usher, monkeypatch):
    with pytest.raises(usher_exec.UsherError, match="no account nobody"):
        usher.account("nobody")
    with pytest.raises(usher_exec.UsherError, match="USHER_CONTROL_TOKEN"):
        usher_exec.Usher(token="another").reset()
    monkeypatch.delenv("USHER_CONTROL")
    with pytest.raises(usher_exec.UsherError, match="usher exec -- COMMAND"):
        usher_exec.Usher()


def test_version(usher):
    usher.check_version()
    assert usher.version()
