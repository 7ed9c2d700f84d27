import os
import stat
import sys
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from buddy.adapters.system import signing
from buddy.core.signing import PublicKey, public_key
from buddy.errors import BadInput

MESSAGE = b"a message"


def pem(private: ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey, password: bytes = b"") -> bytes:
    kept = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept)


def secret_of(path: Path) -> str:
    return path.read_text().splitlines()[1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "signing.pem"
    signing.create(path)
    return path


class TestSignatures:
    def test_what_a_key_signs_its_other_half_proves(self, file: Path) -> None:
        key = signing.load(file)
        signature = key.sign(MESSAGE)
        assert len(signature) == 64
        assert signing.proves(key.public.raw, MESSAGE, signature)
        assert key.sign(MESSAGE) == signature
        assert public_key(str(key.public), "") == key.public

    def test_another_message_signature_or_key_proves_nothing(self, file: Path) -> None:
        key = signing.load(file)
        signature = key.sign(MESSAGE)
        other = signing.create(file.with_name("other.pem"))
        assert not signing.proves(key.public.raw, MESSAGE + b" ", signature)
        assert not signing.proves(key.public.raw, MESSAGE, signature[:-1] + bytes([signature[-1] ^ 1]))
        assert not signing.proves(other.public.raw, MESSAGE, signature)

    @pytest.mark.parametrize(("raw", "signature"), [(b"", b""), (bytes(31), bytes(64)), (bytes(32), b"")])
    def test_nonsense_proves_nothing(self, raw: bytes, signature: bytes) -> None:
        assert not signing.proves(raw, MESSAGE, signature)

    def test_the_reference_of_rfc_8032_holds(self) -> None:
        raw = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
        signature = bytes.fromhex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        )
        assert signing.proves(raw, b"\x72", signature)
        assert not signing.proves(raw, b"\x73", signature)


class TestFile:
    def test_its_owner_alone_can_read_it_whatever_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            signing.create(tmp_path / "new" / "signing.pem")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "new" / "signing.pem").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700

    def test_it_is_pem_of_pkcs_8(self, file: Path) -> None:
        assert file.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
        assert isinstance(
            serialization.load_pem_private_key(file.read_bytes(), None), ed25519.Ed25519PrivateKey
        )

    def test_one_that_is_there_is_never_replaced(self, file: Path) -> None:
        before = file.read_bytes()
        with pytest.raises(BadInput, match="never replaced"):
            signing.create(file)
        assert file.read_bytes() == before

    def test_a_place_that_cannot_be_written_is_named(self, file: Path) -> None:
        with pytest.raises(BadInput, match="cannot be written"):
            signing.create(file / "below" / "signing.pem")

    def test_a_disk_that_fails_leaves_no_half_a_key(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(file: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(BadInput, match="No space left"):
            signing.create(tmp_path / "signing.pem")
        assert list(tmp_path.iterdir()) == []


def refused(path: Path, secret: str = "\n") -> str:
    with pytest.raises(BadInput) as caught:
        signing.load(path)
    told = "".join(traceback.format_exception(caught.value))
    assert secret == "\n" or secret not in told
    return str(caught.value)


class TestLoading:
    def test_a_missing_one_says_how_to_make_one(self, tmp_path: Path) -> None:
        assert "`buddy keys create`" in refused(tmp_path / "none.pem")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
    def test_one_that_others_can_use_is_refused(self, file: Path, mode: int) -> None:
        file.chmod(mode)
        assert "chmod 600" in refused(file, secret_of(file))

    def test_what_is_no_file_is_refused_and_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        assert "no regular file" in refused(tmp_path / "pipe")
        assert "Is a directory" in refused(tmp_path) or "no regular file" in refused(tmp_path)
        assert "null" in refused(tmp_path / "a\0b")

    def test_what_is_no_ed25519_key_is_refused_and_not_repeated(self, file: Path) -> None:
        text, secret = file.read_text(), secret_of(file)
        lines = text.splitlines()
        half = secret[:-8]
        others = (
            "", "hunter2", secret, text.replace(secret, half), "\n".join(lines[:2]),
            pem(x25519.X25519PrivateKey.generate()).decode(),
            pem(ed25519.Ed25519PrivateKey.generate(), b"password").decode(),
        )  # fmt: skip
        for other in others:
            file.write_text(other)
            assert "expected an Ed25519 private key" in refused(file, half)

    @pytest.mark.parametrize("mode", [0o600, 0o644])
    def test_what_is_no_key_is_told_before_who_can_use_it(self, file: Path, mode: int) -> None:
        public = signing.load(file).public
        pem_of_it = ed25519.Ed25519PublicKey.from_public_bytes(public.raw).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for other, found in (
            (b"garbage", "something else"),
            (f"# mine\n{public}\n".encode(), "a public key, which cannot sign"),
            (pem_of_it, "a public key, which cannot sign"),
        ):
            file.write_bytes(other)
            file.chmod(mode)
            assert refused(file).endswith(f"as `buddy keys create` makes it, found {found}")

    def test_a_key_does_not_show_itself(self, file: Path) -> None:
        key = signing.load(file)
        assert repr(key) == f"SigningKey({key.public.key_id})"
        assert isinstance(key.public, PublicKey)


@pytest.mark.parametrize(
    "use",
    [
        lambda path: signing.create(path.with_name("more.pem")),
        signing.load,
        lambda path: signing.proves(bytes(32), b"", b""),
    ],
)
def test_without_the_package_its_extra_is_named(
    file: Path, use: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.startswith("cryptography"):
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadInput, match=r"pip install 'buddy-control\[sign\]'"):
        use(file)  # type: ignore[operator]
    assert not file.with_name("more.pem").exists()
