"""Where a webhook may go."""

import ipaddress

import pytest

from dispatcher.errors import UsageError
from dispatcher.webhooks import addresses
from dispatcher.webhooks.addresses import Target

ALLOWED = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.com", Target(True, "example.com", 443, "/")),
        ("https://example.com:8443/a/b?c=d&e=%20", Target(True, "example.com", 8443, "/a/b?c=d&e=%20")),
        ("https://EXAMPLE.com./x", Target(True, "example.com.", 443, "/x")),
        ("http://10.1.2.3:80/", Target(False, "10.1.2.3", 80, "/")),
        ("https://[2606:4700::1]:8/", Target(True, "2606:4700::1", 8, "/")),
        ("https://ñandú.com.ar/ñ", Target(True, "xn--and-6ma2c.com.ar", 443, "/%C3%B1")),
    ],
)
def test_an_address_is_taken_apart(url: str, target: Target) -> None:
    assert addresses.parse(url) == target


def test_the_host_header_names_an_unusual_port() -> None:
    assert addresses.parse("https://[2606:4700::1]:8/").host_header == "[2606:4700::1]:8"
    assert addresses.parse("https://example.com/").host_header == "example.com"


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "ftp://example.com", "https://", "https:///path", "javascript:alert(1)"),
        *("https://user@example.com", "https://u:p@example.com", "https://example.com/#part", "https://@example.com"),
        *("https://example.com:0", "https://example.com:70000", "https://example.com:x", "https://[::1"),
        *("https://exa mple.com", "https://example.com/\r\nX: y", "https://example.com/\x00", "https://a\tb.com"),
        *("https://" + "a" * 3_000 + ".com", "https://" + "ñ" * 70 + ".com"),
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        addresses.check(url, ALLOWED)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.0.1", "198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::1", "64:ff9b:1::1"),
        *("localhost", "no address", ""),
    ],
)
def test_what_is_not_public_is_not_called(address: str) -> None:
    assert not addresses.may_call(address, True, ())


@pytest.mark.parametrize("address", ["8.8.8.8", "200.45.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_is_public_is_called_over_https_alone(address: str) -> None:
    assert addresses.may_call(address, True, ())
    assert not addresses.may_call(address, False, ALLOWED)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "fd12::1%eth0"])
def test_a_network_of_the_settings_is_called_either_way(address: str) -> None:
    assert addresses.may_call(address, True, ALLOWED)
    assert addresses.may_call(address, False, ALLOWED)
    assert not addresses.may_call("10.2.0.1", True, ALLOWED)


def test_what_can_never_be_called_is_refused_when_it_is_given() -> None:
    for url in ("http://example.com/", "http://8.8.8.8/", "https://127.0.0.1/", "https://[::1]/", "https://10.2.0.1/"):
        with pytest.raises(UsageError):
            addresses.check(url, ())
    for url in ("http://10.1.2.3/", "https://10.1.2.3/", "http://inside.example/", "https://example.com/"):
        addresses.check(url, ALLOWED)
    with pytest.raises(UsageError):
        addresses.check("http://8.8.8.8/", ALLOWED)
