"""Imported when a Python process starts under `millrace run` or in an environment after `millrace enable`."""

import os

from millrace.hook import shims
from millrace.hook.finder import install

install()
shims.apply(os.environ.get("MILLRACE_SHIMS", "default"))
