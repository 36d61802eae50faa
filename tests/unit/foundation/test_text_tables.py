"""Tables that people bring: nothing is guessed, and what statistical offices and Excel write is read as it is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rankscape.foundation.errors import InputError, TableError
from rankscape.foundation.text_tables import TableFormat, read_text_table, strange_text
from rankscape.foundation.user_tables import as_numbers, difference, keys, read_user_table

NAN = float("nan")
WORLD_BANK = (
    '"Data Source","World Development Indicators",\n\n"Last Updated Date","2020-01-01",\n\n'
    '"Country Name","Country Code","2019","2020",\n"Namibia","NAM","..","1,234.5",\n"Chad","TCD","3.5","2,000.1",\n'
    '\n"Source: the World Bank"\n'
)


def numbers_in(path: Path, column: str = "n", **form: object) -> list[float]:
    frame = read_user_table(path, (column,), TableFormat(**form)).frame
    return as_numbers(frame[column], f"{path.name}: {column}", [f"row {row}" for row in range(len(frame))]).tolist()


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,n\na,1\nb,\nc,2.5\n", [1, NAN, 2.5]),
        ('id,n\na,"1,000"\nb,"2,500"\n', [1000, 2500]),
        ("id;n\na;3,5\nb;1.234,75\n", [3.5, 1234.75]),
        ("id;m;n\na;3,5;1.000\nb;4,25;2.500\n", [1000, 2500]),
        ("id;n\na;1'234.5\nb;2'000'000\n", [1234.5, 2e6]),
        ("id;n\na;1\u202f234,5\nb;2\u00a0000\n", [1234.5, 2000]),
        ("id\tn\na\t12.3 e\nb\t: c\nc\t:\n", [12.3, NAN, NAN]),
        ("id,n\na,..\nb,#N/A\nc,7\n", [NAN, NAN, 7]),
        ("sep=;\nid;n\na;1\n", [1]),
        ("id|n\na|1e3\nb|-2\n", [1000, -2]),
        ("id,n\na,\N{MINUS SIGN}3\nb,+4\n", [-3, 4]),
        ("\ufeffid,n\r\na,1\r\n", [1]),
        (",id,n\n0,a,1\n1,b,2\n", [1, 2]),
        ('id,n\n"two\nlines",1\n', [1]),
        ("id,n,\na,1,\nb,2,\n", [1, 2]),
        ('id,n\na,"1,23,456"\nb,"12,34,567"\nc,"50,000"\n', [123456, 1234567, 50000]),
    ],
)
def test_numbers_are_read_as_they_were_meant(tmp_path, text, expected):
    np.testing.assert_array_equal(numbers_in(write(tmp_path, text)), expected)


def test_an_export_of_the_world_bank_has_lines_above_and_below(tmp_path, capsys):
    path = write(tmp_path, WORLD_BANK)
    table = read_user_table(path, ("Country Code", "2020"))
    assert list(table.frame.columns) == ["Country Name", "Country Code", "2019", "2020"]
    assert table.lines == [6, 7]
    np.testing.assert_array_equal(as_numbers(table.frame["2019"], "2019", ["a", "b"]), [NAN, 3.5])
    np.testing.assert_array_equal(as_numbers(table.frame["2020"], "2020", ["a", "b"]), [1234.5, 2000.1])
    assert "1 lines of a single cell" in capsys.readouterr().err


EUROSTAT = "freq,unit,geo\\TIME_PERIOD\t2019 \t2020 \nA,PC,DE\t12.3 e\t: c\nA,PC,FR\t: \t4.5\n"


@pytest.mark.parametrize("name", ["t.tsv", "t.csv"])
def test_an_export_of_eurostat_writes_several_columns_into_one(tmp_path, name):
    frame = read_user_table(write(tmp_path, EUROSTAT, name), ("geo", "2020")).frame
    assert list(frame.columns) == ["freq", "unit", "geo", "2019", "2020"]
    assert frame["geo"].tolist() == ["DE", "FR"]
    np.testing.assert_array_equal(as_numbers(frame["2019"], "2019", ["DE", "FR"]), [12.3, NAN])
    np.testing.assert_array_equal(as_numbers(frame["2020"], "2020", ["DE", "FR"]), [NAN, 4.5])


def test_lines_above_the_names_are_passed_over_without_a_needed_column_too(tmp_path):
    assert list(read_user_table(write(tmp_path, WORLD_BANK)).frame.columns)[:2] == ["Country Name", "Country Code"]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("NA", "n of row 1 is 'NA', which is no number: leave the cell empty .* list 'NA' in `missing`"),
        ("inf", "is 'inf'"),
        ("nan", "is 'nan'"),
        ("12 %", "without the sign"),
        ("2020-01-02", "is '2020-01-02', which is no number"),
        ("1_000", "is '1_000'"),
    ],
)
def test_a_word_for_a_number_is_refused_by_row_and_value(tmp_path, cell, said):
    with pytest.raises(TableError, match=said):
        numbers_in(write(tmp_path, f"id,n\na,1\nb,{cell}\n"))


@pytest.mark.parametrize("text", ["id;n\na;1,000\nb;2,500\n", "id;n\na;1.000\nb;2.500\n", "id\tn\na\t1,5\nb\t1.5\n"])
def test_a_mark_that_could_be_either_is_asked_for(tmp_path, text):
    with pytest.raises(TableError, match="may group thousands or begin decimals: set `decimal`"):
        numbers_in(write(tmp_path, text))


def test_the_decimal_mark_and_words_for_unknown_numbers_are_settings(tmp_path):
    path = write(tmp_path, "id;n\nNA;1,000\nb;2,500\nc;NA\n")
    np.testing.assert_array_equal(numbers_in(path, decimal=",", missing=("NA",)), [1.0, 2.5, NAN])
    np.testing.assert_array_equal(numbers_in(path, decimal=".", missing=("NA",)), [1000, 2500, NAN])
    assert read_user_table(path, (), TableFormat(missing=("NA",))).frame["id"].tolist() == ["NA", "b", "c"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_encodings_are_found_out(tmp_path, encoding):
    path = write(tmp_path, "id;n\nZürich;1\nCôte;2\nKøbenhavn;3\nGroß-Österreich;4\n".encode(encoding))
    assert read_user_table(path).frame["id"].tolist() == ["Zürich", "Côte", "København", "Groß-Österreich"]


@pytest.mark.parametrize(("text", "encoding"), [("成都市", "gbk"), ("Москва", "cp1251"), ("東京都", "shift-jis")])
def test_text_of_another_script_asks_for_its_encoding(tmp_path, text, encoding):
    path = write(tmp_path, f"id,n\n{text},1\n".encode(encoding))
    with pytest.raises(TableError, match=r"is no UTF-8, .*set `encoding`"):
        read_user_table(path)
    assert read_user_table(path, (), TableFormat(encoding=encoding)).frame["id"].tolist() == [text]
    with pytest.raises(InputError, match="encoding = 'klingon' is not known"):
        read_user_table(path, (), TableFormat(encoding="klingon"))


def test_words_of_western_europe_are_not_taken_for_garbage():
    assert (
        strange_text(["Île-de-France", "Straße", "naïve", "km²", "5 °C", "Łódź", "São Tomé", "中国", "Ελλάδα"]) is None
    )
    assert strange_text(["MÃ¼nchen"]) is not None
    assert strange_text(["³É¶¼ÊÐ"]) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,n\na,1\nb,1,2\n", r"line 3: more cells than columns: \['2'\]"),
        ("id,n,m\na,1,3\nb,1\n", "line 3: 2 cells, and 3 columns"),
        ("id,n,n\na,1,3\n", r"line 1: repeated columns \['n'\]"),
        ("", "has no rows"),
        ("iso,n\na,1\n", r"lacks the columns \['id'\]; it has iso, n"),
        (b"PK\x03\x04abc", "is a workbook"),
        (b"id,n\n\x00\x01,2\n", "no text"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path, text, said):
    with pytest.raises(TableError, match=said):
        read_user_table(write(tmp_path, text), ("id",))


def test_a_missing_file_and_an_unknown_suffix_are_one_line(tmp_path):
    for name in ("none.csv", "none.xlsx", "none.parquet"):
        with pytest.raises(TableError, match="does not exist"):
            read_user_table(tmp_path / name)
    with pytest.raises(TableError, match=r"no table: .csv"):
        read_user_table(write(tmp_path, "x", "t.doc"))


def test_capitals_in_a_suffix_do_not_matter(tmp_path):
    assert read_user_table(write(tmp_path, "id,n\na,1\n", "T.CSV")).frame["n"].tolist() == ["1"]
    pd.DataFrame({"id": [1, 2.0], "code": ["01", "NA"], 2020: [1.5, None]}).to_excel(tmp_path / "t.xlsx", index=False)
    frame = read_user_table((tmp_path / "t.xlsx").rename(tmp_path / "T.XLSX"), ("id", "2020")).frame
    assert keys(frame["id"]).tolist() == ["1", "2"]
    assert frame["code"].tolist() == ["01", "NA"]
    np.testing.assert_array_equal(as_numbers(frame["2020"], "2020", ["a", "b"]), [1.5, NAN])


def test_tab_separated_rows_may_end_early(tmp_path):
    table = read_text_table(write(tmp_path, "id\tn\tm\na\t1\n", "t.tsv"))
    assert table.rows == [["a", "1", None]]


def test_both_sides_of_a_join_are_written_by_one_rule():
    assert keys(pd.Series(["01", "1.0", "NA", None, " b\u00a0", "e\u0301"])).tolist() == [
        "01",
        "1",
        "NA",
        None,
        "b",
        "é",
    ]
    assert keys(pd.Series([1.0, 2.5, NAN])).tolist() == ["1", "2.5", None]
    assert keys(pd.Series([1, 24])).tolist() == ["1", "24"]
    assert keys(pd.Series([1, None], dtype="Int64")).tolist() == ["1", None]


@pytest.mark.parametrize(
    ("wanted", "there", "said"),
    [
        ({"01"}, {"1"}, "'01' and '1' differ by leading zeros"),
        ({"Bern"}, {"BERN"}, "differ by capitals"),
        ({"North West"}, {"north-west"}, "differ by blanks and hyphens"),
    ],
)
def test_a_note_says_by_what_keys_differ(wanted, there, said):
    assert said in difference(wanted, there)
    assert difference({"a"}, {"b"}) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('id,n\na,1\n"b,2\nc,3\n', 3),
        ('id,n\n"a,1\n"b",2\n', 2),
        ('id,n\na,1\nb,"2\nc,3\n', 3),
        ('sep=,\nid,n\n"a,1\nb,2\n', 3),
    ],
)
def test_an_open_quote_swallows_no_rows(tmp_path, text, line):
    path = write(tmp_path, text)
    with pytest.raises(TableError, match=f"line {line}: a quote that is never closed"):
        read_text_table(path, ("id",))
