"""Keys stay where they are: what crosses is a function that signs, or a URI."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union, runtime_checkable

from . import _native
from ._error import ask, wrong_argument
from ._json import text_of, to_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


@runtime_checkable
class Signer(Protocol):
    """Anything that signs the bytes it is handed, as a JWS has it: 64 bytes for ES256. The private key never enters the library.

    ``sign`` is called on a thread of its own and has ten seconds. A ``custodian`` of its own, a name, is told in errors. With
    :class:`AsyncIssuer` it may be ``async``: it then runs on the loop that the issuer was opened on.
    """

    @property
    def public_jwk(self) -> Mapping[str, Any]: ...

    def sign(self, data: bytes, /) -> bytes | Awaitable[bytes]: ...


@dataclass(frozen=True)
class KeyUri:
    """The key at a URI, whose passphrase is kept at ``file:PATH``, ``env:NAME`` or ``keyring:NAME``."""

    uri: str
    passphrase: str | None = None


#: What signs: a private key of ``cryptography``, a signer, or the URI of a key, such as ``file:key.pem``.
SigningKey: TypeAlias = Union["EllipticCurvePrivateKey", "Ed25519PrivateKey", Signer, KeyUri, str]

#: A public key: one of ``cryptography``, a JWK, or text in PEM.
VerificationKey: TypeAlias = Union["EllipticCurvePublicKey", "Ed25519PublicKey", Mapping[str, Any], str]


def _asked(
    sign: Callable[[bytes], Any], loop: asyncio.AbstractEventLoop | None
) -> Callable[[bytes], bytes | str]:
    """The function that the native half calls: it gives bytes, or words; it never raises."""

    def asked(data: bytes) -> bytes | str:
        try:
            signed = sign(data)
            if inspect.isawaitable(signed):
                if loop is None:
                    if inspect.iscoroutine(signed):
                        signed.close()
                    return "it is async, which `AsyncIssuer` waits for and nobody else"
                signed = asyncio.run_coroutine_threadsafe(_awaited(signed), loop).result()
            return bytes(signed) if isinstance(signed, (bytes, bytearray, memoryview)) else "it gave no bytes"
        except BaseException as error:  # noqa: BLE001
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return words.encode(errors="replace").decode()[:300]

    return asked


async def _awaited(signed: Awaitable[Any]) -> Any:
    return await signed


def _is_private(key: object) -> bool:
    return hasattr(key, "private_bytes") and hasattr(key, "sign")


def _of_cryptography(key: Any, path: str) -> tuple[str, Callable[[bytes], bytes]]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    public = public_key_text(key.public_key(), path)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return public, key.sign
    sizes: dict[str, tuple[int, hashes.HashAlgorithm]] = {
        "secp256r1": (32, hashes.SHA256()),
        "secp384r1": (48, hashes.SHA384()),
    }
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in sizes:
        raise wrong_argument(path, "keys of this kind sign no passes: P-256, P-384 and Ed25519 do")
    size, digest = sizes[key.curve.name]

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return public, sign


def public_key_text(key: object, path: str) -> str:
    """The text of a public key: a JWK or PEM."""
    if isinstance(key, str):
        return text_of(key, path)
    if isinstance(key, Mapping):
        return to_json(dict(key), path)
    # Whoever has a key of it has imported it.
    if "cryptography" in sys.modules and hasattr(key, "public_bytes") and not _is_private(key):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()
    raise wrong_argument(path, "it is no public key: one of `cryptography`, a JWK or PEM")


def public_key_json(key: object, path: str) -> object:
    """The same as it stands in options."""
    text = public_key_text(key, path)
    return json.loads(text) if text.lstrip().startswith("{") else text


def native_key(
    key: SigningKey, path: str, loop: asyncio.AbstractEventLoop | None = None
) -> _native.NativeKey:
    """The native key of whatever signs."""
    if isinstance(key, str):
        return ask(_native.NativeKey.open, text_of(key, path))
    if isinstance(key, KeyUri):
        passphrase = None if key.passphrase is None else text_of(key.passphrase, f"{path}.passphrase")
        return ask(_native.NativeKey.open, text_of(key.uri, f"{path}.uri"), passphrase)
    if _is_private(key):
        public, sign = _of_cryptography(key, path)
        return ask(_native.NativeKey.foreign, public, "cryptography", _asked(sign, None))
    public_jwk, sign_of = getattr(key, "public_jwk", None), getattr(key, "sign", None)
    if public_jwk is None or not callable(sign_of):
        raise wrong_argument(path, "it is no key: a private key of `cryptography`, a Signer, a KeyUri or a URI")
    custodian = text_of(getattr(key, "custodian", "callback"), f"{path}.custodian")
    public = public_key_text(public_jwk, f"{path}.public_jwk")
    return ask(_native.NativeKey.foreign, public, custodian, _asked(sign_of, loop))
