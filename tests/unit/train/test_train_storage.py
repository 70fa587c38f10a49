"""Storage on volumes, reading of files, and what is said when either does not work."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest
from pintle.train import storage
from pintle.train.outcome import Refusal
from pintle.train.reading import read_frame
from pintle.train.storage import Store, open_store


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a mounted claim called data."""
    monkeypatch.setattr(storage.folders, "VOLUMES", tmp_path)
    (tmp_path / "data").mkdir()

    def claim_path(uri: str) -> Path:
        return tmp_path / uri.removeprefix("pvc://")

    monkeypatch.setattr(storage.folders, "claim_path", claim_path)
    return tmp_path / "data"


def names(store: Store) -> list[str]:
    return [info.name for info in store.list()]


def test_names_are_relative_to_the_uri(claim: Path) -> None:
    """A listing holds what lies below the URI, named from there, and nothing beside it."""
    for name in ("a/x.csv", "a/b/y.csv", "ab/z.csv"):
        (claim / name).parent.mkdir(parents=True, exist_ok=True)
        (claim / name).write_text(name)
    assert names(open_store("pvc://data/a")) == ["b/y.csv", "x.csv"]
    assert names(open_store("pvc://data")) == ["a/b/y.csv", "a/x.csv", "ab/z.csv"]


def test_root_of_an_ext4_volume_can_be_listed(claim: Path) -> None:
    """lost+found, which only root may enter, is not entered; everything else at the root of a claim is found."""
    for name in ("lost+found/x.csv", "a/y.csv", "z.csv"):
        (claim / name).parent.mkdir(exist_ok=True)
        (claim / name).write_text(name)
    assert names(open_store("pvc://data")) == ["a/y.csv", "z.csv"]


def test_uri_may_name_one_file(claim: Path, tmp_path: Path) -> None:
    """A URI that ends with .parquet or .csv is that file alone."""
    (claim / "x.csv").write_text("a\n1\n")
    (claim / "y.csv").write_text("b\n2\n")
    store = open_store("pvc://data/x.csv")
    assert names(store) == ["x.csv"]
    store.download("x.csv", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "a\n1\n"


def test_objects_are_written_whole_and_read_back(claim: Path) -> None:
    """put replaces, read returns the bytes, and None where there is nothing."""
    store = open_store("pvc://data/new/folder", create=True)
    store.put("x", b"1")
    store.put("x", b"2")
    assert store.read("x") == b"2"
    assert store.read("y") is None
    assert (claim / "new" / "folder" / "x").read_bytes() == b"2"


def test_silent_s3_server_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer ends with 75 and the URI, not with a traceback."""
    (tmp_path / "AWS_ENDPOINT_URL").write_text("http://127.0.0.1:1")
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("a")
    (tmp_path / "AWS_SECRET_ACCESS_KEY").write_text("b")
    monkeypatch.setattr(storage, "RETRY", {"max_retries": 0})
    with pytest.raises(Refusal, match="s3://bucket/x: storage does not answer") as refused:
        open_store("s3://bucket/x", tmp_path).list()  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.reason) == (75, "StorageUnavailable")


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    """CSV, compressed CSV and Parquet of the same rows read alike; text that looks like numbers stays text."""
    frame = pd.DataFrame({"code": ["01", "02"], "x": [1.5, None], "unused": [1, 2]})
    frame.to_parquet(tmp_path / "0")
    frame.to_csv(tmp_path / "1", index=False)
    (tmp_path / "2").write_bytes(gzip.compress((tmp_path / "1").read_bytes()))
    for number, name in enumerate(("a.parquet", "a.csv", "a.csv.gz")):
        found = read_frame([(name, tmp_path / str(number))], {"code", "x"}, {"code"})
        pd.testing.assert_frame_equal(found, frame[["code", "x"]], check_dtype=False)


def test_column_that_changes_its_type_is_named(tmp_path: Path) -> None:
    """A column that is a number in one partition and text in the next is bad data, with both names."""
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "0")
    pd.DataFrame({"x": ["a"]}).to_parquet(tmp_path / "1")
    files = [("2013-01.parquet", tmp_path / "0"), ("2013-02.parquet", tmp_path / "1")]
    with pytest.raises(
        Refusal, match=r"a string in 2013-02\.parquet: 1 of 1 rows are no number, 'a' in row 1"
    ) as refused:
        read_frame(files, None, set())
    assert refused.value.code == 65


def test_missing_column_and_empty_column_fit_together(tmp_path: Path) -> None:
    """Integers and floats mix, a column that is empty or absent in one file is missing there."""
    pd.DataFrame({"x": [1], "y": [None]}).to_parquet(tmp_path / "0")
    pd.DataFrame({"x": [1.5], "y": ["a"], "z": [1]}).to_parquet(tmp_path / "1")
    found = read_frame([("0.parquet", tmp_path / "0"), ("1.parquet", tmp_path / "1")], None, set())
    assert found["x"].tolist() == [1.0, 1.5]
    assert found["z"].isna().tolist() == [True, False]


def test_broken_file_is_named(tmp_path: Path) -> None:
    """A file that is no Parquet is bad data, by its name in storage."""
    (tmp_path / "0").write_bytes(b"nothing")
    with pytest.raises(Refusal, match=r"2013-01\.parquet cannot be read") as refused:
        read_frame([("2013-01.parquet", tmp_path / "0")], None, set())
    assert refused.value.code == 65
