from cryptography.hazmat.primitives.asymmetric import ec

from actionpass import authorize, create_approval_artifact, demo_action, verify_action_pass

key = ec.generate_private_key(ec.SECP256R1())
artifact = create_approval_artifact(
    action=demo_action, mode="human", approved_by="user:reviewer@example.com", reason="Reviewed the exact PR payload"
)
result = authorize(
    action=demo_action, issuer="https://axtary.local", tenant="org:example", signing_key=key, approval_artifact=artifact
)
print(result.decision.decision, result.payload_hash)
verified = verify_action_pass(
    token=result.action_pass.token, action=demo_action, verification_key=key.public_key(), issuer="https://axtary.local"
)
print(verified.valid)
