"""What the board does: its endpoints. `README.md` beside says how to try it and how to bring it to a board."""

from firmware import App

app = App()


@app.get("/api/hello")
def hello(request):
    """Return a greeting, as JSON."""
    return {"hello": request.args.get("name", "world")}
