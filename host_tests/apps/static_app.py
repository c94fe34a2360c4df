"""Static folders: data/www at the root, data/other below a prefix with a max age, data/inner in a mounted app."""

from firmware import App
from host_tests.apps import start

app = App()
DATA = start.option("data")


@app.get("/api")
def api(request):
    return {"api": True}


inner = App()
inner.static("/files", DATA + "/inner")
app.mount("/sub", inner)
app.static("/mounted", DATA + "/other", max_age_s=3600)
app.static("/", DATA + "/www")

if __name__ == "__main__":
    start.run(app)
