import datetime
from pathlib import Path

import pytest
from rankscape.foundation.errors import GranuleTableError, SettingsError
from rankscape.scenes.granule_table import Window, current_rows, read_granule_table

HEADER = "granule\trole\tstart\tend\tmax_cloud_percent"
ROW = "48RVV\tfit\t2022-04-01\t2022-10-31\t20"
OTHER = ROW.replace("48RVV", "48RVU")
DATED = HEADER + "\tperiod\tplace"
LATER = ROW.replace("48RVV", "late")


def write(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "region.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_come_in_the_order_of_the_sheet(tmp_path):
    sheet = read_granule_table(write(tmp_path, HEADER, "51RUQ\tapply\t2022-04-01\t2022-10-31\t5.5", "", ROW))
    assert list(sheet) == ["51RUQ", "48RVV"]
    row = sheet["51RUQ"]
    assert (row.role, row.start, row.max_cloud_percent) == ("apply", datetime.date(2022, 4, 1), 5.5)


def test_a_byte_order_mark_other_line_ends_and_spaces_do_no_harm(tmp_path):
    path = tmp_path / "region.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{ROW.replace('fit', ' fit ')}\r\n".encode())
    assert read_granule_table(path)["48RVV"].role == "fit"


def test_a_folder_needs_no_dates_and_any_name(tmp_path):
    sheet = read_granule_table(write(tmp_path, "granule\trole\ttiles", "north_county\tfit\ttiles/north"))
    assert sheet["north_county"].tiles == "tiles/north"
    assert sheet["north_county"].located


def test_a_raster_needs_no_dates_and_any_name(tmp_path):
    row = read_granule_table(write(tmp_path, "granule\trole\traster", "plain\tfit\tplain.tif"))["plain"]
    assert (row.local, row.located, row.location) == ("plain.tif", True, "plain")


@pytest.mark.parametrize(("old", "new"), [("folder", "tiles"), ("pictures", "images")])
def test_columns_of_earlier_versions_are_refused_with_their_new_names(tmp_path, old, new):
    with pytest.raises(GranuleTableError, match=f"region.tsv: {old} is now {new}: rename the column"):
        read_granule_table(write(tmp_path, f"granule\trole\t{old}", "a\tfit\tb"))


def test_images_need_no_dates_and_have_no_place(tmp_path):
    sheet = read_granule_table(write(tmp_path, "granule\trole\timages", "towns\tfit\ttiles/towns"))
    assert sheet["towns"].images == "tiles/towns"
    assert not sheet["towns"].located


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([HEADER + "\tcolour", ROW + "\tred"], ["unknown columns ['colour']"]),
        (["role\tstart", "fit\t2022-04-01"], ["lacks the columns ['granule']"]),
        ([HEADER + "\trole", ROW + "\tfit"], ["repeated columns ['role']"]),
        ([HEADER.replace("\t", " "), ROW], ["lacks the columns ['granule', 'role']", "it has granule role"]),
        ([HEADER, ROW, ROW.replace("fit", "apply")], ["granule 48RVV is listed twice"]),
        ([HEADER, ROW.replace("fit", "test")], ["line 2", "role = 'test'", "'fit' or 'apply'"]),
        ([HEADER, ROW, ROW.replace("48RVV", "48XXX")], ["line 3", "'48XXX' is no MGRS granule"]),
        ([HEADER, ROW.replace("48RVV", "../48RVV")], ["line 2", "granule = '../48RVV'"]),
        ([HEADER, ROW.replace("48RVV", "61RVV")], ["'61RVV' is no MGRS granule"]),
        ([HEADER, ROW.replace("2022-10-31", "2022-01-31")], ["start 2022-04-01 is after end 2022-01-31"]),
        ([HEADER, ROW.replace("2022-10-31", "31.10.2022")], ["end = '31.10.2022'", "date"]),
        ([HEADER, ROW.removesuffix("20") + "120"], ["max_cloud_percent = '120'", "less than or equal to 100"]),
        ([HEADER, ROW.removesuffix("20") + "nan"], ["max_cloud_percent"]),
        ([HEADER, ROW.removesuffix("20")], ["max_cloud_percent must be given, or one of raster, tiles, images"]),
        (["granule\trole\ttiles\timages", "a\tfit\tb\tc"], ["tiles and images are both given; give one"]),
        ([HEADER, ROW + "\t7"], ["line 2", "more cells than columns: ['7']"]),
        ([HEADER, ROW.replace("48RVV", "")], ["granule is missing"]),
        ([HEADER, ROW.replace("fit", "apply")], ["no granule has the role `fit`"]),
        ([HEADER], ["no granule has the role `fit`"]),
        ([""], ["has no rows"]),
        ([DATED, ROW + "\t2022", OTHER + "\t"], ["without a period: 48RVU", "Give all rows"]),
        ([DATED, ROW + "\tnow"], ["line 2", "period = 'now'"]),
        ([DATED, ROW + "\t2016--2022"], ["line 2", "period = '2016--2022'"]),
        ([DATED, ROW + "\t2022", LATER + "\t2022\t48RVV"], ["48RVV and late both show the place 48RVV", "2022"]),
        ([DATED, ROW, LATER + "\t\t48RVV"], ["48RVV and late both show the place 48RVV", "no period"]),
        ([DATED, LATER + "\t2022\ttown"], ["line 2", "'town' is no MGRS granule"]),
    ],
)
def test_a_wrong_sheet_is_one_line_with_file_line_and_value(tmp_path, lines, said):
    with pytest.raises(GranuleTableError) as caught:
        read_granule_table(write(tmp_path, *lines))
    message = str(caught.value)
    assert "region.tsv" in message
    assert "\n" not in message
    assert all(part in message for part in said), message


def test_a_missing_and_a_binary_sheet_are_one_line(tmp_path):
    with pytest.raises(GranuleTableError, match="does not exist"):
        read_granule_table(tmp_path / "none.tsv")
    (tmp_path / "b.tsv").write_bytes(b"granule\trole\n\x81\x8d\tfit\n")
    with pytest.raises(GranuleTableError, match="UTF-8"):
        read_granule_table(tmp_path / "b.tsv")
    (tmp_path / "long.tsv").write_text(f"granule\trole\n{'a' * 200_000}\tfit\n")
    with pytest.raises(GranuleTableError, match="field larger"):
        read_granule_table(tmp_path / "long.tsv")


def test_a_window_holds_what_search_needs_and_nothing_else(tmp_path):
    row = read_granule_table(write(tmp_path, HEADER, ROW))["48RVV"]
    window = row.window()
    assert window.canonical() == (
        '{"end":"2022-10-31","granule":"48RVV","max_cloud_percent":20.0,"start":"2022-04-01"}'
    ), "another text would search every granule again"
    with pytest.raises(SettingsError, match="role is no known key"):
        Window.checked(row.model_dump(mode="json"), "row")


def test_a_row_of_an_earlier_date_searches_its_place_and_is_not_current(tmp_path):
    sheet = read_granule_table(write(tmp_path, DATED, ROW + "\t2016", LATER + "\t2022-02\t48RVV", OTHER + "\t2016"))
    assert sheet["late"].window().granule == "48RVV"
    assert sheet["late"].location == sheet["48RVV"].location == "48RVV"
    assert current_rows(sheet) == ["late", "48RVU"], "every place at its own latest date"


def test_without_periods_all_rows_are_current(tmp_path):
    assert current_rows(read_granule_table(write(tmp_path, HEADER, ROW, OTHER))) == ["48RVV", "48RVU"]
