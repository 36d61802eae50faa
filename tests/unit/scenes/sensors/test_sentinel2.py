"""Sentinel-2: items of the public catalogues, raw numbers to reflectance, and what counts as clear."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rankscape.foundation.errors import RasterError
from rankscape.scenes.sensors.sentinel2 import SENSOR, observed, offset_of, reflectance
from unit.scenes.synthetic_scenes import make_item


@pytest.mark.parametrize(
    ("stated", "offset_dn", "source"),
    [
        ({"s2__processing_baseline": "03.01"}, 0, "processing baseline 03.01"),
        ({"s2__processing_baseline": "04.00"}, -1000, "processing baseline 04.00"),
        # Collection 1 gave scenes of 2016 the baseline 05.00: the date says nothing.
        ({"s2__processing_baseline": "05.00", "datetime": "2016-07-01T10:00:00Z"}, -1000, "processing baseline 05.00"),
        ({"s2__processing_baseline": "02.14", "datetime": "2023-07-01T10:00:00Z"}, 0, "processing baseline 02.14"),
        ({"earthsearch__boa_offset_applied": True}, 0, "earthsearch:boa_offset_applied"),
        ({"sentinel__boa_offset_applied": True}, 0, "sentinel:boa_offset_applied"),
        ({"earthsearch__boa_offset_applied": False}, -1000, "processing baseline 05.09"),
        ({"s2__processing_baseline": "absent", "processing__version": "05.10"}, -1000, "processing baseline 05.10"),
    ],
)
def test_offset_is_the_items_own_word(stated, offset_dn, source):
    assert offset_of(make_item(1, **stated)) == (offset_dn, source)


def test_an_item_that_does_not_tell_its_offset_is_refused():
    with pytest.raises(RasterError, match=r"Item S2A_01 states no processing baseline.*s2:processing_baseline"):
        offset_of(make_item(1, s2__processing_baseline="absent"))


def test_golden_reflectance():
    dn = np.array([0, 1, 999, 1000, 1500, 11000, 65535], np.uint16)
    seen = observed(dn)
    assert seen.tolist() == [False] + [True] * 6
    # What the offset takes below 0 is dark, not missing.
    expected = np.array([np.nan, 0, 0, 0, 0.05, 1, 1], np.float32)
    np.testing.assert_array_equal(reflectance(dn, -1000, seen), expected)
    assert reflectance(dn, 0, seen)[4] == np.float32(0.15)
    assert reflectance(dn, 0, seen).dtype == np.float32


def test_the_files_own_marks_of_no_data_count():
    dn = np.array([np.nan, -3.4e38, 0, 7, 1234.5], np.float32)
    assert observed(dn, nodata=7).tolist() == [False, False, False, False, True]
    assert observed(dn, nodata=float("nan")).tolist() == [False, False, False, True, True]


@given(arrays.arrays(np.uint16, (4, 5)), st.sampled_from([0, -1000]))
def test_reflectance_stays_in_range_and_keeps_what_was_seen(dn, offset_dn):
    seen = observed(dn)
    values = reflectance(dn, offset_dn, seen)
    assert np.array_equal(~np.isnan(values), dn > 0)
    assert np.all((values[seen] >= 0) & (values[seen] <= 1))


def test_clouds_and_shadows_are_not_clear():
    classes = np.array([0, 3, 4, 8, 9, 10, 11, 4])
    seen = np.array([False, True, True, True, True, True, True, False])
    clear = SENSOR.clear(seen, classes, SENSOR.cloud_classes)
    assert clear.tolist() == [False, False, True, False, False, False, True, False]


def test_without_a_classification_all_that_was_seen_is_clear():
    seen = np.array([True, False])
    assert SENSOR.clear(seen, None, (3,)).tolist() == [True, False]
