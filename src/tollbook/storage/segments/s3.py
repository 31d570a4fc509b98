"""Sealed files in an S3-compatible bucket, each proven by its checksum on the way in and out."""

import base64
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from tollbook.errors import Blocked
from tollbook.storage.segments.archive import STAGED_SUFFIX, missing, sha256_of


class BucketArchive:
    """Objects below a prefix. What is read is kept in a local cache, checked by SHA-256.

    Credentials, region and endpoint come from the AWS variables and files, as for every AWS client.
    """

    def __init__(self, bucket: str, prefix: str, *, cache: Path) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._cache = cache
        self._client = boto3.client("s3")
        self.staging = cache / "staging"

    def keep(self, staged: Path, name: str, *, sha256: str) -> None:
        """Upload a file with its SHA-256, and have the bucket say the same of what it keeps.

        One that keeps no checksums is asked for the whole file instead.
        """
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        where = {"Bucket": self._bucket, "Key": self._prefix + name}
        with staged.open("rb") as body:
            self._client.put_object(**where, Body=body, ChecksumAlgorithm="SHA256")
        kept = self._client.head_object(**where, ChecksumMode="ENABLED")
        if "ChecksumSHA256" not in kept:
            (self._cache / name).unlink(missing_ok=True)
            self.fetch(name, sha256=sha256)
        elif kept["ChecksumSHA256"] != checksum:
            raise Blocked(
                "capture.segment_altered",
                f"The bucket {self._bucket} keeps {name} with another checksum than it was sent "
                "with: the day stays in PostgreSQL.",
            )
        staged.unlink()

    def fetch(self, name: str, *, sha256: str) -> Path:
        """Return the cached file; downloaded, and compared, where it is not there."""
        cached = self._cache / name
        if cached.is_file() and sha256_of(cached) == sha256:
            return cached
        cached.parent.mkdir(parents=True, exist_ok=True)
        fresh = cached.with_suffix(STAGED_SUFFIX)
        try:
            self._client.download_file(self._bucket, self._prefix + name, str(fresh))
        except ClientError as error:
            raise missing(name, f"s3://{self._bucket}/{self._prefix}") from error
        if sha256_of(fresh) != sha256:
            raise Blocked(
                "capture.segment_altered",
                f"The object {name} in bucket {self._bucket} is not the one that was sealed: bring "
                "it back from a backup.",
            )
        fresh.replace(cached)
        return cached

    def remove(self, name: str) -> None:
        """Remove an object and its cached copy."""
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        (self._cache / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Return the names of all objects below the prefix, in order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        return sorted(
            found["Key"].removeprefix(self._prefix)
            for page in pages
            for found in page.get("Contents", [])
        )
