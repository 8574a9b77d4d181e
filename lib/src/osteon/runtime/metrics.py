"""Every metric of the system: name, type, unit and meaning. Dashboards and docs are checked against this list.

No label ever holds an image id or anything about a patient.
"""

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
SECONDS_TO_DAYS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 86400, 7 * 86400)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1)

# Each process
READY = Gauge("osteon_ready", "1 while this part of the process, or what it depends on, is ready", ["part"])
CERTIFICATE_ENDS = Gauge(
    "osteon_tls_certificate_end_seconds",
    "When a certificate that was loaded expires (s since 1970)",
    ["file"],
    multiprocess_mode="mostrecent",
)

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
CONNECTIONS_REFUSED = Counter(
    "osteon_door_connections_refused_total", "Peers cut off: too many had connected and said nothing", ["door"]
)

# Audit messages, where there is a repository of them
AUDITS = Counter(
    "osteon_audit_messages_total",
    "Audit messages for the repository, by what became of them: sent, kept while it was away, lost",
    ["outcome"],
)

# The stages
RECORDS = Counter("osteon_stage_records_total", "Records with an outcome", ["stage", "outcome"])
SET_ASIDE = Counter("osteon_stage_set_aside_total", "Images set aside", ["stage", "reason"])
DEAD_LETTERS = Counter("osteon_stage_dead_letters_total", "Dead letters written", ["stage", "reason"])
WORK_SECONDS = Histogram("osteon_stage_work_seconds", "Work on one record (s)", ["stage"], buckets=SECONDS)
COMMIT_SECONDS = Histogram("osteon_stage_commit_seconds", "One transaction (s)", ["stage"], buckets=SECONDS)
SINCE_RECEIVED_SECONDS = Histogram(
    "osteon_stage_since_received_seconds",
    "Age of an image, since its reception at the door, when a stage commits its outcome (s)",
    ["stage"],
    buckets=SECONDS_TO_DAYS,
)
IN_FLIGHT = Gauge("osteon_stage_in_flight", "Records polled and not yet committed", ["stage"])
BRAKED = Gauge("osteon_stage_braked", "1 while the stage brakes", ["stage"])
TRANSACTIONS_ABORTED = Counter("osteon_stage_transactions_aborted_total", "Transactions given up", ["stage"])

# The models
INFER_SECONDS = Histogram("osteon_model_infer_seconds", "One call of Triton (s)", ["model"], buckets=SECONDS)
MODELS_WRONG = Gauge("osteon_model_mismatches", "Released models that this Triton does not serve as released")

# What the models say. A record that is worked again after a failed commit counts again.
HARMONIZED_CHANGE = Histogram(
    "osteon_harmonize_change_share",
    "Mean change of an image's pixels by harmonization (share of the scale)",
    ["site"],
    buckets=SHARES,
)
PROBABILITY = Histogram("osteon_classify_probability", "Calibrated probability of images", ["site"], buckets=SHARES)

# The table of states, as the console counts it
IMAGES = Gauge("osteon_console_images", "Images in each state", ["site", "state"])
FINDINGS = Gauge("osteon_console_findings", "Classified images above or below the operating point", ["site", "side"])
WAITING = Gauge("osteon_console_waiting_images", "Images that wait for a stage, or are in it", ["stage"])
OVERDUE = Gauge("osteon_console_overdue_images", "Images that wait for a stage longer than they should", ["stage"])
OLDEST_WAITING_SECONDS = Gauge(
    "osteon_console_oldest_waiting_seconds", "Age of the oldest image that waits for a stage; 0 for none (s)", ["stage"]
)
MEASURED_TIMESTAMP = Gauge("osteon_console_measured_timestamp_seconds", "When the console last counted (s since 1970)")
READ_OFFSETS = Gauge("osteon_console_read_offsets", "Offsets of a topic that the console has read", ["topic"])
