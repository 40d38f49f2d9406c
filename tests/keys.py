"""An RSA key for tests, made once a process: one takes a fifth of a second or more."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def other() -> rsa.RSAPrivateKey:
    """Somebody else's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def pem(kind: PrivateFormat = PrivateFormat.TraditionalOpenSSL) -> str:
    return key().private_bytes(Encoding.PEM, kind, NoEncryption()).decode()
