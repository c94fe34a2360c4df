"""A part that is a module of no package."""

from firmware import App

app = App()
app.can_go = True


@app.get("/top")
def read(request):
    return {"top": True}
