"""ActionPass: one decision for every tool call of an AI agent, bound to the exact payload."""

from ._client import AsyncClient, Client
from ._error import ActionPassError
from ._issuer import (
    Approver,
    AsyncIssuer,
    Authorization,
    Caller,
    Decision,
    IssuedPass,
    Issuer,
    Reason,
    Store,
    approve,
)
from ._json import Json, JsonInput, canonicalize, hash
from ._keys import KeyUri, Signer, SigningKey, VerificationKey
from ._quickstart import (
    ActionPassDemoWarning,
    AssertedArtifact,
    TrustedApprover,
    authorize,
    create_approval_artifact,
    demo_action,
    verify_action_pass,
)
from ._verifier import (
    ActionInput,
    AsyncExecutor,
    Call,
    Executor,
    ReplayStore,
    Trust,
    TrustedKey,
    VerifiedPass,
    Verifier,
    WholeAction,
)
from .codes import KnownCode

__all__ = [
    "ActionInput",
    "ActionPassDemoWarning",
    "ActionPassError",
    "Approver",
    "AssertedArtifact",
    "AsyncClient",
    "AsyncExecutor",
    "AsyncIssuer",
    "Authorization",
    "Call",
    "Caller",
    "Client",
    "Decision",
    "Executor",
    "IssuedPass",
    "Issuer",
    "Json",
    "JsonInput",
    "KeyUri",
    "KnownCode",
    "Reason",
    "ReplayStore",
    "Signer",
    "SigningKey",
    "Store",
    "Trust",
    "TrustedApprover",
    "TrustedKey",
    "VerificationKey",
    "VerifiedPass",
    "Verifier",
    "WholeAction",
    "approve",
    "authorize",
    "canonicalize",
    "create_approval_artifact",
    "demo_action",
    "hash",
    "verify_action_pass",
]
