"""Dates as HTTP writes them."""


def format_date(moment):
    """Return an IMF-fixdate (RFC 9110 5.6.7) as bytes for a `time.gmtime()` tuple."""
    year, month, day, hour, minute, second, weekday = moment[:7]
    names = "MonTueWedThuFriSatSun"
    months = "JanFebMarAprMayJunJulAugSepOctNovDec"
    return b"%s, %02d %s %d %02d:%02d:%02d GMT" % (
        names[3 * weekday : 3 * weekday + 3].encode(),
        day,
        months[3 * month - 3 : 3 * month].encode(),
        year,
        hour,
        minute,
        second,
    )
