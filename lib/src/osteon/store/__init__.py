"""Objects, put and got by what they hold.

ref.py      an object's name from its own bytes, and the check of bytes against a reference
store.py    what every store does: put, get, exists, delete, list, presign, probe
s3.py       any S3, over the `minio` client; the fixed limits on waiting
faults.py   what a store's answer means: wait, set aside, or stop
memory.py   the same in memory, for unit tests
"""

from osteon.contracts import ObjectRef
from osteon.store.memory import MemoryStore
from osteon.store.s3 import S3Store, connect, connect_as
from osteon.store.store import Listed, Store

__all__ = ["Listed", "MemoryStore", "ObjectRef", "S3Store", "Store", "connect", "connect_as"]
