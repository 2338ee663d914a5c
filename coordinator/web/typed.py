"""What people type, read: days such as 03-Mar-2026, 03/03/2026, or +14 for a fortnight from today; pages of a list."""

import re
from datetime import date, timedelta

from coordinator.cohort_file.dates import read_date
from coordinator.web.text import _
from pathway.calendar import show_date

FROM_TODAY = re.compile(r"([+-])\s?(\d{1,4})")
LONGEST = timedelta(days=3660)


def typed_day(text: str, today: date) -> date | str:
    """The day, or the sentence that says what is wrong with it."""
    text = text.strip()
    if from_today := FROM_TODAY.fullmatch(text):
        sign, days = from_today.groups()
        found = today + timedelta(days=int(days)) * (-1 if sign == "-" else 1)
    else:
        read = read_date(text, "dmy")
        if not isinstance(read, date):
            return _("%(text)s is not a day; write it like %(example)s.", text=text or "…", example=show_date(today))
        found = read
    if abs(found - today) > LONGEST:
        return _("%(day)s is more than ten years away.", day=show_date(found))
    return found


def page_number(text: str) -> int:
    """The page of a list that an address names, counted from 1; the first where it names none."""
    return max(1, int(text)) if text.isdecimal() and len(text) < 7 else 1
