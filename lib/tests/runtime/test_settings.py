"""Settings come from the environment once, and what is wrong with them is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from osteon.errors import Fatal
from osteon.runtime import Settings, read_settings


class Doors(Settings):
    n_doors: int = 1
    site_key: SecretStr = SecretStr("")


def test_the_environment_sets_and_defaults_fill() -> None:
    settings = read_settings(Doors, {"OSTEON_N_DOORS": "3", "PATH": "/bin"})

    assert settings.n_doors == 3
    assert settings.site == "local"


def test_an_unknown_name_is_refused_with_its_nearest() -> None:
    with pytest.raises(Fatal, match="OSTEON_N_DOOR is not known; did you mean OSTEON_N_DOORS"):
        read_settings(Doors, {"OSTEON_N_DOOR": "3"})


@given(st.text(min_size=1).filter(lambda text: not text.strip().lstrip("+-").replace("_", "").isdecimal()))
def test_a_wrong_value_is_refused_by_the_name_of_its_setting_and_not_repeated(value: str) -> None:
    marked = f"PLANTED{value}"

    with pytest.raises(Fatal, match="OSTEON_N_DOORS") as refused:
        read_settings(Doors, {"OSTEON_N_DOORS": marked})

    assert "PLANTED" not in str(refused.value)


def test_a_secret_is_masked_wherever_settings_are_shown() -> None:
    settings = read_settings(Doors, {"OSTEON_SITE_KEY": "planted"})

    assert "planted" not in f"{settings!r}{settings}{settings.model_dump_json()}"


def test_settings_do_not_change() -> None:
    settings = read_settings(Doors, {})

    with pytest.raises(ValidationError):
        settings.n_doors = 2
