"""The site key of a stack, changed as `docs/how-to/keep-the-site-key.md` says."""

import stat
import subprocess
import sys
from pathlib import Path

from osteon.runtime import read_settings
from osteon_ingest.settings import IngestSettings
from osteon_stack.ports import free_ports
from osteon_stack.secrets import change_site_key, site_key, site_key_settings
from osteon_stack.services import accept, ingest

OSTEON = str(Path(sys.executable).with_name("osteon"))


def change(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [OSTEON, "stack", "change-site-key", "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_changed_key_is_given_to_ingest_with_those_before_it(tmp_path: Path) -> None:
    first = site_key(tmp_path)
    for epoch in ("2", "3"):
        told = change(tmp_path)
        assert told.returncode == 0, told.stderr
        assert f"site key {epoch} is in use" in told.stdout

    for part in (ingest(tmp_path, free_ports()), accept(tmp_path, free_ports())):
        keys = read_settings(IngestSettings, part.environment).keys()
        assert keys.epoch == "3"
        assert [one.epoch for one in keys.former] == ["1", "2"]
        assert first in part.environment["OSTEON_FORMER_SITE_KEYS"]
        assert part.environment["OSTEON_SITE_KEY"] not in part.environment["OSTEON_FORMER_SITE_KEYS"]
    for file in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_change_that_was_cut_short_is_finished_and_loses_no_key(tmp_path: Path) -> None:
    first = site_key(tmp_path)
    change_site_key(tmp_path)
    (tmp_path / "secrets" / "site.key").write_text(first)  # as if the second file had not been written

    assert change_site_key(tmp_path) == 2

    settings = site_key_settings(tmp_path)
    assert settings["OSTEON_FORMER_SITE_KEYS"] == f"1:{first}"
    assert settings["OSTEON_SITE_KEY"] != first


def test_without_a_key_there_is_nothing_to_change(tmp_path: Path) -> None:
    told = change(tmp_path)

    assert told.returncode == 1
    assert "there is no site key" in told.stderr
    assert not (tmp_path / "secrets").exists()
