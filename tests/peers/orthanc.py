"""Debian's Orthanc as a part beside the stack: a small PACS that forwards, and asks for storage commitment."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from osteon_stack.part import Part, answers
from osteon_stack.ports import HOST

__all__ = ["AET", "Orthanc", "orthanc_part"]

AET = "ORTHANC"
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
FORWARD = """
function OnStoredInstance(instanceId, tags, metadata, origin)
  -- A rule as people write it: whatever comes goes on, but for what a test says that it will send itself.
  if tags['StationName'] ~= 'HOLD' then
    SendToModality(instanceId, 'osteon')
  end
end
"""


@dataclass(frozen=True)
class Orthanc:
    """What Orthanc is asked over its REST API."""

    http_port: int
    until: Callable[..., None]

    def call(self, method: str, path: str, **content: Any) -> Any:
        """The answer, which must be a success."""
        answer = httpx.request(method, f"http://{HOST}:{self.http_port}{path}", timeout=120, **content)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    def put(self, path: Path) -> str:
        """Give it a file; gives Orthanc's name of the instance."""
        return str(self.call("POST", "/instances", content=path.read_bytes())["ID"])

    def jobs(self) -> list[dict[str, Any]]:
        """All that it does for later, and did."""
        found = self.call("GET", "/jobs", params={"expand": ""})
        assert isinstance(found, list)
        return found

    def commitment(self, transaction: str) -> dict[str, Any]:
        """The report on a storage commitment, once it has come."""
        report: dict[str, Any] = {}

        def has_come() -> bool:
            report.update(self.call("GET", f"/storage-commitment/{transaction}"))
            return bool(report["Status"] != "Pending")

        self.until(has_come, what=lambda: report)
        return report

    def is_idle(self) -> bool:
        """Whether all that it was to forward is forwarded, or given up."""
        return all(job["State"] in ("Success", "Failure") for job in self.jobs())


def orthanc_part(folder: Path, http_port: int, dicom_port: int, osteon: dict[str, tuple[str, int]], stow: str) -> Part:
    """Orthanc that knows these doors, each by a name, as an AE title and a port; and one by its STOW-RS address."""
    home = folder / "orthanc"
    home.mkdir(parents=True)
    (home / "forward.lua").write_text(FORWARD)
    modalities = {
        name: {"AET": aet, "Host": HOST, "Port": port, "AllowStorageCommitment": True}
        for name, (aet, port) in osteon.items()
    }
    configuration = {
        "Name": "peer",
        "StorageDirectory": str(home / "storage"),
        "IndexDirectory": str(home / "storage"),
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomAet": AET,
        "DicomModalities": modalities,
        "DicomAlwaysAllowStore": True,
        "DicomWeb": {"Enable": True, "Servers": {"osteon": [stow]}},
        "LuaScripts": [str(home / "forward.lua")],
        "Plugins": [str(PLUGIN)],
        "JobsHistorySize": 1000,
        "SaveJobs": False,
    }
    path = home / "orthanc.json"
    path.write_text(json.dumps(configuration, indent=1))
    return Part(
        name="orthanc",
        command=("Orthanc", str(path)),
        is_ready=lambda: answers(f"http://{HOST}:{http_port}/system"),
        ports=(http_port, dicom_port),
    )
