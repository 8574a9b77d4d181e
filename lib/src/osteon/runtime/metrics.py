"""Every metric of the system: name, type, unit and meaning. Dashboards and docs are checked against this list.

No label ever holds an image id or anything about a patient.
"""

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

# The doors
RECEIVED = Counter("osteon_door_received_total", "Images received", ["door", "outcome"])
RECEIVED_BYTES = Counter("osteon_door_received_bytes_total", "Bytes of images received", ["door"])
DOOR_SECONDS = Histogram(
    "osteon_door_seconds", "Time from the last byte of an image to its answer (s)", ["door"], buckets=SECONDS
)
COMMITMENTS = Counter(
    "osteon_door_commitments_total", "Images asked for by storage commitment, by what was answered", ["outcome"]
)
CALLERS_REFUSED = Counter("osteon_door_callers_refused_total", "Callers without a valid token", ["door"])

# Audit messages, where there is a repository of them
AUDITS = Counter(
    "osteon_audit_messages_total",
    "Audit messages for the repository, by what became of them: sent, kept while it was away, lost",
    ["outcome"],
)

# The stages
RECORDS = Counter("osteon_stage_records_total", "Records with an outcome", ["stage", "outcome"])
SET_ASIDE = Counter("osteon_stage_set_aside_total", "Images set aside", ["stage", "reason"])
WORK_SECONDS = Histogram("osteon_stage_work_seconds", "Work on one record (s)", ["stage"], buckets=SECONDS)
COMMIT_SECONDS = Histogram("osteon_stage_commit_seconds", "One transaction (s)", ["stage"], buckets=SECONDS)
IN_FLIGHT = Gauge("osteon_stage_in_flight", "Records polled and not yet committed", ["stage"])
BRAKED = Gauge("osteon_stage_braked", "1 while the stage brakes", ["stage"])
TRANSACTIONS_ABORTED = Counter("osteon_stage_transactions_aborted_total", "Transactions given up", ["stage"])

# The models
INFER_SECONDS = Histogram("osteon_model_infer_seconds", "One call of Triton (s)", ["model"], buckets=SECONDS)
MODELS_WRONG = Gauge("osteon_model_mismatches", "Released models that this Triton does not serve as released")
