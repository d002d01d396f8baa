# Signs in with python-plexapi like in its documentation, and connects to a server.
import os
import sys

from plexapi.myplex import MyPlexAccount

account = MyPlexAccount(os.environ["USHER_ACCOUNT_MEMBER_USERNAME"], os.environ["USHER_ACCOUNT_MEMBER_PASSWORD"])
server = account.resource("usher").connect()
assert server.machineIdentifier == os.environ["USHER_SERVER_USHER_ID"], server.machineIdentifier
print("pong", account.username)
