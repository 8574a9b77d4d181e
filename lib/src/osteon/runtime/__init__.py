"""What every process needs around its own work.

settings.py   settings from the environment, checked once at the start
logs.py       JSON lines with fixed field names
audit.py      who did what to which image, as PS3.15 has it
audit_repository.py  sends that to a hospital's audit repository; syslog.py, kept_audits.py are its parts
metrics.py    every metric of the system, in one list
trace.py      W3C trace context, carried from record to record
health.py     /healthz, /readyz and /metrics of a process
tls.py        TLS of servers and clients, as BCP 195 asks
tokens.py     bearer tokens: who may ask over HTTP
lock.py       both together: what a door asks of a caller
findings.py   what a check of other parts finds, and how it is told
console.py    how commands reach the console
service.py    the top of a process: signals, exit codes, the last log line
crashes.py    what nobody caught is told without its text
"""

from osteon.runtime.settings import Settings, read_settings

__all__ = ["Settings", "read_settings"]
