"""Days out of dates and times: patterns, zones, and what is no day."""

import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.pieces import fates_of, rows_of, store_of
from vitrina.errors import ExportError

MALFORMED, IMPOSSIBLE = ["sale_date_malformed"], ["sale_date_impossible"]

PATTERNS = {
    "dd.MM.yyyy": "%d.%m.%Y",
    "MM/dd/yyyy": "%m/%d/%Y",
    "d/M/yyyy H:mm": "{0.day}/{0.month}/%Y {0.hour}:%M",
    "M/d/yyyy h:mm a": "{0.month}/{0.day}/%Y {1}:%M %p",
    "yyyyMMdd": "%Y%m%d",
    "dd.MM.yy HH:mm:ss": "%d.%m.%y %H:%M:%S",
    "yyyy-MM-dd": "%Y-%m-%d",
    "yyyy-MM-dd'T'HH:mm:ss,SSS": "%Y-%m-%dT%H:%M:%S,123",
    "HH:mm dd.MM.yyyy г.": "%H:%M %d.%m.%Y г.",
    "iso": "%Y-%m-%d %H:%M:%S",
}


moments = st.datetimes(
    datetime.datetime.fromisoformat("2001-01-01"), datetime.datetime.fromisoformat("2098-12-31")
)


def written(format_: str, zone: str | None = None) -> str:
    named = f', zone = "{zone}"' if zone else ""
    return f'column = "day", format = "{format_}"{named}'


def days(
    format_: str,
    *texts: str | None,
    zone: str | None = None,
    typed: bool = False,
    here: str = "Europe/Moscow",
) -> list[object]:
    store = store_of(top=f'time_zone = "{here}"', sale_date=written(format_, zone))
    return fates_of(rows_of(store, day=texts, typed=["day"] if typed else []), "sale_date")


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("2026-11-24", "2026-11-24"),
        ("2026-10-31T23:30:00-05:00", "2026-11-01"),
        ("2026-10-31T22:15:00Z", "2026-11-01"),
        ("2026-11-01T00:30:00+03:00", "2026-11-01"),
        ("2026-11-01 00:30:00", "2026-11-01"),
        ("2026-10-31T20:59:59.999Z", "2026-10-31"),
        ("2026-10-31T21:00:00Z", "2026-11-01"),
        ("2026-10-31 21:00 UTC", "2026-11-01"),
        ("2026-11-02 09:59:00 +0300", "2026-11-02"),
        ("2026-10-31T21:00:00.123456789Z", "2026-11-01"),
        ("1793494800", MALFORMED),
        ("20261101", MALFORMED),
        ("2026-1-1", MALFORMED),
        ("2026-11-01T", MALFORMED),
        ("01.11.2026", MALFORMED),
        ("46328", MALFORMED),
        ("２０２６-11-01", MALFORMED),
        ("2026-10-31T24:00:00", IMPOSSIBLE),
        ("2026-10-31T23:60:00", IMPOSSIBLE),
        ("2026-10-31T23:59:60Z", IMPOSSIBLE),
        ("2026-02-30T10:00:00", IMPOSSIBLE),
        ("2026-13-01T10:00:00Z", IMPOSSIBLE),
        ("0000-01-01T10:00:00", IMPOSSIBLE),
        ("0001-01-01T00:30:00+03:30", IMPOSSIBLE),
        ("9999-12-31T23:30:00Z", IMPOSSIBLE),
        ("2026-10-31T10:00:00+25:00", IMPOSSIBLE),
        ("", ""),
        (None, None),
    ],
)
def test_a_day_is_that_of_the_stores_zone(text: str | None, fate: str | list[str] | None) -> None:
    assert days("iso", text) == [fate]
    # Beside others of its column, too.
    others = ("2026-11-24", "2026-11-24T10:00:00", "2026-11-24T22:00:00Z")
    assert days("iso", *others, text) == ["2026-11-24", "2026-11-24", "2026-11-25", fate]


@given(
    moments,
    st.sampled_from(sorted(PATTERNS)),
)
def test_any_day_written_in_any_pattern_comes_back(moment: datetime.datetime, format_: str) -> None:
    text = moment.strftime(PATTERNS[format_]).format(moment, moment.hour % 12 or 12)
    assert days(format_, text, None) == [moment.date().isoformat(), None]


zones = st.sampled_from(
    [
        "Europe/Moscow",
        "America/New_York",
        "Asia/Kolkata",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "UTC",
    ]
)
offsets = st.integers(-14 * 60, 14 * 60)


@given(
    st.lists(
        st.tuples(moments, offsets),
        min_size=1,
        max_size=6,
    ),
    zones,
)
def test_a_moment_has_one_day_in_the_stores_zone(
    told: list[tuple[datetime.datetime, int]], here: str
) -> None:
    aware = [
        each.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=offset)))
        for each, offset in told
    ]
    expected = [each.astimezone(ZoneInfo(here)).date().isoformat() for each in aware]
    assert days("iso", *(each.isoformat() for each in aware), here=here) == expected
    spaced = [each.strftime("%d.%m.%Y %H:%M:%S %z") for each in aware]
    assert days("dd.MM.yyyy HH:mm:ss Z", *spaced, here=here) == expected


@given(moments, zones, zones)
def test_a_time_without_a_zone_is_of_the_zone_that_is_declared(
    moment: datetime.datetime, there: str, here: str
) -> None:
    local = (
        moment
        if here == there
        else moment.replace(tzinfo=ZoneInfo(there)).astimezone(ZoneInfo(here))
    )
    found = days("iso", moment.isoformat(), moment.isoformat(" ", "minutes"), zone=there, here=here)
    assert found == [local.date().isoformat()] * 2


def test_summer_time_goes_on_after_2037() -> None:
    # 03:59 in UTC is 23:59 of the day before in New York's summer.
    assert days("iso", "2040-07-02T03:59:00Z", here="America/New_York") == ["2040-07-01"]
    assert days("iso", "2040-07-02T04:00:00Z", here="America/New_York") == ["2040-07-02"]


def test_a_date_has_no_zone() -> None:
    assert days("iso", "2026-11-24", zone="Pacific/Apia", here="America/New_York") == ["2026-11-24"]


def test_the_hour_that_clocks_show_twice_is_the_first_and_the_one_they_skip_is_as_before() -> None:
    # In Berlin, clocks went back at 03:00 on 25 October 2026, so that 02:30 is 00:30 and 01:30 in
    # UTC; and forward at 02:00 on 29 March, when 02:30 would have been 01:30. Cape Verde is an
    # hour behind UTC.
    berlin, verde = "Europe/Berlin", "Atlantic/Cape_Verde"
    assert days("iso", "2026-10-25T02:30:00", zone=berlin, here=verde) == ["2026-10-24"]
    assert days("iso", "2026-10-25T03:30:00", zone=berlin, here=verde) == ["2026-10-25"]
    assert days("iso", "2026-03-29T02:30:00", zone=berlin, here=verde) == ["2026-03-29"]


@pytest.mark.parametrize(
    ("format_", "text", "fate"),
    [
        ("dd/MM/yyyy", "03/11/2026", "2026-11-03"),
        ("MM/dd/yyyy", "13/11/2026", IMPOSSIBLE),
        ("M/d/yyyy H:mm", "11/3/2026 8:26", "2026-11-03"),
        ("M/d/yyyy H:mm", "11/03/2026 08:26", "2026-11-03"),
        ("M/d/yyyy H:mm", "11/3/2026 24:00", IMPOSSIBLE),
        ("M/d/yyyy H:mm", "11/3/2026", MALFORMED),
        ("dd.MM.yyyy", "1.11.2026", MALFORMED),
        ("dd.MM.yyyy", "2026-11-01", MALFORMED),
        ("dd.MM.yyyy", "31.04.2026", IMPOSSIBLE),
        ("dd.MM.yyyy", "29.02.2025", IMPOSSIBLE),
        ("dd.MM.yyyy", "01.11.2026 ", "2026-11-01"),
        ("dd.MM.yyyy", "\u0660\u0661.11.2026", MALFORMED),
        ("dd.MM.yy", "01.11.26", "2026-11-01"),
        ("dd.MM.yyyy HH:mm:ss UTC", "02.11.2026 22:40:00 UTC", "2026-11-03"),
        ("dd.MM.yyyy HH:mm:ss UTC", "02.11.2026 22:40:00", MALFORMED),
        ("yyyy-MM-ddTHH:mm:ssXXX", "2026-11-02T23:40:00+01:00", "2026-11-03"),
        ("M/d/yyyy h:mm a", "11/3/2026 12:05 AM", "2026-11-03"),
        ("M/d/yyyy h:mm a", "11/3/2026 13:05 PM", IMPOSSIBLE),
        ("M/d/yyyy h:mm a XXX", "11/3/2026 11:05 pm Z", "2026-11-04"),
        ("unix", "1793494800", "2026-11-01"),
        ("unix", "1793480399.9", "2026-10-31"),
        ("unix", "99999999999999", IMPOSSIBLE),
        ("unix", "2026-11-01", MALFORMED),
    ],
)
def test_a_text_fits_the_format_of_its_column_alone(
    format_: str, text: str, fate: str | list[str]
) -> None:
    assert days(format_, text) == [fate]
    assert days(format_, None, text, "") == [None, fate, ""]


def test_a_typed_day_or_time_is_known_whatever_is_declared_and_a_bare_number_is_none() -> None:
    found = days("dd.MM.yyyy", "2026-11-05", "2026-11-05T22:00:00+00:00", "46331", typed=True)
    assert found == ["2026-11-05", "2026-11-06", MALFORMED]
    assert days("unix", "1793494800", "2026-11-05", typed=True) == ["2026-11-01", "2026-11-05"]


@pytest.mark.parametrize(
    ("day", "typed"),
    [
        ("2026-11-24T12:45:00+03:00", False),
        (" 2026-11-24 12:45", False),
        ("2026-11-24T00:00:00Z", False),
        ("2026-11-24T00:00:00+00:00", True),
        ("2026-11-24T12:45:00", True),
    ],
)
def test_a_time_is_refused_where_the_store_names_no_time_zone(day: str, typed: bool) -> None:
    days_ = ["2026-11-24", None, "24.11.2026", day, "2026-11-24T01:00:00Z"]
    with pytest.raises(ExportError) as refused:
        rows_of(store_of(), typed=["day"] if typed else [], day=days_)
    said = f"sales.csv, line 5: {day} is a time, and the store's file does not say where its days"
    assert str(refused.value).startswith(said)
    assert 'add a line such as time_zone = "Europe/Berlin"' in str(refused.value)
    assert len(rows_of(store_of(top='time_zone = "Asia/Tokyo"'), typed=["day"], day=days_)) == 5


@pytest.mark.parametrize("day", ["2026-11-24", "2026-11-24T00:00:00", "2026-11-24 00:00:00.000"])
def test_a_midnight_without_a_zone_is_a_date(day: str) -> None:
    rows = rows_of(store_of(), typed=["day"], day=[day])
    assert fates_of(rows, "sale_date") == ["2026-11-24"]


def test_a_date_and_a_time_in_two_columns_are_joined() -> None:
    store = store_of(
        top='time_zone = "Europe/Berlin"',
        sale_date='columns = ["day", "time"], separator = " ", format = "MM/dd/yyyy HH:mm:ss"',
    )
    rows = rows_of(
        store, day=["11/03/2026", " 11/04/2026", "11/05/2026"], time=["23:59:59", "00:00:00", ""]
    )
    assert fates_of(rows, "sale_date") == ["2026-11-03", "2026-11-04", None]


@pytest.mark.parametrize(
    "format_",
    [
        "DD.MM.YYYY",
        "dd.MMM.yyyy",
        "dd.MM",
        "MM.yyyy",
        "dd.mm.yyyy",
        "dd.MM.yyyy hh:mm",
        "dd.dd.MM.yyyy",
        "d.M.yyyy yy",
    ],
)
def test_a_pattern_that_means_no_day_is_refused_before_anything_is_read(format_: str) -> None:
    with pytest.raises(ValidationError):
        store_of(sale_date=written(format_))
