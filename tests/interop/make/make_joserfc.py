"""Makes tokens with joserfc and, what it refuses to make, with the primitives of `cryptography`.

    python make_joserfc.py VARIANTS.tsv PRIVATE.pem PUBLIC.pem OUT-FOLDER
"""

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from by_hand import make_all


def by_library(header, claims, signature, private_pem, public_pem):
    algorithm, key = {
        "es256": ("ES256", lambda: ECKey.import_key(private_pem)),
        "hs256": ("HS256", lambda: OctKey.import_key(public_pem)),
    }[signature]
    return jwt.encode(header, claims, key(), algorithms=[algorithm], default_type=None)


make_all(by_library)
