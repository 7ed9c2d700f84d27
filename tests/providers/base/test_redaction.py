import pytest

from buddy.adapters.providers.base import redaction


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef123456", "Authorization: *** ***"),
        ("bearer pit-0123456789 was refused", "bearer *** was refused"),
        ("a=1&client_secret=xyz&b=2", "a=1&client_secret=***&b=2"),
        ('{"refresh_token": "xyz", "n": 1}', '{"refresh_token": "***", "n": 1}'),
        ("refreshToken=xyz", "refreshToken=***"),
        ("the secret sauce", "the secret sauce"),
        ("Basic rules", "Basic rules"),
    ],
)
def test_what_is_named_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert redaction.text(text) == shown


def test_known_secrets_are_hidden_wherever_they_stand_the_longest_first() -> None:
    assert redaction.text("abc abcdef", ("abc", "abcdef", "")) == "*** ***"
    value = {"a": ["abc", {"b": "xabcx"}], "password": "other", "api_key": None, "n": 1}
    assert redaction.value(value, ("abc",)) == {
        "a": ["***", {"b": "x***x"}],
        "password": "***",
        "api_key": None,
        "n": 1,
    }
