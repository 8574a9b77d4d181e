"""Settings come from the environment once, and what is wrong with them is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from osteon.errors import Fatal
from osteon.release.triton import connect_as as connect_to_triton
from osteon.runtime import Settings, read_settings
from osteon.store import connect_as as connect_to_store


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


@pytest.mark.parametrize(("ca", "connect"), [("store_ca", connect_to_store), ("triton_ca", connect_to_triton)])
def test_authorities_without_tls_are_half_a_setting(ca: str, connect: Callable[[Settings], object]) -> None:
    with pytest.raises(Fatal, match=f"OSTEON_{ca.upper()}.*IS_SECURE"):
        connect(read_settings(Settings, {}, **{ca: Path("ca.pem")}))


@pytest.mark.parametrize(("name", "connect"), [("store", connect_to_store), ("triton", connect_to_triton)])
def test_authorities_that_can_not_be_read_are_named(name: str, connect: Callable[[Settings], object]) -> None:
    given: dict[str, Any] = {f"{name}_is_secure": True, f"{name}_ca": Path("absent.pem")}

    with pytest.raises(Fatal, match=r"absent\.pem"):
        connect(read_settings(Settings, {}, **given))
