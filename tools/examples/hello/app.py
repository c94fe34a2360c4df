"""The smallest application: a page, an answer in JSON, and a name from the path."""

from firmware import App, Request, render

app = App()

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Hello</title>
<h1>Hello, {{name}}!</h1>
"""


@app.get("/")
def page(request: Request):
    """Return a page; what stands for a name is escaped."""
    return render(PAGE, name=request.args.get("name", "world"))


@app.get("/api/hello/<name>")
def hello(request: Request, name: str):
    """Return a greeting as JSON."""
    return {"hello": name}
