"""Requests to the control API of usher exec: a user allows a sign-in."""

import json
import os
import urllib.request


def approve(code, account):
    """Allow the sign-in with a PIN like a user does on the page."""
    request = urllib.request.Request(
        f"{os.environ['USHER_CONTROL']}/pins/{code}/approve",
        method="POST",
        headers={"Authorization": f"Bearer {os.environ['USHER_CONTROL_TOKEN']}"},
        data=json.dumps({"account": account}).encode(),
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
