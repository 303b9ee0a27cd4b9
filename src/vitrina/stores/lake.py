"""The lake: a folder for each batch, in it a folder for each step, in it what the step left.

    <lake>/2026-11-24/validate/step.json      counts, seconds, and every file with its checksum
    <lake>/2026-11-24/validate/report.json    for people
    <lake>/2026-11-24/validate/3f9c…/typed/…  the data

`step.json` is written last and in one piece, and names the folder of its data. Until then
readers see what the step left the time before, so an interrupted step leaves nothing that
can be mistaken for a result. Readers check each file against its checksum: bits flipped in
a Parquet file can decode to wrong numbers without an error. They also compare how many rows the
files have with how many the step counted.

A batch begins with an attempt of its feed. Each `step.json` names that attempt, so what was made
from two of them is never put together.

On S3 the folders are prefixes of keys, and an object is there whole or not at all.
"""

import hashlib
import io
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import pyarrow as pa
from pyarrow import fs, parquet
from pydantic import AwareDatetime, Field

from vitrina.documents import Document, Unreadable, Whole, parse, read
from vitrina.errors import BatchError, CorruptFile, SettingsError
from vitrina.stores.disk import disk_failures
from vitrina.stores.s3 import attended, open_bucket, s3_failures
from vitrina.whole import part_in, remove_abandoned

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Format = Literal["csv", "parquet"]

# Text is written and read as it is: no trimming, an empty field is a missing one.
_CSV = {
    "header": "true",
    "ignoreLeadingWhiteSpace": "false",
    "ignoreTrailingWhiteSpace": "false",
    "escape": '"',
}
# On S3 each read is a request of its own, so they are large.
_READ_SIZE = 8 << 20
_SPARK_TYPES = {
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.string(): "string",
    pa.list_(pa.string()): "array<string>",
}
# DDL as datasets have it: names, and types of at most one level.
_COLUMN = r"`[^`]+` [a-z]+(\(\d+,\d+\)|<[a-z]+>)?"
_COLUMNS = re.compile(rf"{_COLUMN}(, {_COLUMN})*")
_TRY_SIZE = 1 << 20
_BATCH = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class File:
    """A file of the lake: its path from the lake's root, its size in bytes, its SHA-256."""

    path: str
    size: Whole
    sha256: str


@dataclass(frozen=True)
class Dataset:
    """Files of one format; `schema` is DDL of Spark SQL. No rows may mean no files."""

    format: Format
    schema: str
    files: tuple[File, ...]

    def document(self) -> Document:
        """The dataset as JSON has it."""
        files = [vars(file) for file in self.files]
        return {"format": self.format, "schema": self.schema, "files": files}

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Read what `document` gave.

        Raises:
            Unreadable: it is something else.
        """
        found = read(cls, document)
        if found.schema and not _COLUMNS.fullmatch(found.schema):
            raise Unreadable("schema: it is no list of columns")
        return found


@dataclass
class Outcome:
    """What a step leaves: datasets, documents for people, and counts for the summary.

    `attempt` is that of the feed which it is made from; None where a Vitrina made the feed that
    named none.
    """

    step: str
    folder: str
    attempt: str | None
    datasets: dict[str, Dataset] = field(default_factory=dict)
    counts: Document = field(default_factory=dict)


@dataclass(frozen=True)
class _Described:
    """What every `step.json` has."""

    step: str
    started: AwareDatetime
    finished: AwareDatetime
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    counts: Document
    datasets: dict[str, Document]
    attempt: str | None = None


def on_s3(root: str) -> bool:
    return root.startswith("s3://")


def open_folder(root: str) -> tuple[fs.FileSystem, str]:
    """The file system of a folder of the lake, and the path in it.

    Raises:
        SettingsError: there is no such bucket.
        StoreError: the bucket refuses access; `StoreUnavailable`: it does not answer.
    """
    if not on_s3(root):
        return fs.LocalFileSystem(), root
    try:
        return open_bucket(root)
    except (ValueError, OSError) as error:
        raise SettingsError(f"lake {root} cannot be opened: {error}") from error


def batches_of(root: str) -> list[date]:
    """The batches that have a folder in the lake, oldest first; `root` is where a store's are."""
    opened, path = open_folder(root)
    with lake_failures(root):
        found = opened.get_file_info(fs.FileSelector(path, allow_not_found=True))
    names = [info.base_name for info in found if info.type == fs.FileType.Directory]
    return sorted(date.fromisoformat(name) for name in names if _BATCH.fullmatch(name))


def write_whole(opened: fs.FileSystem, path: str, data: bytes) -> None:
    """Write a small file, which is there only when it is whole; on a disk, its folder too."""
    if isinstance(opened, fs.LocalFileSystem):
        opened.create_dir(str(Path(path).parent), recursive=True)
        with part_in(Path(path).parent) as part:
            part.stream.write(data)
            part.become(Path(path))
    else:
        with opened.open_output_stream(path) as stream:
            stream.write(data)


def remove_abandoned_in(opened: fs.FileSystem, folder: str) -> None:
    """Remove what killed processes have left of files that they were writing in a folder."""
    if isinstance(opened, fs.LocalFileSystem):
        remove_abandoned(Path(folder))


def lake_failures(root: str) -> AbstractContextManager[None]:
    """Turn failures of the lake's store into ours."""
    return s3_failures(root) if on_s3(root) else disk_failures(root)


class Measured(io.RawIOBase):
    """A stream that passes bytes on, and knows their number and their SHA-256."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self.size = 0
        self._stream = stream
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._stream.write(data)
        self.size += len(data)
        return len(data)


class Lake:
    """The folder of one batch, on a local disk or on anything that Arrow and Spark both read.

    `batches` is the folder above it, where the store's batches are.
    """

    def __init__(self, root: str, as_of: date) -> None:
        """Look where the lake is.

        Raises:
            SettingsError: there is no such bucket.
            StoreError: the bucket refuses access; `StoreUnavailable`: it does not answer.
        """
        self.as_of = as_of
        self.batches = root
        self.root = f"{root}/{as_of.isoformat()}"
        self._on_s3 = on_s3(root)
        self._fs, self._path = open_folder(self.root)
        self._spark: SparkSession | None = None

    @contextmanager
    def step(self, name: str, *made_from: Document) -> Iterator[Outcome]:
        """Collect what a step leaves; publish it at the end, all of it or nothing.

        `made_from` has the `step.json` of each step that it reads, in the order of the steps; one
        that reads none begins an attempt. What an earlier run of the step left stays readable
        until then and is deleted after.

        Raises:
            BatchError: two of those it reads were made from different attempts.
            StoreError: the lake's store fails during the step, in Arrow or in Spark.
        """
        folder = uuid.uuid4().hex[:12]
        attempt = self._attempt_of(made_from) if made_from else folder
        outcome = Outcome(name, f"{name}/{folder}", attempt)
        started, clock = datetime.now(UTC), time.perf_counter()
        with self._failures(), self._attended():
            yield outcome
            result = {
                "step": name,
                "attempt": attempt,
                "started": started.isoformat(timespec="seconds"),
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(time.perf_counter() - clock, 2),
                "counts": outcome.counts,
                "datasets": {
                    dataset: left.document() for dataset, left in outcome.datasets.items()
                },
            }
            self.document(name, "step.json", result)
            for entry in self._entries(name):
                if entry.type == fs.FileType.Directory and entry.base_name != folder:
                    self._fs.delete_dir(entry.path)
            remove_abandoned_in(self._fs, f"{self._path}/{name}")

    def write(self, outcome: Outcome, name: str, rows: "DataFrame", format_: Format) -> Dataset:
        """Write a dataset by Spark; readers see it once the step has ended."""
        folder = f"{outcome.folder}/{name}"
        self._spark = rows.sparkSession
        writer = rows.write.mode("overwrite")
        try:
            if format_ == "csv":
                writer.options(**_CSV).csv(f"{self.root}/{folder}")
            else:
                # Twice as fast to write as zstd for a fifth more bytes. Who reads a dataset reads
                # all of it, so Sail need not work out what its pages range over.
                options = {"compression": "snappy", "statistics_enabled": "none"}
                writer.options(**options).parquet(f"{self.root}/{folder}")
        except Exception:
            if not self._on_s3:
                self._try_out(folder)
            raise
        names = [
            entry.path.removeprefix(f"{self._path}/")
            for entry in self._entries(folder, recursive=True)
            # Spark leaves markers and checksums of its own beside the data.
            if entry.type == fs.FileType.File and not entry.base_name.startswith(("_", "."))
        ]
        with ThreadPoolExecutor() as pool:
            files = tuple(pool.map(self._written, sorted(names)))
        schema = ", ".join(f"`{f.name}` {f.dataType.simpleString()}" for f in rows.schema.fields)
        outcome.datasets[name] = Dataset(format_, schema, files)
        return outcome.datasets[name]

    @contextmanager
    def create(self, outcome: Outcome, name: str, file: str) -> Iterator[Measured]:
        """A new file of a dataset, to write; `collect` publishes it with the others."""
        folder = f"{self._path}/{outcome.folder}/{name}"
        if not self._on_s3:
            self._fs.create_dir(folder, recursive=True)
        with self._fs.open_output_stream(f"{folder}/{file}") as stream:
            yield Measured(stream)

    def collect(
        self,
        outcome: Outcome,
        name: str,
        schema: pa.Schema,
        written: Mapping[str, Measured],
        format_: Format = "parquet",
    ) -> Dataset:
        """Make a dataset of files that Arrow wrote, by their names."""
        files = tuple(
            File(f"{outcome.folder}/{name}/{file}", measured.size, measured.sha256)
            for file, measured in sorted(written.items())
        )
        columns = ", ".join(f"`{field.name}` {_spark_type(field.type)}" for field in schema)
        outcome.datasets[name] = Dataset(format_, columns, files)
        return outcome.datasets[name]

    def discard(self, outcome: Outcome, name: str) -> None:
        """Delete a dataset that the step needs no more."""
        del outcome.datasets[name]
        folder = f"{self._path}/{outcome.folder}/{name}"
        if self._fs.get_file_info(folder).type == fs.FileType.Directory:
            self._fs.delete_dir(folder)

    def document(self, step: str, name: str, content: Document) -> None:
        """Write a JSON document beside the step's data, replacing it in one piece."""
        text = json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n"
        write_whole(self._fs, f"{self._path}/{step}/{name}", text.encode())

    def read_document(self, step: str, name: str) -> Document | None:
        """A document that the step left, or None.

        Raises:
            CorruptFile: it is no longer a JSON object.
        """
        with self._failures():
            try:
                with self._fs.open_input_stream(f"{self._path}/{step}/{name}") as stream:
                    text = stream.read()
            except FileNotFoundError:
                return None
        with self.reading(step, name):
            return parse(text)

    @contextmanager
    def reading(self, step: str, name: str) -> Iterator[None]:
        """Say of a document that cannot be read which it is, and what makes it anew.

        Raises:
            CorruptFile: instead of Unreadable.
        """
        try:
            yield
        except Unreadable as error:
            raise CorruptFile(
                f"{self.root}/{step}/{name} cannot be read: {error}; {self._anew(step)}"
            ) from error

    def forget(self, steps: Sequence[str]) -> None:
        """Delete what these steps left, since what they were made from is about to change."""
        with self._failures():
            for step in steps:
                # The result first: without it the rest is nobody's.
                for name in ("step.json", ""):
                    path = f"{self._path}/{step}/{name}".rstrip("/")
                    kind = self._fs.get_file_info(path).type
                    if kind == fs.FileType.File:
                        self._fs.delete_file(path)
                    elif kind == fs.FileType.Directory:
                        self._fs.delete_dir(path)

    def result(self, step: str) -> Document:
        """The `step.json` of a step that has ended.

        Beside what the step wrote it has `file` and `again`: where it is, and what makes it anew.

        Raises:
            BatchError: the step has not ended for this batch.
            CorruptFile: it is not what a step writes.
        """
        result = self.read_document(step, "step.json")
        if result is None:
            raise BatchError(
                f"batch {self.as_of}: {step} has left nothing in {self.root}; {self._anew(step)}"
            )
        with self.reading(step, "step.json"):
            described = read(_Described, result)
            if described.step != step:
                raise Unreadable("step: it is of another")
            for dataset in described.datasets.values():
                Dataset.from_document(dataset)
        return {**result, "file": f"{self.root}/{step}/step.json", "again": self._anew(step)}

    def dataset(self, step: str, name: str) -> Dataset:
        """A dataset of a step that has ended, each of its files checked.

        Raises:
            BatchError: the step has not ended for this batch.
            CorruptFile: a file is missing or is not the one that was written.
        """
        return self._checked(step, self._described(self.result(step), name))

    def _described(self, result: Document, name: str) -> Dataset:
        with self.reading(result["step"], "step.json"):
            if name not in result["datasets"]:
                raise Unreadable(f"datasets: there is no {name}")
            return Dataset.from_document(result["datasets"][name])

    def handed_over(self, result: Document, name: str, rows: int) -> Dataset:
        """A dataset of a step's `step.json`, which counted so many rows in it.

        Those of Parquet are compared with what its files have. Of CSV, who reads it counts them.

        Raises:
            CorruptFile: a file is missing or is not the one that was written, or the files do
                not have the rows that were counted.
        """
        step = result["step"]
        dataset = self._checked(step, self._described(result, name))
        if dataset.format == "parquet":
            with self._failures(), ThreadPoolExecutor() as pool:
                found = sum(pool.map(self._rows, dataset.files))
            if found != rows:
                raise CorruptFile(
                    f"{self.root}/{step}/step.json: the files of {name} have {found:,} rows, and "
                    f"{step} counted {rows:,}; {self._anew(step)}"
                )
        return dataset

    def documented(self, step: str, name: str) -> Dataset | None:
        """A dataset that the step has described in a document, whether or not it has ended.

        Raises:
            CorruptFile: a file is missing or is not the one that was written.
        """
        document = self.read_document(step, name)
        if document is None:
            return None
        with self.reading(step, name):
            dataset = Dataset.from_document(document)
        return self._checked(step, dataset)

    def _checked(self, step: str, dataset: Dataset) -> Dataset:
        with self._failures(), ThreadPoolExecutor() as pool:
            for file, found in zip(
                dataset.files, pool.map(self._measure, [f.path for f in dataset.files]), strict=True
            ):
                if found is None:
                    raise CorruptFile(
                        f"{self.root}/{file.path}, which {step} wrote, is missing; "
                        f"{self._anew(step)}"
                    )
                if file != found:
                    raise CorruptFile(
                        f"{self.root}/{file.path} has changed since {step} wrote it "
                        f"({file.size} bytes then, {found.size} now); {self._anew(step)}"
                    )
        return dataset

    def _attempt_of(self, results: Sequence[Document]) -> str | None:
        """The attempt of the feed that all of these were made from.

        Raises:
            BatchError: one was made from another; names the step to run again.
        """
        first, *others = results
        attempt: str | None = first.get("attempt")
        for other in others:
            if other.get("attempt") != attempt:
                raise BatchError(
                    f"batch {self.as_of}: {other['step']} was made from another attempt of the "
                    f"feed than {first['step']} ({other.get('attempt')}, not {attempt}); "
                    f"{self._anew(other['step'])}"
                )
        return attempt

    def _anew(self, step: str) -> str:
        return f"run: vitrina {step} --as-of {self.as_of}"

    def _written(self, path: str) -> File:
        """A file that Spark has just written.

        Raises:
            CorruptFile: it is not there any more.
        """
        file = self._measure(path)
        if file is None:
            raise CorruptFile(
                f"{self.root}/{path} has vanished since Spark wrote it; see that nothing else "
                "deletes files in the lake, and run the same command again"
            )
        return file

    def _rows(self, file: File) -> int:
        with self._fs.open_input_file(f"{self._path}/{file.path}") as source:
            rows: int = parquet.read_metadata(source).num_rows
            return rows

    def documents(self, step: str) -> list[File]:
        """The documents that a step left beside its data, as they are now."""
        with self._failures():
            names = [
                entry.base_name
                for entry in self._entries(step)
                if entry.type == fs.FileType.File and not entry.base_name.startswith(".")
            ]
            found = [self._measure(f"{step}/{name}") for name in sorted(names)]
            return [file for file in found if file is not None]

    def measure(self, paths: Sequence[str]) -> list[File | None]:
        """Files as they are now; None for one that is not there."""
        with self._failures(), ThreadPoolExecutor() as pool:
            return list(pool.map(self._measure, paths))

    def size(self) -> int:
        """The bytes of everything that the batch has here."""
        with self._failures():
            return sum(entry.size or 0 for entry in self._entries("", recursive=True))

    def delete(self) -> None:
        """Delete everything that the batch has here."""
        with self._failures():
            self._fs.delete_dir(self._path)

    def read(self, spark: "SparkSession", dataset: Dataset) -> "DataFrame":
        """The rows of a dataset, with the columns and types they were written with."""
        if not dataset.files:
            return spark.createDataFrame([], dataset.schema)
        self._spark = spark
        reader = spark.read.schema(dataset.schema)
        paths = [f"{self.root}/{file.path}" for file in dataset.files]
        if dataset.format == "csv":
            return reader.options(**_CSV).csv(paths)
        return reader.parquet(*paths)

    @contextmanager
    def open(self, file: File) -> Iterator[Any]:
        """A file's bytes, which Arrow reads in any order.

        Raises:
            StoreError: the lake's store fails while the file is open.
        """
        with (
            self._failures(),
            self._fs.open_input_file(f"{self._path}/{file.path}") as source,
        ):
            yield source

    def _failures(self) -> AbstractContextManager[None]:
        return lake_failures(self.root)

    def _attended(self) -> AbstractContextManager[None]:
        """While a step is at work: let go of Spark when S3 has fallen silent."""
        self._spark = None
        if not self._on_s3:
            return nullcontext()
        return attended(self._fs, self._path, self.root, self._let_go)

    def _let_go(self) -> bool:
        """Leave Spark, if it has worked on this lake; whether it has."""
        if self._spark is None:
            return False
        # Without another word to it, since it may be busy with S3. Whoever waits for it is told.
        self._spark.client.close()
        return True

    def _try_out(self, folder: str) -> None:
        """Write a file and delete it: on a disk that refuses Spark, to learn why it does.

        Raises:
            OSError: the disk refuses this file, too.
        """
        path = f"{self._path}/{folder}/.try"
        self._fs.create_dir(f"{self._path}/{folder}", recursive=True)
        try:
            with self._fs.open_output_stream(path) as stream:
                stream.write(bytes(_TRY_SIZE))
        finally:
            with suppress(OSError):
                self._fs.delete_file(path)

    def _entries(self, folder: str, *, recursive: bool = False) -> list[fs.FileInfo]:
        selector = fs.FileSelector(
            f"{self._path}/{folder}".rstrip("/"), recursive=recursive, allow_not_found=True
        )
        found: list[fs.FileInfo] = self._fs.get_file_info(selector)
        return found

    def _measure(self, path: str) -> File | None:
        """A file as it is now; None where there is none."""
        digest, size = hashlib.sha256(), 0
        try:
            with self._fs.open_input_stream(f"{self._path}/{path}") as stream:
                while chunk := stream.read(_READ_SIZE):
                    digest.update(chunk)
                    size += len(chunk)
        except FileNotFoundError:
            return None
        return File(path, size, digest.hexdigest())


def _spark_type(type_: pa.DataType) -> str:
    if pa.types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    return _SPARK_TYPES[type_]
