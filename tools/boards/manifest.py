# What every image of ours has frozen in it. `tools/freeze.py` lays what it names beside this folder.

# As what is deployed (tools/mpy.py): without assertions, with the line numbers that a traceback shows.
package("firmware", base_path="..", opt=2)

# By this the image tells a deployment which tree it has.
module("firmware_build.py", base_path="..", opt=2)
