"""Each alert fires when it should and not when it should not, by Prometheus's own test of rules; each has its page."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .read import RULES, alerts

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "alerts.md"
MINUTES = 100
DAY_S = 86_400

Series = dict[str, str]
"""By series, its values, a minute apart: `0+1x100` begins at 0 and grows by 1 a hundred times."""

_ALL_STAGES = {f'osteon_stage_in_flight{{stage="{stage}"}}': "0x100" for stage in ("accept", "harmonize", "classify")}
_UP = 'up{app_kubernetes_io_part_of="osteon", app_kubernetes_io_component="triton", instance="a"}'
_AVAILABLE = 'kubelet_volume_stats_available_bytes{namespace="site", persistentvolumeclaim="data-kafka-0"}'
_CAPACITY = 'kubelet_volume_stats_capacity_bytes{namespace="site", persistentvolumeclaim="data-kafka-0"}'
_FREE = 'SeaweedFS_volumeServer_resource{name="/data", type="avail"}'
_ALL = 'SeaweedFS_volumeServer_resource{name="/data", type="all"}'
_WAITING = 'osteon_console_waiting_images{stage="accept"}'
_MEASURED = "osteon_console_measured_timestamp_seconds"
_LOST = 'osteon_audit_messages_total{outcome="lost"}'
_DEAD = 'osteon_console_images{site="north", state="dead-letter"}'
_RECORDS = 'osteon_stage_records_total{stage="accept", outcome="dead-letter"}'
_END = 'osteon_tls_certificate_end_seconds{file="/etc/tls.crt"}'

CASES: dict[str, tuple[list[Series], list[Series]]] = {
    "OsteonImagesOverdue": (
        [{'osteon_console_overdue_images{stage="classify"}': "0x50 3x50"}],
        [{'osteon_console_overdue_images{stage="classify"}': "0x98 3x1"}],
    ),
    "OsteonLagGrows": (
        [{_WAITING: "0+10x100"}],
        [{_WAITING: "1000-9x100"}, {_WAITING: "50x100"}, {_WAITING: "0+1x90"}],
    ),
    "OsteonDeadLetters": ([{_DEAD: "0x50 1x50"}, {_RECORDS: "0x50 1x50"}], [{_DEAD: "0x100", _RECORDS: "7x100"}]),
    "OsteonStageBrakes": (
        [{'osteon_stage_braked{stage="accept"}': "1x100"}],
        [{'osteon_stage_braked{stage="accept"}': "0x100"}],
    ),
    "OsteonStageDown": (
        [
            {name: values for name, values in _ALL_STAGES.items() if stage not in name}
            for stage in ("accept", "classify")
        ],
        [_ALL_STAGES],
    ),
    "OsteonDoorsDown": (
        [{'up{job="ingest"}': "1x100"}],
        [{'osteon_door_received_total{door="stow", outcome="received"}': "0x100"}],
    ),
    "OsteonPartDown": ([{_UP: "1x50 0x50"}], [{_UP: "1x100"}, {'up{job="somebody-elses"}': "0x100"}]),
    "OsteonConsoleSilent": (
        [{'up{job="console"}': "1x100"}, {_WAITING: "3x100", _MEASURED: "0+60x40 2400x60"}],
        [{_WAITING: "0x100", _MEASURED: "0+60x100"}],
    ),
    "OsteonNotReady": (
        [{'osteon_ready{part="store", pod="a"}': "1x100", 'osteon_ready{part="store", pod="b"}': "0x100"}],
        [{'osteon_ready{part="store"}': "1x95 0x5"}, {'osteon_ready{part="brake"}': "0x100"}],
    ),
    "OsteonDoorRefuses": (
        [{'osteon_door_received_total{door="dimse", outcome="not-safe"}': "0+2x100"}],
        [{'osteon_door_received_total{door="dimse", outcome="received"}': "0+2x100"}],
    ),
    "OsteonModelMismatch": (
        [{'osteon_model_mismatches{pod="a"}': "0x100", 'osteon_model_mismatches{pod="b"}': "1x100"}],
        [{'osteon_model_mismatches{pod="a"}': "0x97 1x3"}],
    ),
    "OsteonDiskFull": (
        [{_FREE: "9x100", _ALL: "100x100"}, {_AVAILABLE: "9x100", _CAPACITY: "100x100"}],
        [{_FREE: "11x100", _ALL: "100x100", _AVAILABLE: "50x100", _CAPACITY: "100x100"}],
    ),
    "OsteonStoreErrors": (
        [
            {"SeaweedFS_volumeServer_storage_io_error_total": "0x50 1x50"},
            {'SeaweedFS_volumeServer_io_quarantine{kind="volume"}': "1x100"},
        ],
        [{"SeaweedFS_volumeServer_storage_io_error_total": "4x100"}],
    ),
    "OsteonAuditLost": (
        [{_LOST: "0x50 1x50"}],
        [{_LOST: "7x100", 'osteon_audit_messages_total{outcome="kept"}': "0+1x100"}],
    ),
    "OsteonCertificateEnds": ([{_END: f"{13 * DAY_S}x100"}], [{_END: f"{30 * DAY_S}x100"}]),
}
"""By alert, series in which it fires at the end, and series in which it does not."""


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    told = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


def test_the_rules_are_sound() -> None:
    assert f"{len(CASES)} rules found" in promtool("check", "rules", str(RULES))


def test_each_alert_fires_when_it_should_and_not_when_it_should_not(tmp_path: Path) -> None:
    tests = [
        _test(alert, series, fires)
        for alert, cases in CASES.items()
        for fires in (True, False)
        for series in cases[not fires]
    ]
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))

    assert "SUCCESS" in promtool("test", "rules", str(file))
    assert sorted(CASES) == sorted(alert["alert"] for alert in alerts())


def _test(alert: str, series: Series, fires: bool) -> dict[str, Any]:
    expected = [{"labels": "{}", "value": 1}] if fires else []
    asked = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}}) > bool 0'
    return {
        "name": f"{alert} {series}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": asked, "eval_time": f"{MINUTES}m", "exp_samples": expected}],
    }


def test_each_alert_has_its_section_and_each_section_its_alert() -> None:
    sections = re.findall(r"^## (Osteon\w+)$(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)

    assert sorted(name for name, _ in sections) == sorted(alert["alert"] for alert in alerts())
    for alert in alerts():
        assert alert["annotations"]["runbook_url"] == f"docs/how-to/alerts.md#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["labels"]["severity"] in ("warning", "critical")
    assert [
        name for name, text in sections if not all(word in text for word in ("**Means**", "**See**", "**Do**"))
    ] == []
