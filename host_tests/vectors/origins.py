"""Whose page asks, and by which name, under either interpreter: (name, function, arguments, expected)."""

from firmware.features import hosts, origins
from firmware.http.errors import HTTPError
from host_tests.vectors.heads import request

ALLOWED = ("https://dashboard.example",)


def foreign(host, *fields):
    """Return whether such a POST is another site's, or the status of the error."""
    try:
        return origins.is_foreign(request(*fields, line="POST / HTTP/1.1", host=host), ALLOWED)
    except HTTPError as error:
        return error.status


def known(host, names):
    """Return whether a Host is one of `names`."""
    return hosts._is_known(hosts.host_name(host), names)


FUNCTIONS = {"foreign": foreign, "known": known, "host": hosts.host_name, "address": hosts.is_address}

HERE = "limpet.local"
BOARD = ("limpet", "limpet.local", "192.168.4.1", "fe80::1")
NAMES = ("limpet", "limpet.local")

CASES = [
    # What is no browser
    ("nothing", "foreign", (HERE,), False),
    ("nothing_and_no_host", "foreign", ("",), False),
    # Fetch Metadata
    ("same_origin", "foreign", (HERE, "Sec-Fetch-Site: same-origin"), False),
    ("typed", "foreign", (HERE, "Sec-Fetch-Site: none"), False),
    ("same_site", "foreign", (HERE, "Sec-Fetch-Site: same-site"), True),
    ("cross_site", "foreign", (HERE, "Sec-Fetch-Site: cross-site"), True),
    ("unknown_site", "foreign", (HERE, "Sec-Fetch-Site: moon"), True),
    ("empty_site", "foreign", (HERE, "Sec-Fetch-Site:"), True),
    ("site_twice", "foreign", (HERE, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"), True),
    ("site_beats_origin", "foreign", (HERE, "Sec-Fetch-Site: cross-site", "Origin: http://limpet.local"), True),
    ("behind_a_proxy", "foreign", ("inner", "Sec-Fetch-Site: same-origin", "Origin: https://outer.example"), False),
    # Origin
    ("origin", "foreign", (HERE, "Origin: http://limpet.local"), False),
    ("origin_tls", "foreign", (HERE, "Origin: https://limpet.local"), False),
    ("origin_with_port", "foreign", ("limpet.local:8080", "Origin: http://limpet.local:8080"), False),
    ("origin_default_port", "foreign", ("limpet.local:80", "Origin: http://limpet.local"), False),
    ("origin_default_port_tls", "foreign", ("limpet.local:443", "Origin: https://limpet.local"), False),
    ("origin_other_port", "foreign", ("limpet.local", "Origin: http://limpet.local:8080"), True),
    ("origin_other_port_of_host", "foreign", ("limpet.local:8080", "Origin: http://limpet.local"), True),
    ("origin_in_capitals", "foreign", ("Limpet.LOCAL", "Origin: HTTP://LIMPET.local"), False),
    ("origin_with_the_default_port", "foreign", (HERE, "Origin: http://limpet.local:80"), False),
    ("origin_default_port_of_the_other", "foreign", ("limpet.local:443", "Origin: http://limpet.local"), True),
    ("origin_tls_default_port_of_the_other", "foreign", ("limpet.local:80", "Origin: https://limpet.local"), True),
    ("origin_ipv6_with_port", "foreign", ("[fe80::1]:8080", "Origin: http://[fe80::1]:8080"), False),
    ("origin_ipv6", "foreign", ("[fe80::1]:80", "Origin: http://[fe80::1]"), False),
    ("origin_other", "foreign", (HERE, "Origin: http://evil.example"), True),
    ("origin_begins_like_ours", "foreign", (HERE, "Origin: http://limpet.local.evil.example"), True),
    ("origin_ends_like_ours", "foreign", (HERE, "Origin: http://evil-limpet.local"), True),
    ("origin_of_a_subdomain", "foreign", (HERE, "Origin: http://a.limpet.local"), True),
    ("origin_null", "foreign", (HERE, "Origin: null"), True),
    ("origin_empty", "foreign", (HERE, "Origin:"), True),
    ("origin_and_host_empty", "foreign", ("", "Origin: http://"), True),
    ("origin_of_a_file", "foreign", (HERE, "Origin: file://"), True),
    ("origin_of_an_extension", "foreign", (HERE, "Origin: chrome-extension://limpet.local"), True),
    ("origin_with_user", "foreign", (HERE, "Origin: http://limpet.local@evil.example"), True),
    ("origin_list", "foreign", (HERE, "Origin: http://limpet.local http://evil.example"), True),
    ("origin_twice", "foreign", (HERE, "Origin: http://limpet.local", "Origin: http://limpet.local"), 400),
    ("origin_without_host", "foreign", ("", "Origin: http://evil.example"), True),
    ("allowed", "foreign", (HERE, "Origin: https://dashboard.example"), False),
    ("allowed_cross_site", "foreign", (HERE, "Origin: https://dashboard.example", "Sec-Fetch-Site: cross-site"), False),
    ("allowed_but_not_tls", "foreign", (HERE, "Origin: http://dashboard.example"), True),
    ("allowed_but_longer", "foreign", (HERE, "Origin: https://dashboard.example.evil"), True),
    # Host
    ("host_plain", "host", ("limpet.local",), "limpet.local"),
    ("host_with_port", "host", ("limpet.local:80",), "limpet.local"),
    ("host_with_empty_port", "host", ("limpet.local:",), "limpet.local"),
    ("host_in_capitals", "host", ("LimPet.Local",), "limpet.local"),
    ("host_with_dot", "host", ("limpet.local.:80",), "limpet.local"),
    ("host_ipv6", "host", ("[fe80::1]",), "fe80::1"),
    ("host_ipv6_with_port", "host", ("[fe80::1]:80",), "fe80::1"),
    ("host_empty", "host", ("",), ""),
    ("ipv4", "address", ("192.168.4.1",), True),
    ("ipv4_highest", "address", ("255.255.255.255",), True),
    ("ipv4_too_high", "address", ("1.2.3.256",), False),
    ("ipv4_three", "address", ("1.2.3",), False),
    ("ipv4_five", "address", ("1.2.3.4.5",), False),
    ("ipv4_in_a_name", "address", ("1.2.3.4.evil.example",), False),
    ("ipv4_with_sign", "address", ("1.2.3.+4",), False),
    ("ipv4_hex", "address", ("0x7f.0.0.1",), False),
    ("ipv6", "address", ("fe80::1",), True),
    ("no_address", "address", ("",), False),
    ("known_name", "known", ("limpet.local:8080", BOARD), True),
    ("known_name_in_capitals", "known", ("LIMPET", BOARD), True),
    ("known_address", "known", ("192.168.4.1", BOARD), True),
    ("known_ipv6", "known", ("[FE80::1]:80", BOARD), True),
    ("itself", "known", ("localhost:8080", BOARD), True),
    ("itself_by_address", "known", ("127.0.0.1:8080", BOARD), True),
    ("itself_by_ipv6", "known", ("[::1]", BOARD), True),
    ("foreign_name", "known", ("evil.example", BOARD), False),
    ("foreign_name_like_ours", "known", ("limpet.local.evil.example", BOARD), False),
    ("foreign_address", "known", ("192.168.4.9", BOARD), False),
    ("any_address_where_none_is_told", "known", ("192.168.4.9", NAMES), True),
    ("any_ipv6_where_none_is_told", "known", ("[fe80::9]:80", NAMES), True),
    ("foreign_name_where_no_address_is_told", "known", ("evil.example", NAMES), False),
    # It, or it and -NUMBER, in a local domain
    ("conflict", "known", ("limpet-2.local", NAMES), True),
    ("conflict_often", "known", ("Limpet-137.local.:80", BOARD), True),
    ("conflict_without_domain", "known", ("limpet-2", NAMES), True),
    ("conflict_of_a_number", "known", ("board-7-2.local", ("board-7",)), True),
    ("no_conflict_of_a_number", "known", ("board.local", ("board-7",)), False),
    ("no_number", "known", ("limpet-.local", NAMES), False),
    ("no_number_but_a_word", "known", ("limpet-two.local", NAMES), False),
    ("two_numbers", "known", ("limpet-2-3.local", NAMES), False),
    ("number_without_dash", "known", ("limpet2.local", NAMES), False),
    ("lan", "known", ("limpet.lan", NAMES), True),
    ("lan_by_the_name_alone", "known", ("limpet.lan:8080", ("limpet",)), True),
    ("lan_by_the_local_name", "known", ("limpet-3.lan", ("limpet.local",)), True),
    ("home_arpa", "known", ("limpet.home.arpa", NAMES), True),
    ("internal", "known", ("LIMPET.internal", NAMES), True),
    ("arpa_alone", "known", ("limpet.arpa", NAMES), False),
    ("domain_of_somebody", "known", ("limpet.example", NAMES), False),
    ("domain_of_somebody_below", "known", ("limpet.lan.evil.example", NAMES), False),
    ("domain_alone", "known", (".local", NAMES), False),
    ("other_board", "known", ("other.local", NAMES), False),
    ("public_name", "known", ("board.example.org", ("board.example.org",)), True),
    ("public_name_is_no_other", "known", ("board.local", ("board.example.org",)), False),
    ("public_name_in_another_domain", "known", ("board.lan", ("board.example.org", "limpet")), False),
    ("nameless", "known", (".lan", ("",)), False),
    ("no_name", "known", ("", NAMES), False),
    ("only_a_port", "known", (":80", NAMES), False),
]


def check(case):
    """Raise AssertionError unless the case holds."""
    _, name, args, expected = case
    got = FUNCTIONS[name](*args)
    assert got == expected, "got %r, not %r" % (got, expected)
