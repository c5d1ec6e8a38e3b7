"""Mozilla's "intermediate" TLS: TLS 1.2 and newer, these ciphers, these curves, client's choice.

Source: Mozilla's Server Side TLS guidelines, version 5.7. TLS 1.3 ciphers are OpenSSL's own.
"""

CIPHERS = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "DHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES256-GCM-SHA384",
        "DHE-RSA-CHACHA20-POLY1305",
    )
)
CURVES_POSTFIX = ("X25519", "prime256v1", "secp384r1")
CURVES = ":".join(CURVES_POSTFIX)
