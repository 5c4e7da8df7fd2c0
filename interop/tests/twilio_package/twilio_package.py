"""Signs and checks requests with the provider's own Python package, and sends them to a server.

Reads one JSON array of orders from standard input, and writes one JSON array of answers.
"""

import http.client
import json
import sys
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator


class Form(dict):
    """Names with several values, as web frameworks give them to the package."""

    def __init__(self, pairs):
        super().__init__()
        for name, value in pairs:
            self.setdefault(name, []).append(value)

    def getlist(self, name):
        return self[name]


def sign(order):
    return RequestValidator(order["token"]).compute_signature(order["url"], Form(order["form"]))


def validate(order):
    params = order["body"] if "body" in order else Form(order["form"])
    return RequestValidator(order["token"]).validate(order["url"], params, order["signature"])


def send(order):
    """A request whose signature the package makes for `url`; gives the status."""
    headers = {"X-Twilio-Signature": sign(order)}
    body = None
    if order["method"] == "POST":
        body = urlencode([tuple(pair) for pair in order.get("sent", order["form"])])
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
    else:
        headers.update(
            {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }
        )
    connection = http.client.HTTPConnection(order["address"], timeout=20)
    connection.request(order["method"], order["path"], body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


DO = {"sign": sign, "validate": validate, "send": send}
print(json.dumps([DO[order["do"]](order) for order in json.load(sys.stdin)]))
