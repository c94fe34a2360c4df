"""A sensor: read every second; its values are shown live, as JSON and as a table."""

import asyncio

from firmware import App, Request
from firmware.features.feed import Feed

PIN = 34  # an input of the ADC: soil moisture, light, a potentiometer

app = App()
readings = Feed(120)


def sensor():
    """Return a function that reads percent; without the hardware it invents some."""
    try:
        from machine import ADC, Pin

        adc = ADC(Pin(PIN), atten=ADC.ATTN_11DB)
    except (ImportError, ValueError):
        return lambda: 40 + readings.last % 20
    return lambda: adc.read_u16() * 100 // 65535


read = sensor()


@app.background
async def sample():
    """Publish a value every second."""
    while True:
        readings.publish({"percent": read()})
        await asyncio.sleep(1)


@app.get("/api/sensor")
def newest(request: Request):
    """Return the newest value, and how many there were."""
    return {"percent": read(), "count": readings.last}


@app.get("/api/sensor/events")
def events(request: Request):
    """Send each value as it comes (Server-Sent Events)."""
    return readings.events(request)


@app.get("/api/sensor.csv")
def table(request: Request):
    """Send what is held as a table, a line at a time."""

    def lines():
        yield "number,percent\r\n"
        for number, value in readings.newer(0):
            yield "%d,%d\r\n" % (number, value["percent"])

    return lines(), {"Content-Type": "text/csv"}
