"""`tf.keras.layers.Layer`, with all that it needs in place."""

from __future__ import annotations

from millrace.core.public import public
from millrace.lib.layers.layer import Layer
from millrace.models.keras.engine import operations as operations  # makes layers of plain operations
from millrace.models.keras.metrics import base as base  # gives layers their averages

public("keras.layers.Layer")(Layer)
