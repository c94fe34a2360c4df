"""Settings that are right and wrong: (name, document, {path: the beginning of what is wrong with it})."""

from firmware.board import settings
from firmware.http.errors import HTTPError

schema = settings._schema()

HASH = "pbkdf2-sha256$20000$%s$%s" % (16 * "5a", 32 * "c3")
HOME = {"ssid": "Home", "password": "password1"}
ADDRESS = {"ip": "192.168.1.7", "mask": "255.255.255.0", "gateway": "192.168.1.1", "dns": "9.9.9.9"}

KEY = "A Wi-Fi password has 8 to 63 ASCII"
NAME = "A host name has 1 to 32"
SSID = "A network's name has 1 to 32 bytes"
IPV4 = "Must be an IPv4 address."
ORIGIN = "Must be an origin as browsers write it"
PIN_NAME = "A name has 1 to 24 characters."
MODES = ("input", "input_pull_up", "output", "pwm")
UNKNOWN = "There is no such setting."
OBJECT = "Must be an object."


def network(**members):
    document = dict(HOME)
    document.update(members)
    return {"networks": [document]}


def address(**members):
    document = dict(ADDRESS)
    document.update(members)
    return network(address=document)


def pin(**members):
    document = {"number": 4, "name": "Fan", "mode": "output"}
    document.update(members)
    return document


def gpio(*pins):
    return {"pins": {"gpio": list(pins)}}


def check(case):
    name, document, expected = case
    wrong = {}
    read = schema.read(document, None, wrong)
    got = {path: wrong[path][: len(expected[path])] if path in expected else wrong[path] for path in wrong}
    if got != expected:
        raise AssertionError("%s, not %s" % (got, expected))
    if expected:
        config = settings._config()
        config.storage = None  # nothing may be saved
        settings._config = lambda: config
        before = settings.current
        try:
            settings.replace(document)
        except HTTPError as error:
            assert (error.status, error.fields) == (422, wrong)
            first = sorted(wrong)[0]
            assert error.detail.startswith("Something is wrong with %s: %s" % (first, wrong[first]))
            assert ("more" in error.detail) == (len(wrong) > 1)
        else:
            raise AssertionError("it is taken")
        assert settings.current is before
    else:
        # What was read is whole: reading it again changes nothing.
        assert schema.read(read, None, wrong) == read and not wrong
        assert sorted(read) == sorted(schema.SCHEMA)


GOOD = [
    ("nothing", {}),
    ("hostname", {"hostname": "Limpet-2"}),
    ("hostname_of_32", {"hostname": 32 * "a"}),
    ("hostname_of_one", {"hostname": "7"}),
    ("network", network()),
    ("open_network", network(password=None)),
    ("open_network_as_shown", network(password=False)),
    ("network_without_password", {"networks": [{"ssid": "x"}]}),
    ("ssid_of_32_bytes", network(ssid=16 * "é")),
    ("ssid_with_spaces", network(ssid=" a b ")),
    ("key_of_8", network(password=8 * "~")),
    ("key_of_63", network(password=63 * " ")),
    ("key_in_hex", network(password=32 * "aF")),
    ("eight_networks", {"networks": [{"ssid": "n%d" % n} for n in range(8)]}),
    ("address", address()),
    ("address_without_mask", network(address={"ip": "10.0.0.2", "gateway": "10.0.0.1", "dns": "10.0.0.1"})),
    ("no_address", network(address=None)),
    ("small_network", address(ip="10.0.0.2", mask="255.255.255.252", gateway="10.0.0.1")),
    ("point", {"access_point": {"ssid": "Setup", "password": "password1", "after_s": 5}}),
    ("point_never", {"access_point": {"after_s": None}}),
    ("hash", {"admin": HASH}),
    ("no_hash", {"admin": None}),
    ("time_servers", {"time_servers": ["pool.ntp.org", "192.168.1.1", "router"]}),
    ("no_time_servers", {"time_servers": []}),
    ("no_origins", {"origins": []}),
    ("origins", {"origins": ["https://board.example.org", "http://example.org:8080", "https://192.0.2.7", "http://b"]}),
    ("port", {"ports": {"http": 65535}}),
    ("limits_of_what_lasts", {"limits": {"long_lived": 3, "ping_ms": 30000, "message_bytes": 65536}}),
    ("limits_of_heads", {"limits": {"head_bytes": 8192, "target_bytes": 4096, "fields": 128}}),
    ("limits", {"limits": {"connections": 4, "body_bytes": None, "idle_ms": 2000}}),
    ("pins", {"pins": {"led": 0, "led_inverted": True}}),
    ("pin_of_each_mode", gpio(*[pin(number=n, mode=mode) for n, mode in enumerate(MODES)])),
    ("pin_with_all", gpio(pin(frequency_hz=50, inverted=True))),
    ("pin_named_with_24", gpio(pin(name=24 * "é"))),
    ("twelve_pins", gpio(*[pin(number=n) for n in range(12)])),
    ("reset_off", {"wifi": {"reset_after_s": 0}}),
    ("reset", {"wifi": {"reset_after_s": 300}}),
    ("watchdog_off", {"watchdog_s": 0}),
    ("watchdog", {"watchdog_s": 30}),
]

BAD = [
    ("no_object", [], {"settings": OBJECT}),
    ("text", "x", {"settings": OBJECT}),
    ("null", None, {"settings": OBJECT}),
    ("unknown", {"host": "x"}, {"host": UNKNOWN}),
    ("unknown_inside", {"ports": {"gopher": 70}}, {"ports.gopher": UNKNOWN}),
    ("unknown_in_list", network(channel=3), {"networks.0.channel": UNKNOWN}),
    ("two", {"hostname": "", "watchdog_s": 1}, {"hostname": NAME, "watchdog_s": "Must be 0 (off) or"}),
    ("object_null", {"ports": None}, {"ports": OBJECT}),
    ("hostname_number", {"hostname": 7}, {"hostname": NAME}),
    ("hostname_null", {"hostname": None}, {"hostname": NAME}),
    ("hostname_of_33", {"hostname": 33 * "a"}, {"hostname": NAME}),
    ("hostname_dotted", {"hostname": "limpet.local"}, {"hostname": NAME}),
    ("hostname_space", {"hostname": "a b"}, {"hostname": NAME}),
    ("hostname_umlaut", {"hostname": "müsli"}, {"hostname": NAME}),
    ("hostname_hyphen_first", {"hostname": "-a"}, {"hostname": NAME}),
    ("hostname_hyphen_last", {"hostname": "a-"}, {"hostname": NAME}),
    ("networks_object", {"networks": {}}, {"networks": "Must be a list of at most 8."}),
    ("nine_networks", {"networks": [{"ssid": "n%d" % n} for n in range(9)]}, {"networks": "Must be a list"}),
    ("network_text", {"networks": ["Home"]}, {"networks.0": OBJECT}),
    ("network_null", {"networks": [None]}, {"networks.0": OBJECT}),
    ("ssid_missing", {"networks": [{"password": "password1"}]}, {"networks.0.ssid": "This is required."}),
    ("ssid_null", network(ssid=None), {"networks.0.ssid": SSID}),
    ("ssid_empty", network(ssid=""), {"networks.0.ssid": SSID}),
    ("ssid_of_33_bytes", network(ssid=16 * "é" + "x"), {"networks.0.ssid": SSID}),
    ("ssid_twice", {"networks": [HOME, HOME]}, {"networks.1.ssid": "This network is in the list already."}),
    ("key_empty", network(password=""), {"networks.0.password": KEY}),
    ("key_of_7", network(password="1234567"), {"networks.0.password": KEY}),
    ("key_of_64", network(password=64 * "x"), {"networks.0.password": KEY}),
    ("key_of_65", network(password=65 * "a"), {"networks.0.password": KEY}),
    ("key_not_ascii", network(password="pässword1"), {"networks.0.password": KEY}),
    ("key_with_line_end", network(password="password\n"), {"networks.0.password": KEY}),
    ("key_number", network(password=12345678), {"networks.0.password": KEY}),
    ("key_to_keep_that_is_not_there", network(password=True), {"networks.0.password": "There is none to keep"}),
    ("address_text", network(address="192.168.1.7"), {"networks.0.address": OBJECT}),
    (
        "address_empty",
        network(address={}),
        {"networks.0.address." + name: "This is required." for name in ("ip", "gateway", "dns")},
    ),
    ("ip_of_three", address(ip="192.168.1"), {"networks.0.address.ip": IPV4}),
    ("ip_of_five", address(ip="192.168.1.1.1"), {"networks.0.address.ip": IPV4}),
    ("ip_256", address(ip="192.168.1.256"), {"networks.0.address.ip": IPV4}),
    ("ip_octal", address(ip="192.168.1.07"), {"networks.0.address.ip": IPV4}),
    ("ip_sign", address(ip="192.168.1.+7"), {"networks.0.address.ip": IPV4}),
    ("ip_space", address(ip=" 192.168.1.7"), {"networks.0.address.ip": IPV4}),
    ("ip_underscore", address(ip="192.168.1_1.7"), {"networks.0.address.ip": IPV4}),
    ("ip_other_digits", address(ip="192.168.1.\u0667"), {"networks.0.address.ip": IPV4}),
    ("ip_six", address(ip="fe80::1"), {"networks.0.address.ip": IPV4}),
    ("ip_null", address(ip=None), {"networks.0.address.ip": IPV4}),
    ("ip_of_the_network", address(ip="192.168.1.0"), {"networks.0.address.ip": "Must be the address of"}),
    ("ip_of_everybody", address(ip="192.168.1.255"), {"networks.0.address.ip": "Must be the address of"}),
    ("mask_with_a_hole", address(mask="255.0.255.0"), {"networks.0.address.mask": "Must be a network"}),
    ("mask_of_one_host", address(mask="255.255.255.255"), {"networks.0.address.mask": "Must be a network"}),
    ("gateway_elsewhere", address(gateway="192.168.2.1"), {"networks.0.address.gateway": "Must be in the same"}),
    ("point_after_4", {"access_point": {"after_s": 4}}, {"access_point.after_s": "Must be a whole number from 5"}),
    ("point_key", {"access_point": {"password": "x"}}, {"access_point.password": KEY}),
    ("password_in_plain_text", {"admin": "secret"}, {"admin": "Must be a salted hash"}),
    ("other_hash", {"admin": HASH.replace("sha256", "sha1")}, {"admin": "Must be a salted hash"}),
    ("hash_that_none_fits", {"admin": "pbkdf2-sha256$1$nothex$nothex"}, {"admin": "Must be a salted hash"}),
    ("ports_alike", {"ports": {"http": 80, "https": 80}}, {"ports.https": "Must be another port"}),
    ("hash_without_salt", {"admin": "pbkdf2-sha256$1$$x"}, {"admin": "Must be a salted hash"}),
    ("hash_too_long", {"admin": HASH + 256 * "x"}, {"admin": "Must be a salted hash"}),
    ("hash_to_keep_that_is_not_there", {"admin": True}, {"admin": "There is none to keep"}),
    ("five_servers", {"time_servers": 5 * ["a"]}, {"time_servers": "Must be a list of at most 4."}),
    ("server_empty", {"time_servers": [""]}, {"time_servers.0": "Must be a host's name"}),
    ("server_dots", {"time_servers": ["a..b"]}, {"time_servers.0": "Must be a host's name"}),
    ("server_url", {"time_servers": ["http://a"]}, {"time_servers.0": "Must be a host's name"}),
    ("five_origins", {"origins": 5 * ["http://a"]}, {"origins": "Must be a list of at most 4."}),
    ("origin_number", {"origins": [7]}, {"origins.0": ORIGIN}),
    ("origin_empty", {"origins": [""]}, {"origins.0": ORIGIN}),
    ("origin_name", {"origins": ["board.example.org"]}, {"origins.0": ORIGIN}),
    ("origin_with_a_path", {"origins": ["https://board.example.org/"]}, {"origins.0": ORIGIN}),
    ("origin_in_capitals", {"origins": ["https://Board.example.org"]}, {"origins.0": ORIGIN}),
    ("origin_with_the_usual_port", {"origins": ["http://a", "https://a:443"]}, {"origins.1": ORIGIN}),
    ("origin_with_an_empty_port", {"origins": ["https://a:"]}, {"origins.0": ORIGIN}),
    ("origin_with_too_high_a_port", {"origins": ["https://a:65536"]}, {"origins.0": ORIGIN}),
    ("origin_with_a_user", {"origins": ["https://me@a"]}, {"origins.0": ORIGIN}),
    ("origin_of_another_scheme", {"origins": ["ftp://a", "httpx://a"]}, {"origins.0": ORIGIN, "origins.1": ORIGIN}),
    ("origin_null", {"origins": ["null", None]}, {"origins.0": ORIGIN, "origins.1": ORIGIN}),
    ("port_0", {"ports": {"http": 0}}, {"ports.http": "Must be a whole number from 1 to 65535."}),
    ("port_text", {"ports": {"http": "80"}}, {"ports.http": "Must be a whole number"}),
    ("port_half", {"ports": {"http": 80.0}}, {"ports.http": "Must be a whole number"}),
    ("port_true", {"ports": {"http": True}}, {"ports.http": "Must be a whole number"}),
    ("port_null", {"ports": {"http": None}}, {"ports.http": "Must be a whole number"}),
    ("limit", {"limits": {"connections": 9}}, {"limits.connections": "Must be a whole number from 3 to 8."}),
    ("limit_of_heads", {"limits": {"head_bytes": 8193}}, {"limits.head_bytes": "Must be a whole number from 1024 to"}),
    ("limit_of_fields", {"limits": {"fields": 8}}, {"limits.fields": "Must be a whole number from 24 to 128."}),
    ("pin", {"pins": {"led": -1}}, {"pins.led": "Must be a whole number from 0"}),
    ("pins_object", {"pins": {"gpio": {}}}, {"pins.gpio": "Must be a list of at most 12."}),
    ("thirteen_pins", gpio(*[pin(number=n) for n in range(13)]), {"pins.gpio": "Must be a list of at most 12."}),
    ("pin_55", gpio(pin(number=55)), {"pins.gpio.0.number": "Must be a whole number from 0 to 54."}),
    ("pin_true", gpio(pin(number=True)), {"pins.gpio.0.number": "Must be a whole number"}),
    ("pin_twice", gpio(pin(), pin()), {"pins.gpio.1.number": "This pin is in the list already."}),
    ("pin_of_the_led", {"pins": {"led": 4, "gpio": [pin()]}}, {"pins.gpio.0.number": "Must be another pin"}),
    ("pin_without_all", gpio({}), {"pins.gpio.0." + name: "This is required." for name in ("number", "name", "mode")}),
    ("pin_nameless", gpio(pin(name="")), {"pins.gpio.0.name": PIN_NAME}),
    ("pin_named_blank", gpio(pin(name="  ")), {"pins.gpio.0.name": PIN_NAME}),
    ("pin_named_with_25", gpio(pin(name=25 * "x")), {"pins.gpio.0.name": PIN_NAME}),
    ("pin_named_in_lines", gpio(pin(name="a\nb")), {"pins.gpio.0.name": PIN_NAME}),
    ("pin_mode", gpio(pin(mode="dac")), {"pins.gpio.0.mode": "Must be one of: input, input_pull_up, output, pwm."}),
    ("pin_mode_object", gpio(pin(mode={})), {"pins.gpio.0.mode": "Must be one of"}),
    ("pin_frequency", gpio(pin(frequency_hz=0)), {"pins.gpio.0.frequency_hz": "Must be a whole number from 10 to"}),
    ("pin_inverted", gpio(pin(inverted=0)), {"pins.gpio.0.inverted": "Must be true or false."}),
    ("pin_flag", {"pins": {"led_inverted": 1}}, {"pins.led_inverted": "Must be true or false."}),
    ("reset_soon", {"wifi": {"reset_after_s": 299}}, {"wifi.reset_after_s": "Must be 0 (off) or a whole number"}),
    ("reset_true", {"wifi": {"reset_after_s": True}}, {"wifi.reset_after_s": "Must be 0 (off)"}),
    ("watchdog_soon", {"watchdog_s": 29}, {"watchdog_s": "Must be 0 (off) or a whole number from 30 to 3600."}),
    ("watchdog_false", {"watchdog_s": False}, {"watchdog_s": "Must be 0 (off) or"}),
]

CASES = [(name, document, {}) for name, document in GOOD] + BAD
