"""Encryption at rest for token values: one key per data folder, readable by the server's user alone."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from stonechat.errors import Kind, StonechatError


class WrongKey(StonechatError):
    """The data folder's key file does not belong to its metadata store."""

    code = "SC410"
    kind = Kind.INTERNAL


class SecretBox:
    """Encrypts and decrypts short texts with the key in `file`, which is made at first use (mode 0600)."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fernet = Fernet(_read_or_create(file))

    def seal(self, text: str) -> str:
        """Encrypt; the result is printable ASCII."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """Decrypt what `seal` gave. Raises `WrongKey` when another key sealed it."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise WrongKey(
                f"The key in {self._file} does not open the tokens of this data folder",
                hint="Restore the key file together with the rest of the data folder.",
            ) from error


def _read_or_create(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        pass
    key = Fernet.generate_key()
    # Written whole under another name first: a crash must not leave an empty key behind.
    draft = file.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    draft.rename(file)
    return key
