"""Osteon on one machine: the same parts as on a cluster, as processes of one user.

ports.py       which port each part listens on, and who holds one that is taken
secrets.py     keys and passwords, made once
part.py        a program, what it needs, how it is started and ended
kafka.py seaweedfs.py triton.py prometheus.py   the servers, one file each
onnxruntime_backend/model.py                    Triton's backend for ONNX models, in Python
services.py    Osteon's own processes and their settings
prepare.py     topics, buckets, the release in force
parts.py       all parts in one table
state.py       what the state folder says: what is wanted, how each part is
supervise.py   the one process that keeps the parts running
processes.py   find and end all processes of a stack
stack.py       up, down, status
doctor.py      what is wrong, and what to do
commands.py    `osteon stack …`, `osteon doctor`
"""
