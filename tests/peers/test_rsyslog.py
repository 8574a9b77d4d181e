"""Audit messages at rsyslog, which hospitals have as their audit repository, or before one."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from osteon.runtime import Settings, audit, read_settings
from osteon.runtime.audit import Caller
from osteon.runtime.audit_repository import sending_audits
from osteon_stack.ports import HOST, free_ports

CONFIGURATION = """
global(
  workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="ossl"
  defaultNetstreamDriverCAFile="{certificates}/ca.pem"
  defaultNetstreamDriverCertFile="{certificates}/door.pem"
  defaultNetstreamDriverKeyFile="{certificates}/door.key"
)
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="parts" type="string" string="%pri%|%app-name%|%msgid%|%structured-data%|%msg%\\n")
action(type="omfile" file="{folder}/audits" template="parts")
"""


@pytest.fixture
def rsyslog(
    program: Callable[[str], str], certificates: Path, tmp_path: Path, until: Callable[..., None]
) -> Iterator[int]:
    """The port of an rsyslog that asks for certificates and writes what it takes into the file `audits`."""
    daemon, port, configuration = program("rsyslogd"), free_ports().stow, tmp_path / "rsyslog.conf"
    if not any(Path("/usr/lib").glob("*/rsyslog/lmnsd_ossl.so")):
        pytest.skip("Debian package rsyslog-openssl is not installed")
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, certificates=certificates, port=port))
    running = subprocess.Popen([daemon, "-n", "-f", configuration, "-i", "NONE"])
    try:
        until(lambda: _listens(port), within_s=30)
        yield port
    finally:
        running.terminate()
        running.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def test_rsyslog_takes_audit_messages_over_tls(
    rsyslog: int, certificates: Path, tmp_path: Path, until: Callable[..., None]
) -> None:
    taken = tmp_path / "audits"
    known = read_settings(
        Settings,
        {},
        audit_repository=f"tls://localhost:{rsyslog}",
        audit_keep=tmp_path / "kept",
        audit_ca=certificates / "ca.pem",
        audit_certificate=certificates / "sender.pem",
        audit_key=certificates / "sender.key",
    )

    with sending_audits(known, "ingest-doors"):
        audit.received("århus", Caller("RØNTGEN 1", "192.0.2.7"), "dimse", "4f1c")
    until(lambda: taken.exists() and taken.read_text().endswith("\n"), within_s=30)

    (line,) = taken.read_text().splitlines()
    priority, service, kind, structured, xml = line.split("|", 4)
    assert (priority, service, kind, structured) == ("85", "osteon-ingest-doors", "DICOM+RFC3881", "-")
    message = fromstring(xml.strip().lstrip("\ufeff"))
    assert message[1].attrib["UserID"] == "RØNTGEN 1"
    assert message[-1].attrib["ParticipantObjectID"] == "4f1c"
    assert not list((tmp_path / "kept").iterdir())
