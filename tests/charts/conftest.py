"""What Helm renders when it asks a cluster, for which a server answers."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from .render import CHART, NAMESPACE, Object, helm

KINDS = {
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "configmaps": "ConfigMap",
    "certificates": "Certificate",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}
KNOWN: Object = {
    "version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "api": {"kind": "APIVersions", "versions": ["v1"]},
    "apis": {"kind": "APIGroupList", "groups": []},
    "v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": name, "kind": kind, "namespaced": True, "verbs": ["get", "list"]} for name, kind in KINDS.items()
        ],
    },
    "default": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}},
    "secrets": {"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": []},
}


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    """Renders the chart with values, where the objects that are given stand in the namespace."""
    standing: dict[tuple[str, str], Object] = {}

    class Cluster(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            *_, kind, name = self.path.split("?")[0].split("/")
            found = standing.get((KINDS.get(kind, ""), name)) or KNOWN.get(name)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(found or {"kind": "Status", "reason": "NotFound", "code": 404}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one"}}],
        "current-context": "one",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    environment = {"KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)}

    def rendered(values: Object, there: Iterable[Object] = ()) -> "subprocess.CompletedProcess[str]":
        standing.clear()
        standing.update({(one["kind"], one["metadata"]["name"]): one for one in there})
        command = [helm(), "template", "trial", str(CHART), "--namespace", NAMESPACE, "--kube-version", "1.34.0"]
        command += ["--dry-run=server", "--values", "-"]
        given = yaml.safe_dump(values)
        return subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)

    yield rendered
    server.shutdown()
    server.server_close()
