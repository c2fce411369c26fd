import threading

import jwt
import pytest
from actionpass import KeyUri, Signer, Trust, TrustedKey
from actionpass._keys import _of_cryptography
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from help import executor_of, issuer_of, key, refused
from test_issuer import CALL, token_of


class Custodian:
    """A signer whose answer a test sets."""

    def __init__(self, answer=None):
        self.inner = key()
        pem, self.sign_with = _of_cryptography(self.inner, "key")
        self.public_jwk = jwt.algorithms.ECAlgorithm.to_jwk(self.inner.public_key(), as_dict=True)
        self.answer = answer

    def sign(self, data):
        return self.answer(self, data) if self.answer else self.sign_with(data)


def raising(self, data):
    raise RuntimeError("the token is locked")


async def asynchronous(self, data):
    return self.sign_with(data)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (raising, "custodian_unavailable"),
        (lambda self, data: self.sign_with(data)[:63], "signature_self_check_failed"),
        (lambda self, data: Custodian().sign(data), "signature_self_check_failed"),
        (lambda self, data: self.sign_with(data + b"x"), "signature_self_check_failed"),
        (lambda self, data: "signature", "custodian_unavailable"),
        (lambda self, data: None, "custodian_unavailable"),
        (asynchronous, "custodian_unavailable"),
    ],
    ids=["raises", "63 bytes", "another key's", "of other bytes", "text", "nothing", "async"],
)
def test_signers_that_misbehave_make_no_pass(answer, code):
    issuer = issuer_of(signer=Custodian(answer))
    error = refused(lambda: token_of(issuer))
    assert error.code == code, error
    if answer is raising:
        assert "the token is locked" in str(error)


def test_a_signer_that_stalls_is_left_behind():
    go = threading.Event()

    def stall(self, data):
        assert go.wait(60)
        return self.sign_with(data)

    issuer = issuer_of(signer=Custodian(stall), signing_timeout=1)
    assert refused(lambda: token_of(issuer)).code == "custodian_unavailable"
    go.set()


def test_signers_of_every_kind_sign(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    signer = Custodian()
    assert isinstance(signer, Signer)
    for signs in [
        signer,
        key(),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        f"file:{path}",
        KeyUri(f"file:{path}"),
    ]:
        issuer = issuer_of(signer=signs)
        assert executor_of(issuer).consume(token_of(issuer), CALL).valid


def test_keys_that_sign_no_passes_are_refused():
    for wrong in [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256K1()),
        key().public_key(),
        object(),
    ]:
        assert refused(lambda: issuer_of(signer=wrong)).codes
    assert refused(lambda: issuer_of(signer="file:/nowhere")).codes
    assert refused(lambda: issuer_of(signer=KeyUri("file:/nowhere", "nonsense"))).codes


def test_public_keys_are_objects_jwk_or_pem():
    public = key().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True)
    kids = set()
    for given in (public, pem, jwk):
        trust = Trust([TrustedKey(given, issuer="https://issuer.example", tenants=["org:example"])])
        kids.add(trust.document()["keys"][0]["kid"])
    assert len(kids) == 1
    assert refused(lambda: Trust([TrustedKey("nonsense", issuer="https://issuer.example")])).path
