"""Places that two granules share count once."""

import numpy as np
import pytest
from rankscape.samples.overlap import distinct_places
from rankscape.samples.patches import index_of, read_index
from rankscape.spatial.geometry import centres


@pytest.fixture
def index(patch_store):
    """Make the index of a granule of 4 x 4 patches of 80 m."""

    def make(granule, east_m=400_000.0, usable=None, crs="EPSG:32603"):
        pixels = np.ones((32, 32, 3), np.uint8)
        path = patch_store(granule, pixels=pixels, origin_m=(east_m, 4_500_000.0), usable=usable, crs=crs)
        return read_index(index_of(path))

    return make


def test_granules_apart_keep_all_places(index):
    masks = distinct_places([index("03TVF"), index("03TWF", east_m=410_000)])
    assert all(mask.all() for mask in masks)


def test_the_later_granule_gives_up_what_the_earlier_one_covers(index):
    first, second = index("03TVF"), index("03TWF", east_m=400_160)
    masks = distinct_places([first, second])
    assert masks[0].all()
    np.testing.assert_array_equal(masks[1].reshape(4, 4), [[False, False, True, True]] * 4)


def test_two_dates_of_one_place_are_two_pictures_of_land_that_counts_once(index):
    granules = [index("03TVF"), index("03TVF_2016"), index("03TWF", east_m=400_160)]
    assert [int(mask.sum()) for mask in distinct_places(granules)] == [16, 0, 8]
    masks = distinct_places(granules, every_date=True)
    assert masks[0].all()
    assert masks[1].all()
    np.testing.assert_array_equal(masks[2].reshape(4, 4), [[False, False, True, True]] * 4)


def test_a_cloud_at_one_date_hides_no_other_date(index):
    clear = np.arange(16) > 0
    masks = distinct_places([index("03TVF", usable=clear), index("03TVF_2016")], every_date=True)
    assert [int(mask.sum()) for mask in masks] == [16, 16]


def test_ids_decide_and_not_the_order_given(index):
    first, second = index("03TVF"), index("03TWF", east_m=400_160)
    forth, back = distinct_places([first, second]), distinct_places([second, first])
    np.testing.assert_array_equal(forth[0], back[1])
    np.testing.assert_array_equal(forth[1], back[0])


def test_what_is_not_usable_covers_nothing(index):
    usable = np.ones(16, bool)
    usable[[2, 3]] = False
    masks = distinct_places([index("03TVF", usable=usable), index("03TWF", east_m=400_160)])
    np.testing.assert_array_equal(masks[1].reshape(4, 4)[0], [True, True, True, True])
    np.testing.assert_array_equal(masks[1].reshape(4, 4)[1], [False, False, True, True])


def test_a_centre_on_the_seam_of_two_patches_is_covered(index):
    masks = distinct_places([index("03TVF"), index("03TWF", east_m=400_040)])
    assert masks[1].reshape(4, 4)[:, :3].sum() == 0


def test_granules_of_two_zones_meet(index):
    west = index("03TVF")
    east, north = centres(west, "EPSG:32604")
    neighbour = west.to_crs("EPSG:32604").assign(granule="04TAL")
    neighbour.geometry = west.geometry.to_crs("EPSG:32604")
    masks = distinct_places([west, neighbour])
    assert masks[0].all()
    assert not masks[1].any()
    assert np.isfinite(east).all()
    assert np.isfinite(north).all()


def test_three_granules_and_none(index):
    masks = distinct_places([index("03TVF"), index("03TWF"), index("03TXF")])
    assert [int(mask.sum()) for mask in masks] == [16, 0, 0]
    assert distinct_places([]) == []
    empty = index("03TVF").iloc[:0]
    assert [len(mask) for mask in distinct_places([empty, index("03TWF")])] == [0, 16]


def test_places_that_another_projection_does_not_reach_are_not_covered(index):
    far = index("60KXF", crs="EPSG:32760")
    masks = distinct_places([index("30TVF", crs="EPSG:32630"), far])
    assert masks[1].all()
