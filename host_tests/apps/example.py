"""Serves an application of tools/examples, and its pages: `--host H --port N --data D NAME`."""

import os
import sys

from host_tests.apps import start

(NAME,) = start.words()
FOLDER = os.getcwd() + "/tools/examples/" + NAME
SITE = os.getcwd() + "/firmware/site/www"

# What is kept by a name without a folder goes where a project's data are.
os.chdir(start.option("data"))
sys.path.insert(0, FOLDER)
app = __import__("app").app
# The icon of the pages is the shipped site's.
app.static("/board", SITE)
if "www" in os.listdir(FOLDER):
    app.static("/", FOLDER + "/www")
start.run(app)
