"""Makes tokens with PyJWT and, what it refuses to make, with the primitives of `cryptography`.

    python make_pyjwt.py VARIANTS.tsv PRIVATE.pem PUBLIC.pem OUT-FOLDER
"""

import jwt

from by_hand import make_all


def by_library(header, claims, signature, private_pem, public_pem):
    algorithm, key = {"es256": ("ES256", private_pem), "hs256": ("HS256", public_pem), "none": ("none", None)}[signature]
    return jwt.encode(claims, key, algorithm=algorithm, headers=header)


make_all(by_library)
