"""TLS to the broker: its certificate and its name are verified, which no client does by itself.

kombu takes `rediss://` for "any certificate will do", and `amqps://` for "any name will do".
"""

from pathlib import Path
from typing import Any


def for_redis(url: str, ca_bundle: Path | None) -> dict[str, Any]:
    """Options of redis-py for this address; none without TLS. The bundle is trusted beside the system's CAs."""
    if not url.startswith("rediss://"):
        return {}
    return {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        **_trusted(ca_bundle, "ssl_ca_certs", "ssl_ca_path"),
    }


def for_celery(url: str, ca_bundle: Path | None) -> dict[str, Any]:
    """Celery's settings for this address; none without TLS."""
    if url.startswith("amqps://"):
        context = {"check_hostname": True, **_trusted(ca_bundle, "cafile", "capath")}
        return {"broker_use_ssl": {"context": context, "server_hostname": None}}  # None: kombu fills the URL's host in
    options = for_redis(url, ca_bundle)
    return {"broker_use_ssl": options} if options else {}


def _trusted(ca_bundle: Path | None, of_file: str, of_folder: str) -> dict[str, str]:
    if ca_bundle is None:
        return {}
    return {of_folder if ca_bundle.is_dir() else of_file: str(ca_bundle)}
