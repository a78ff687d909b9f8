"""Signatures, as the package of Standard Webhooks verifies them."""

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from dispatcher.webhooks import signing

BODY = '{"type":"ping","data":{"ñ":1}}'.encode()


def now() -> int:
    import time

    return int(time.time())


def test_the_package_takes_ours_for_genuine() -> None:
    key = signing.new_secret()
    assert key.startswith("whsec_")
    Webhook(key).verify(BODY, signing.headers("evt_1", now(), BODY, [key]))


def test_a_known_signature() -> None:
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    made = signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, [key])
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("changed", ["id", "time", "body", "key"])
def test_whatever_is_changed_is_noticed(changed: str) -> None:
    key = signing.new_secret()
    made = signing.headers("evt_1", now(), BODY, [key])
    verifier = Webhook(signing.new_secret() if changed == "key" else key)
    if changed == "id":
        made["webhook-id"] = "evt_2"
    if changed == "time":
        made["webhook-timestamp"] = str(now() - 1000)
    with pytest.raises(WebhookVerificationError):
        verifier.verify(BODY + b" " * (changed == "body"), made)


def test_two_keys_sign_side_by_side() -> None:
    old, new = signing.new_secret(), signing.new_secret()
    made = signing.headers("evt_1", now(), BODY, [new, old])
    for key in (old, new):
        Webhook(key).verify(BODY, made)
