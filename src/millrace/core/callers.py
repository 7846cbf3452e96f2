"""Who calls: the program's own frame behind the frames of this package."""

from __future__ import annotations

import os
import sys
from types import FrameType

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep  # the folder of this package


def calling_frame() -> FrameType:
    """The innermost frame of code that does not lie in this package; the outermost where all of it does."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(HERE) and frame.f_back is not None:
        frame = frame.f_back
    return frame
