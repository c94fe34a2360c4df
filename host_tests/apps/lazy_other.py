"""A part that stays."""

from firmware import App

app = App()
count = 0


@app.get("/other/<name>")
def read(request, name):
    global count
    count += 1
    return {"count": count, "name": name}
