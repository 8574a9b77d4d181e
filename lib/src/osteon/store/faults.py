"""What a store's answer means: wait, set aside, or stop.

The texts name the bucket and the setting, never the object, a key or a secret.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from osteon.errors import Fatal, OsteonError, Passing, Poison

__all__ = ["translated"]

REFUSED = {"AccessDenied", "AllAccessDisabled", "AccountProblem"}
UNKNOWN_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity"}
FULL = {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"}
MISSING = {"NoSuchKey", "NoSuchObject", "NoSuchVersion", "ResourceNotFound"}
BUSY = {"SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout", "ServerBusy", "TooManyRequests"}
# Seen when a multipart upload is cleaned away below a slow writer, or a body is cut on the way: try again.
INTERRUPTED = {"NoSuchUpload", "InvalidPart", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"}
HTTP_INSUFFICIENT_STORAGE = 507
HTTP_TOO_MANY_REQUESTS = 429


@contextmanager
def translated(bucket: str) -> Iterator[None]:
    """Whatever the client raises inside, raised as Passing, Poison or Fatal of `osteon.errors`."""
    try:
        yield
    except S3Error as error:
        raise _from_answer(error, bucket) from error
    except ServerError as error:
        raise _from_status(error.status_code, bucket) from error
    except InvalidResponseError as error:
        raise Passing(
            "store", f"what answers for bucket {bucket} does not speak S3; see OSTEON_STORE_ENDPOINT"
        ) from error
    except (HTTPError, OSError) as error:
        raise Passing("store", f"the store can't be reached for bucket {bucket}: {type(error).__name__}") from error
    except (MinioException, ValueError) as error:
        raise Fatal(
            f"the store's client refuses bucket {bucket}: {type(error).__name__}; see OSTEON_STORE_*"
        ) from error


def _from_answer(error: S3Error, bucket: str) -> OsteonError:
    code = error.code or ""
    if code in MISSING:
        return Poison("object-missing", f"bucket {bucket} has no such object")
    if code == "NoSuchBucket":
        return Fatal(f"the store has no bucket {bucket}; make it, or see OSTEON_STORE_ENDPOINT")
    if code in REFUSED:
        return Fatal(
            f"the store refuses bucket {bucket} to this process (AccessDenied); give the identity of "
            "OSTEON_STORE_ACCESS_KEY the right, or set another"
        )
    if code in UNKNOWN_KEYS:
        return Fatal(
            f"the store does not know these keys ({code}, bucket {bucket}); "
            "see OSTEON_STORE_ACCESS_KEY and OSTEON_STORE_SECRET_KEY"
        )
    if code == "RequestTimeTooSkewed":
        return Fatal("the clock of this machine and that of the store differ by minutes; set the clocks")
    if code in FULL:
        return _full(bucket)
    if code in BUSY | INTERRUPTED:
        return Passing("store", f"the store asks to try bucket {bucket} again ({code})")
    return _from_status(error.response.status, bucket, code)


def _from_status(status: int, bucket: str, code: str = "") -> OsteonError:
    if status == HTTP_INSUFFICIENT_STORAGE:
        return _full(bucket)
    if status >= 500 or status == HTTP_TOO_MANY_REQUESTS:
        return Passing("store", f"the store answers bucket {bucket} with HTTP {status} {code}".rstrip())
    if status == 403:
        return Fatal(f"the store refuses bucket {bucket} (HTTP 403); see OSTEON_STORE_ACCESS_KEY")
    if status == 404:
        return Poison("object-missing", f"bucket {bucket} has no such object")
    return Fatal(f"the store refuses a request for bucket {bucket} (HTTP {status} {code}); see OSTEON_STORE_*")


def _full(bucket: str) -> Passing:
    return Passing("store", f"the store is full: nothing can be written to bucket {bucket}; give it more room")
